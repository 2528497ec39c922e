package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

const (
	reserveFile = "reserve"
	// recordRoom is what the record of a message takes beside its content file.
	recordRoom = 64 << 10
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
	last atomic.Pointer[glance]
	// ahead is what the segment that is written to has allocated already.
	ahead atomic.Int64
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

// glance is what a look at the disk found.
type glance struct {
	at   time.Time
	free int64
}

// While there is plenty, nobody uses it up between two glances.
const (
	plenty      = 2 << 30
	glanceEvery = 20 * time.Millisecond
)

// disk gives the octets that are free on the disk; unknown counts as none.
func (r *room) disk() int64 {
	if g := r.last.Load(); g != nil && g.free > plenty && time.Since(g.at) < glanceEvery {
		return g.free
	}
	var st unix.Statfs_t
	if err := unix.Statfs(r.dir, &st); err != nil {
		return 0
	}
	g := &glance{at: time.Now(), free: int64(st.Bavail) * int64(st.Bsize)}
	r.last.Store(g)
	return g.free
}

// forFile reports ErrFull when a content file of size octets has no room.
func (r *room) forFile(size int64) error {
	r.mu.Lock()
	missing := r.want - r.held
	r.mu.Unlock()
	if free := r.disk() - missing - margin; free < size {
		return noDisk(free, size)
	}
	return nil
}

// noDisk is ErrFull with its figures.
func noDisk(free, size int64) error {
	return &mail.Limit{Name: mail.LimitDisk, Whose: "server", Unit: "free octets wanted",
		Used: float64(max(size, 1)), Max: float64(max(free, 1)), Err: queue.ErrFull}
}

// forJournal reports ErrFull when the journal may not grow by some octets and the
// database by others. The pages that are free inside it, which never shrinks, are
// used first.
func (r *room) forJournal(grows, pages int64) error {
	need := grows + max(pages-r.reusable(), 0)
	if need <= 0 {
		return nil
	}
	return r.forFile(need)
}

// forRecord reports ErrFull when content of size octets has no room in a segment.
func (r *room) forRecord(size int64) error {
	if size < r.ahead.Load() {
		return nil
	}
	return r.forFile(size)
}

func (r *room) pages() int64 {
	st := r.db.Stats()
	return int64(st.FreePageN+st.PendingPageN) * pageSize
}

// reusable gives the octets inside the database that an Append may use. What needs
// pages in one piece may not find them among those that are free, so half of them count.
func (r *room) reusable() int64 { return max(r.pages()/2-margin, 0) }

// free gives the octets that an Append may still use.
func (r *room) free() int64 {
	r.mu.Lock()
	missing := r.want - r.held
	r.mu.Unlock()
	return max(r.disk()-missing-margin, 0) + r.ahead.Load()
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

// restore makes the reserve whole, or as large as there is room for.
func (r *room) restore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.f == nil || r.held == r.want {
		return
	}
	var st unix.Stat_t
	if unix.Fstat(int(r.f.Fd()), &st) != nil {
		return
	}
	// What is allocated already stays, so only what is missing needs room.
	have := min(st.Blocks*512, r.want)
	size := min(have+max(r.disk()-margin, 0), r.want)
	if size > have && (allocate(r.f, size) != nil || r.f.Truncate(size) != nil) {
		size = have // tried again later
	}
	r.held = size
}

func (r *room) close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}
