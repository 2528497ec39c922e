package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/sesame-mta/sesame/queue"
)

const (
	reserveFile = "reserve"
	// margin is room that file system and transactions need beside the octets.
	margin = 256 << 10
)

// room knows how much may still be written, and keeps the reserve: a file whose
// blocks Append leaves alone and which is given up when a Commit needs them.
type room struct {
	dir  string
	want int64
	db   *bbolt.DB

	mu   sync.Mutex
	f    *os.File
	held int64 // octets of the reserve that are allocated
}

func openRoom(dir string, reserve int64, db *bbolt.DB) (*room, error) {
	f, err := os.OpenFile(filepath.Join(dir, reserveFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil && !errors.Is(asFull(err), queue.ErrFull) {
		return nil, fmt.Errorf("open reserve: %w", err)
	}
	r := &room{dir: dir, want: reserve, db: db, f: f}
	r.restore()
	return r, nil
}

// disk gives the octets that are free on the disk; unknown counts as none.
func (r *room) disk() int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(r.dir, &st); err != nil {
		return 0
	}
	return int64(st.Bavail) * int64(st.Bsize)
}

// forFile reports ErrFull when a content file of size octets has no room.
func (r *room) forFile(size int64) error {
	r.mu.Lock()
	missing := r.want - r.held
	r.mu.Unlock()
	if r.disk()-missing-margin < size {
		return queue.ErrFull
	}
	return nil
}

// forRecord reports ErrFull when records of size octets have no room. They may
// lie on pages that deleted records left in the database, which never shrinks.
func (r *room) forRecord(size int64) error {
	if r.forFile(size) != nil && r.pages() < 2*size+margin {
		return queue.ErrFull
	}
	return nil
}

func (r *room) pages() int64 {
	return int64(r.db.Stats().FreePageN) * pageSize
}

// free gives the octets that an Append may still use.
func (r *room) free() int64 {
	r.mu.Lock()
	missing := r.want - r.held
	r.mu.Unlock()
	free := max(r.disk()-missing-margin, 0) + max(r.pages()-margin, 0)
	return free
}

// release gives the reserve up; false when there was none left.
func (r *room) release() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held == 0 {
		return false
	}
	if err := r.f.Truncate(0); err != nil {
		return false
	}
	r.held = 0
	return true
}

// restore makes the reserve whole when there is room for it.
func (r *room) restore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.f == nil || r.held == r.want {
		return
	}
	var st unix.Stat_t
	if unix.Fstat(int(r.f.Fd()), &st) != nil || r.disk() < r.want-st.Blocks*512+margin {
		return
	}
	// What is allocated already stays, so only what is missing needs room.
	if allocate(r.f, r.want) != nil || r.f.Truncate(r.want) != nil {
		_ = r.f.Truncate(0) // tried again later
		return
	}
	r.held = r.want
}

func (r *room) close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}
