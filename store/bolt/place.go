package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sesame-mta/sesame/queue"
)

// bucketSegments holds, by segment, how much of it is in use. It is made at the
// first start: files of before have none.
const bucketSegments = "segments"

// place is where content lies in a segment: where the journal wrote it. The zero
// place is none; segments count from one.
type place struct {
	seg       uint32
	off       int64
	size, sum uint32 // octets, and their CRC-32C
}

const placeSize = 4 + 8 + 4 + 4

func (p place) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, p.seg)
	b = binary.BigEndian.AppendUint64(b, uint64(p.off))
	b = binary.BigEndian.AppendUint32(b, p.size)
	return binary.BigEndian.AppendUint32(b, p.sum)
}

func splitPlace(b []byte) place {
	return place{
		seg: binary.BigEndian.Uint32(b), off: int64(binary.BigEndian.Uint64(b[4:])),
		size: binary.BigEndian.Uint32(b[12:]), sum: binary.BigEndian.Uint32(b[16:]),
	}
}

// use is how much of a segment is in use.
type use struct {
	live   int64 // messages whose content lies in it
	octets int64 // of that content
	end    int64 // where its frames end; for the one that is written to, at the checkpoint
}

const useSize = 3 * 8

// uses is the use of all segments that have any, with those that changed since it
// was written.
type uses struct {
	of      map[uint32]use
	changed map[uint32]bool
}

func (u *uses) set(seg uint32, v use) {
	u.of[seg] = v
	u.changed[seg] = true
}

// hold and release count content that lies in a place.
func (u *uses) hold(p place) {
	if v := u.of[p.seg]; p.seg != 0 {
		u.set(p.seg, use{v.live + 1, v.octets + int64(p.size), v.end})
	}
}

func (u *uses) release(p place) {
	if v := u.of[p.seg]; p.seg != 0 {
		u.set(p.seg, use{v.live - 1, v.octets - int64(p.size), v.end})
	}
}

// loadUses reads the bucket. Where a record is damaged all are counted anew: a segment
// that nobody knew of would be written over.
func (st *state) loadUses(damaged func(where string, err error)) error {
	st.uses = uses{make(map[uint32]use), make(map[uint32]bool)}
	b := st.tx.Bucket([]byte(bucketSegments))
	if b == nil {
		return nil
	}
	var bad [][]byte
	err := b.ForEach(func(k, v []byte) error {
		if len(k) != 4 || len(v) != useSize {
			damaged(fmt.Sprintf("segment %x", k), queue.ErrDamaged)
			bad = append(bad, bytes.Clone(k))
			return nil
		}
		n := func(i int) int64 { return int64(binary.BigEndian.Uint64(v[8*i:])) }
		st.uses.of[binary.BigEndian.Uint32(k)] = use{n(0), n(1), n(2)}
		return nil
	})
	if err != nil || len(bad) == 0 {
		return err
	}
	for _, k := range bad {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return st.countUses()
}

// countUses counts what lies in each segment. Where the frames of one end is known
// from its record only; without, it is not emptied.
func (st *state) countUses() error {
	for seg, u := range st.uses.of {
		st.uses.set(seg, use{end: u.end})
	}
	return st.messages.ForEach(func(_, v []byte) error {
		st.uses.hold(placeOf(v))
		return nil
	})
}

// noteUses writes what changed. It gives the segments, but for the one that is
// written to next, in which nothing lies any more.
func (st *state) noteUses(next uint32) (free []uint32, err error) {
	b, err := st.tx.CreateBucketIfNotExists([]byte(bucketSegments))
	if err != nil {
		return nil, err
	}
	for _, seg := range slices.Sorted(maps.Keys(st.uses.changed)) {
		u := st.uses.of[seg]
		k := binary.BigEndian.AppendUint32(nil, seg)
		if u.live <= 0 {
			if err := b.Delete(k); err != nil {
				return nil, err
			}
			if seg != next {
				free = append(free, seg)
			}
			continue
		}
		v := binary.BigEndian.AppendUint64(nil, uint64(u.live))
		v = binary.BigEndian.AppendUint64(v, uint64(u.octets))
		if err := b.Put(k, binary.BigEndian.AppendUint64(v, uint64(u.end))); err != nil {
			return nil, err
		}
	}
	return free, nil
}

// errElsewhere says that a place does not hold what it was said to.
var errElsewhere = errors.New("content is not where it was")

// readPlace reads content from the segment in a directory. Errors are
// errElsewhere, or of the disk.
func readPlace(dir string, p place) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, segmentName(p.seg)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: segment %d is missing", errElsewhere, p.seg)
	}
	if err != nil {
		return nil, err
	}
	b := make([]byte, p.size)
	n, err := f.ReadAt(b, p.off)
	_ = f.Close() // read only
	if err != nil && (!errors.Is(err, io.EOF) || n < len(b)) {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: segment %d is too short", errElsewhere, p.seg)
		}
		return nil, err
	}
	if crc32.Checksum(b, castagnoli) != p.sum {
		return nil, fmt.Errorf("%w: other octets in segment %d at %d", errElsewhere, p.seg, p.off)
	}
	return b, nil
}
