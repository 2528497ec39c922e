package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sesame-mta/sesame/internal/atomicfile"
	"github.com/sesame-mta/sesame/internal/failpoint"
)

// journalFile holds what was confirmed since the last checkpoint.
const journalFile = "journal"

// A frame is one group commit in the journal: a head, then the units in the order
// in which they are applied. It is whole or it does not count.
//
//	magic (4) number (8) time, milliseconds (8) units (4) octets (4)
//	CRC-32C of the units (4) CRC-32C of offset and head (4)
const (
	frameMagic = 0x534a6e31 // "SJn1"; the digit is the version
	frameHead  = 36
	// maxFrame bounds what is read of one frame.
	maxFrame = 1 << 30
	// bufferKept is the most memory that is kept for the next frame.
	bufferKept = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// journal is a file that is written from its start again after each checkpoint.
// Its number tells the frames of now from those that lie there from before. Only
// the committer uses it.
type journal struct {
	f      *os.File
	number uint64 // grows with every checkpoint
	off    int64  // where the next frame goes
	size   int64  // of the file
	roomy  bool   // there is room to grow it further than the next frame needs
	buf    []byte
	fail   *failpoint.Set
}

// openJournal opens the journal in a directory, making it when it is not there.
func openJournal(dir string, points *failpoint.Set) (*journal, error) {
	path := filepath.Join(dir, journalFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &journal{f: f, fail: points}
	fi, err := f.Stat()
	if err == nil {
		j.size = fi.Size()
		err = atomicfile.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), f.Close())
	}
	return j, nil
}

// add puts units on stable storage as one frame. After an error that is a full
// disk nothing of them is kept; after any other it is in doubt.
func (j *journal) add(units []*unit, now time.Time) error {
	w := unitWriter{b: append(j.buf[:0], make([]byte, frameHead)...)}
	for _, u := range units {
		w.unit(u.op)
	}
	b := w.b
	if j.buf = b; cap(b) > bufferKept {
		j.buf = nil
	}
	binary.BigEndian.PutUint32(b[0:], frameMagic)
	binary.BigEndian.PutUint64(b[4:], j.number)
	binary.BigEndian.PutUint64(b[12:], uint64(millis(now)))
	binary.BigEndian.PutUint32(b[20:], uint32(len(units)))
	binary.BigEndian.PutUint32(b[24:], uint32(len(b)-frameHead))
	binary.BigEndian.PutUint32(b[28:], crc32.Checksum(b[frameHead:], castagnoli))
	binary.BigEndian.PutUint32(b[32:], headSum(b, j.off))
	err := j.fail.Hit("batch.write")
	if err == nil {
		_, err = j.f.WriteAt(b, j.off)
	}
	if err != nil {
		j.roomy = false
		return asFull(err)
	}
	j.grow(len(b))
	if err := j.fail.Hit("batch.commit"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := dataSync(j.f); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	j.off += int64(len(b))
	j.size = max(j.size, j.off)
	return j.fail.Hit("batch.durable")
}

// ahead is how far the file is grown at a time where frames are short, up to
// shortFrame octets.
const (
	ahead      = 256 << 10
	shortFrame = 16 << 10
)

// grow writes zeros behind a short frame that made the file longer: a sync that has
// a new size to write takes twice as long as one that has none, and a client that
// is alone waits for each. What the disk does not take of them is left out.
func (j *journal) grow(frame int) {
	end := j.off + int64(frame)
	if !j.roomy || frame > shortFrame || end <= j.size {
		return
	}
	n, _ := j.f.WriteAt(make([]byte, ahead), end)
	j.size = end + int64(n)
}

// headSum covers the head and where it stands.
func headSum(head []byte, off int64) uint32 {
	sum := crc32.Checksum(head[:frameHead-4], castagnoli)
	return crc32.Update(sum, castagnoli, binary.BigEndian.AppendUint64(nil, uint64(off)))
}

// begin starts the journal anew, after a checkpoint that took up all of it.
func (j *journal) begin(number uint64) { j.number, j.off = number, 0 }

// frame is one that was read.
type frame struct {
	at    int64
	time  time.Time
	units int
	body  []byte
}

// errFrame says that the units of a frame are not those that were written.
var errFrame = errors.New("frame of the journal is damaged")

// farthest is how far behind a damaged head the next one is looked for; no frame is
// as long.
const farthest = 2 * maxBatchBytes

// behind goes on with the first frame behind one whose head cannot be read; false
// when there is none, as behind the last. Nobody can write such a frame into a
// message, for the number of a journal is not known outside.
func (j *journal) behind() (fr frame, ok bool, err error) {
	want := binary.BigEndian.AppendUint32(nil, frameMagic)
	want = binary.BigEndian.AppendUint64(want, j.number)
	buf := make([]byte, 1<<20)
	for off := j.off + 1; off < min(j.size, j.off+farthest); off += int64(len(buf) - len(want) + 1) {
		n, err := j.f.ReadAt(buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return frame{}, false, fmt.Errorf("read journal: %w", err)
		}
		for at := 0; ; at++ {
			i := bytes.Index(buf[at:n], want)
			if i < 0 {
				break
			}
			at += i
			if _, ok, err := j.head(off + int64(at)); err != nil {
				return frame{}, false, err
			} else if ok {
				fr.at, j.off = j.off, off+int64(at)
				return fr, true, errFrame
			}
		}
	}
	return frame{}, false, nil
}

// next reads the frame at the offset; false is the end: what lies there is no
// frame of this number. The error is errFrame for one that cannot be read but
// has others behind it, which a torn write never has: each is on stable storage
// before the next is begun. Any other is of the disk, and no end: what it does not
// give was promised.
func (j *journal) next() (fr frame, ok bool, err error) {
	head, ok, err := j.head(j.off)
	if err != nil {
		return frame{}, false, err
	}
	if !ok {
		return j.behind()
	}
	n := int64(binary.BigEndian.Uint32(head[24:]))
	fr = frame{at: j.off, time: fromMillis(int64(binary.BigEndian.Uint64(head[12:]))), units: int(binary.BigEndian.Uint32(head[20:]))}
	if n > maxFrame || j.off+frameHead+n > j.size {
		return frame{}, false, nil
	}
	fr.body = make([]byte, n)
	if _, err = j.f.ReadAt(fr.body, j.off+frameHead); err != nil && !errors.Is(err, io.EOF) {
		return frame{}, false, fmt.Errorf("read journal: %w", err)
	}
	if err == nil && crc32.Checksum(fr.body, castagnoli) == binary.BigEndian.Uint32(head[28:]) {
		j.off += frameHead + n
		return fr, true, nil
	}
	if _, more, err := j.head(j.off + frameHead + n); !more {
		return frame{}, false, err
	}
	j.off += frameHead + n
	return fr, true, errFrame
}

// head reads the head of a frame of this number; false when none is there.
func (j *journal) head(off int64) (head []byte, ok bool, err error) {
	if j.f == nil {
		return nil, false, nil
	}
	head = make([]byte, frameHead)
	if _, err := j.f.ReadAt(head, off); errors.Is(err, io.EOF) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, fmt.Errorf("read journal: %w", err)
	}
	return head, binary.BigEndian.Uint32(head) == frameMagic && binary.BigEndian.Uint64(head[4:]) == j.number &&
		binary.BigEndian.Uint32(head[32:]) == headSum(head, off), nil
}

func (j *journal) close() error { return j.f.Close() }

// readJournal opens the journal of a stopped spool; nil when there is none.
func readJournal(dir string) (*journal, error) {
	f, err := os.Open(filepath.Join(dir, journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &journal{f: f, size: size}, nil
}
