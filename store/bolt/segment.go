package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sesame-mta/sesame/internal/atomicfile"
)

const (
	// segmentDir has the segments: the files that the journal is written to, and in
	// which content stays for as long as its message does.
	segmentDir = "segments"
	// leastSegment is how small segments are on a small disk, of which they take a
	// part of so many.
	leastSegment = 1 << 20
	segmentShare = 64
	// maxSpares is how many segments without mail are kept to be written over, which
	// costs less than making a file longer.
	maxSpares = 2
)

func segmentName(seg uint32) string { return fmt.Sprintf("%08x", seg) }

func segmentNumber(name string) (uint32, bool) {
	n, err := strconv.ParseUint(name, 16, 32)
	return uint32(n), err == nil && n > 0 && name == segmentName(uint32(n))
}

// segmentSize gives how large segments become on the disk of a directory.
func segmentSize(dir string, want int64) int64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return want
	}
	return min(want, max(int64(st.Blocks)*int64(st.Bsize)/segmentShare, leastSegment))
}

// spare is a segment in which nothing lies any more.
type spare struct {
	seg  uint32
	size int64
}

func (j *journal) path(seg uint32) string { return filepath.Join(j.dir, segmentName(seg)) }

// open opens the segment that is written to next: a spare one under its new name,
// or one that is made. The name is durable when it returns.
func (j *journal) open() error {
	if j.f != nil {
		return nil
	}
	path := j.path(j.seg)
	if n := len(j.spares) - 1; n >= 0 {
		if err := os.Rename(j.path(j.spares[n].seg), path); err != nil {
			return fmt.Errorf("open segment: %w", err)
		}
		j.spares = j.spares[:n]
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	fi, err := f.Stat()
	if err == nil {
		err = atomicfile.SyncDir(j.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open segment: %w", err), f.Close())
	}
	j.f, j.size = f, fi.Size()
	return nil
}

// keepSpares takes note of segments in which nothing lies any more. Those beyond
// most are removed; what stays of them is removed at the next start.
func (j *journal) keepSpares(free []uint32, most int) {
	for _, seg := range free {
		if fi, err := os.Stat(j.path(seg)); err == nil {
			j.spares = append(j.spares, spare{seg, fi.Size()})
		}
	}
	for len(j.spares) > most {
		_ = os.Remove(j.path(j.spares[0].seg))
		j.spares = j.spares[1:]
	}
}

// ahead gives the octets that can be written without more room on the disk.
func (j *journal) ahead() int64 {
	switch n := len(j.spares); {
	case j.f != nil:
		return max(j.size-j.off, 0)
	case n > 0:
		return j.spares[n-1].size
	}
	return 0
}

// sweepSegments removes the segments that nobody names, but for a few to write over.
// The name of the one that is written to may be one that a kill kept from being synced.
func (s *Spool) sweepSegments() error {
	if err := atomicfile.SyncDir(s.journal.dir); err != nil {
		return err
	}
	files, err := os.ReadDir(s.journal.dir)
	if err != nil {
		return fmt.Errorf("sweep segments: %w", err)
	}
	var free []uint32
	for _, f := range files {
		seg, ok := segmentNumber(f.Name())
		if ok && seg != s.journal.seg && s.now.uses.of[seg].live <= 0 {
			free = append(free, seg)
		}
	}
	s.journal.keepSpares(free, maxSpares)
	return nil
}

// setAside moves a directory away whose files belong to a database that is not there:
// an operator may bring it back.
func setAside(dir, name string) (moved string, err error) {
	files, err := os.ReadDir(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(files) == 0 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	for n := 1; ; n++ {
		moved = fmt.Sprintf("%s.left-%d", name, n)
		if _, err := os.Lstat(filepath.Join(dir, moved)); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, moved)); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return moved, nil
}
