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
	"time"

	"github.com/sesame-mta/sesame/internal/failpoint"
)

// earlyJournal is the one file that was the journal before there were segments.
const earlyJournal = "journal"

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

// journal is what was confirmed since the last checkpoint: frames in one segment,
// behind those whose content is still wanted, or from its start. Its number tells
// the frames of now from those that lie there from before. Only the committer uses
// it.
type journal struct {
	dir    string
	f      *os.File // nil when the segment has yet to be opened
	seg    uint32
	number uint64 // grows with every checkpoint
	start  int64  // where the first frame since the checkpoint is
	off    int64  // where the next frame goes
	size   int64  // of the file
	most   int64  // that is worth writing ahead
	roomy  bool   // there is room to grow it further than the next frame needs
	spares []spare
	buf    []byte
	fail   *failpoint.Set
}

// placed is a unit that brings content, which stays where its frame is.
type placed interface {
	// place tells where the frame begins.
	place(seg uint32, frame int64)
}

// add puts units on stable storage as one frame. After an error that is a full
// disk nothing of them is kept; after any other it is in doubt.
func (j *journal) add(units []*unit, now time.Time) error {
	if err := j.open(); err != nil {
		return asFull(err)
	}
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
	for _, u := range units {
		if p, ok := u.op.(placed); ok {
			p.place(j.seg, j.off)
		}
	}
	j.off += int64(len(b))
	j.size = max(j.size, j.off)
	return j.fail.Hit("batch.durable")
}

// stretch is how far the file is grown at a time where frames are short, up to
// shortFrame octets.
const (
	stretch    = 256 << 10
	shortFrame = 16 << 10
)

// grow writes zeros behind a short frame that made the file longer: a sync that has
// a new size to write takes twice as long as one that has none, and a client that
// is alone waits for each. What the disk does not take of them is left out.
func (j *journal) grow(frame int) {
	end := j.off + int64(frame)
	more := min(stretch, j.most-end)
	if !j.roomy || frame > shortFrame || end <= j.size || more <= 0 {
		return
	}
	// Page by page, so that the kernel has it in folios of a page: a short write into a
	// larger one makes all of that dirty.
	zeros := make([]byte, pageSize)
	for more > 0 {
		n, err := j.f.WriteAt(zeros[:min(more, pageSize-end%pageSize)], end)
		end, more = end+int64(n), more-int64(n)
		if err != nil {
			break
		}
	}
	j.size = end
}

// headSum covers the head and where it stands.
func headSum(head []byte, off int64) uint32 {
	sum := crc32.Checksum(head[:frameHead-4], castagnoli)
	return crc32.Update(sum, castagnoli, binary.BigEndian.AppendUint64(nil, uint64(off)))
}

// mark is where the journal goes on from a checkpoint.
type mark struct {
	number uint64
	seg    uint32
	off    int64
}

// begin starts the journal anew, after a checkpoint that took up all of it.
func (j *journal) begin(m mark) {
	if j.seg != m.seg {
		_ = j.close() // all of it is on stable storage
	}
	j.number, j.seg, j.start, j.off = m.number, m.seg, m.off, m.off
}

// resume opens the journal to be read, from where a checkpoint says that it goes
// on. Its segment may be yet to be made, when it has no frame.
func (j *journal) resume(path string, m mark) error {
	j.begin(m)
	if j.f != nil {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) && m.off == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	fi, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open journal: %w", err), f.Close())
	}
	j.f, j.size = f, fi.Size()
	return nil
}

// frame is one that was read.
type frame struct {
	seg   uint32
	at    int64
	time  time.Time
	units int
	body  []byte
}

// errFrame says that the units of a frame are not those that were written.
var errFrame = errors.New("frame of the journal is damaged")

// farthest is how far behind a damaged frame the next one is looked for; no frame is
// as long.
const farthest = 2 * maxBatchBytes

// behind goes on with the first frame behind one that cannot be read; false
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
				fr.seg, fr.at, j.off = j.seg, j.off, off+int64(at)
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
	fr = frame{seg: j.seg, at: j.off, time: fromMillis(int64(binary.BigEndian.Uint64(head[12:]))), units: int(binary.BigEndian.Uint32(head[20:]))}
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
	return j.behind()
}

// head reads the head of a frame of this number; false when none is there.
func (j *journal) head(off int64) (head []byte, ok bool, err error) {
	if j.f == nil {
		return nil, false, nil
	}
	head, ok, err = frameAt(j.f, off)
	return head, ok && binary.BigEndian.Uint64(head[4:]) == j.number, err
}

// frameAt reads the head of a frame of any number.
func frameAt(f io.ReaderAt, off int64) (head []byte, ok bool, err error) {
	head = make([]byte, frameHead)
	if _, err := f.ReadAt(head, off); errors.Is(err, io.EOF) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, fmt.Errorf("read journal: %w", err)
	}
	return head, binary.BigEndian.Uint32(head) == frameMagic && binary.BigEndian.Uint32(head[32:]) == headSum(head, off), nil
}

// readFrame reads a whole frame of any number.
func readFrame(f io.ReaderAt, seg uint32, off int64) (*frame, error) {
	head, ok, err := frameAt(f, off)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[24:])
	if !ok || n > maxFrame {
		return nil, errFrame
	}
	fr := &frame{seg: seg, at: off, units: int(binary.BigEndian.Uint32(head[20:])), body: make([]byte, n)}
	if _, err := f.ReadAt(fr.body, off+frameHead); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	if crc32.Checksum(fr.body, castagnoli) != binary.BigEndian.Uint32(head[28:]) {
		return nil, errFrame
	}
	return fr, nil
}

func (j *journal) close() error {
	if j.f == nil {
		return nil
	}
	f := j.f
	j.f = nil
	return f.Close()
}
