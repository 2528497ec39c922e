package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/sesame-mta/sesame/internal/atomicfile"
	"github.com/sesame-mta/sesame/queue"
)

const (
	// pageSize: 2 KB messages fill a page of 4 KB to a half and make one write
	// call each; see ADR 0001 for the figures.
	pageSize = 4096
	// growStep is how far a file grows at once; each step costs a sync. The
	// file is sparse, so it takes no room before it is used.
	growStep = 64 << 20
	maxName  = 255
)

var (
	keyFormat = []byte("format") // kind of file and version
	keyEpoch  = []byte("epoch")
	keyState  = []byte("state")
	keyKept   = []byte("kept") // how much is kept
	// keyJournal is the number of the journal that goes on from this state.
	keyJournal = []byte("journal")
)

// layout is what one kind of file holds.
type layout struct {
	name    string // of the file
	kind    string // written into it
	version byte   // of the format; older ones can be read too
	buckets []string
}

// openFile opens a database file of ours, making it when it is not there. A file
// that somebody else has open, is broken or is not ours is refused with one line
// that names it.
func openFile(dir string, lay layout, readOnly bool) (*bbolt.DB, error) {
	path := filepath.Join(dir, lay.name)
	_, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !readOnly:
		if err := createFile(dir, lay); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f, err := lockFile(path, readOnly)
	if err != nil {
		return nil, err
	}
	if err := examine(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	db, err := openBolt(f, readOnly)
	if err != nil {
		return nil, err
	}
	if err := checkFormat(db, lay); err != nil {
		_ = db.Close() // nothing was written
		return nil, unusable(path, err)
	}
	return db, nil
}

// lockFile opens a file for this process alone. The lock goes with the last
// descriptor, however the process ends.
func lockFile(path string, readOnly bool) (*os.File, error) {
	mode := os.O_RDWR
	if readOnly {
		mode = os.O_RDONLY
	}
	f, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		return nil, inUse(path)
	}
	return f, nil
}

func inUse(path string) error {
	return fmt.Errorf("%s is in use by another process: stop it first", path)
}

// openBolt gives an open file to bbolt, which closes it.
func openBolt(f *os.File, readOnly bool) (db *bbolt.DB, err error) {
	o := &bbolt.Options{
		Timeout:         1, // one try: whoever holds the lock keeps it while it runs
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true,
		InitialMmapSize: mapSize,
		PageSize:        pageSize,
		ReadOnly:        readOnly,
		PreLoadFreelist: readOnly,
		OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return f, nil },
	}
	path := f.Name()
	defer faultsPanic()()
	defer guard(&err, func(cause error) error { return errors.Join(unusable(path, cause), f.Close()) })
	db, err = bbolt.Open(path, 0o600, o)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, inUse(path)
	case err != nil:
		return nil, unusable(path, err)
	}
	db.AllocSize = growStep
	return db, nil
}

// unusable says in one line why a file cannot be used and what to do. What the
// disk refuses is no damage: nobody should move mail away for it.
func unusable(path string, err error) error {
	if errors.Is(asFull(err), queue.ErrFull) {
		return fmt.Errorf("%s: no room on disk (%w): make room, then start again", path, err)
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		// A page of a mapped file that cannot be read is a fault, not an error.
		if cause := readable(path); cause != nil {
			err = cause
		}
	}
	if errors.As(err, &errno) {
		return fmt.Errorf("%s cannot be read or written (%w): look at the disk", path, err)
	}
	return fmt.Errorf("%s is damaged or not ours (%w): restore it from a backup, or move it away to start empty", path, err)
}

// readable gives the error of a file that the disk does not give in full.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, f)
	return errors.Join(err, f.Close())
}

// createFile makes a file complete under another name first, so that a crash on
// the first day leaves no half file behind. Link does not replace a file that
// another process made meanwhile.
func createFile(dir string, lay layout) error {
	tmp, err := os.CreateTemp(dir, "."+lay.name+".*.new")
	if err != nil {
		return fmt.Errorf("create %s: %w", lay.name, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // the next start sweeps what stays
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("create %s: %w", lay.name, err)
	}
	db, err := bbolt.Open(tmp.Name(), 0o600, &bbolt.Options{PageSize: pageSize})
	if err != nil {
		return fmt.Errorf("create %s: %w", lay.name, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range lay.buckets {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte(bucketMeta)).Put(keyFormat, append([]byte(lay.kind), lay.version))
	})
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Link(tmp.Name(), filepath.Join(dir, lay.name))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create %s: %w", lay.name, err)
	}
	return atomicfile.SyncDir(dir)
}

func checkFormat(db *bbolt.DB, lay layout) (err error) {
	defer faultsPanic()()
	defer guard(&err, func(cause error) error { return cause })
	return db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(bucketMeta))
		if meta == nil {
			return errors.New("no format mark")
		}
		f := meta.Get(keyFormat)
		if len(f) != len(lay.kind)+1 || string(f[:len(lay.kind)]) != lay.kind {
			return errors.New("foreign format mark")
		}
		if v := f[len(lay.kind)]; v < 1 || v > lay.version {
			return fmt.Errorf("format version %d, this program knows %d", v, lay.version)
		}
		for _, name := range lay.buckets {
			if tx.Bucket([]byte(name)) == nil {
				return fmt.Errorf("bucket %s is missing", name)
			}
		}
		return nil
	})
}

// examine looks at a file before bbolt maps it: bbolt ends the process when it
// meets a damaged page, and so does the kernel when the file is too short. After
// a clean stop the head is enough; after a crash bbolt will read every page, so
// every page is tried here first.
func examine(f *os.File) error {
	head, err := readHead(f)
	if err != nil {
		return unusable(f.Name(), err)
	}
	if head.freelist != noFreelist {
		return nil
	}
	// Pages are read at random below, once here in order.
	if _, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, head.pages*head.pageSize)); err != nil {
		return unusable(f.Name(), err)
	}
	if err := walk(f); err != nil {
		return unusable(f.Name(), err)
	}
	return nil
}

// walk visits every page of a file, turning what bbolt panics with into an error.
func walk(f *os.File) (err error) {
	again, err := unix.Dup(int(f.Fd()))
	if err != nil {
		return os.NewSyscallError("dup", err)
	}
	unix.CloseOnExec(again)
	db, err := bbolt.Open(f.Name(), 0o600, &bbolt.Options{
		ReadOnly: true, Timeout: 1,
		OpenFile: func(string, int, os.FileMode) (*os.File, error) {
			return os.NewFile(uintptr(again), f.Name()), nil
		},
	})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	defer faultsPanic()()
	defer guard(&err, func(cause error) error { return cause })
	return db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return walkBucket(b) })
	})
}

func walkBucket(b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			if sub := b.Bucket(k); sub != nil {
				return walkBucket(sub)
			}
		}
		return nil
	})
}

// guard turns a panic of bbolt, and a read of a page that the disk does not give,
// into an error. It is deferred.
func guard(err *error, wrap func(error) error) {
	if p := recover(); p != nil {
		*err = wrap(fmt.Errorf("panic: %v", p))
	}
}

// faultsPanic makes an unreadable page of a mapped file a panic that guard
// catches, for the calling goroutine.
func faultsPanic() (restore func()) {
	old := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(old) }
}

// head is what the newer valid meta page of a bbolt file says (bbolt's format
// version 2, fixed since 2013).
type head struct {
	pageSize, pages int64
	freelist        uint64
	txid            uint64
}

const (
	noFreelist = ^uint64(0)
	boltMagic  = 0xED0CDAED
)

func readHead(f *os.File) (head, error) {
	fi, err := f.Stat()
	if err != nil {
		return head{}, err
	}
	var best head
	// The size of a page is not known before a meta page was read.
	for off := int64(0); off == 0 || best.pageSize == 0 && off <= 64<<10; off = max(off*2, 1<<10) {
		if h, ok := readMeta(f, off); ok {
			best = h
		}
	}
	if best.pageSize == 0 {
		return head{}, errors.New("no valid head")
	}
	if h, ok := readMeta(f, best.pageSize); ok && h.txid > best.txid {
		best = h
	}
	if fi.Size() < best.pages*best.pageSize {
		return head{}, fmt.Errorf("%d octets, at least %d expected", fi.Size(), best.pages*best.pageSize)
	}
	return best, nil
}

func readMeta(f *os.File, off int64) (head, bool) {
	const pageHeader, size = 16, 64
	var b [pageHeader + size]byte
	if _, err := f.ReadAt(b[:], off); err != nil {
		return head{}, false
	}
	m := b[pageHeader:]
	le := binary.NativeEndian
	if le.Uint32(m) != boltMagic || le.Uint64(m[56:]) != fnv64a(m[:56]) {
		return head{}, false
	}
	h := head{
		pageSize: int64(le.Uint32(m[8:])), freelist: le.Uint64(m[32:]),
		pages: int64(le.Uint64(m[40:])), txid: le.Uint64(m[48:]),
	}
	return h, h.pageSize >= 1<<10 && h.pageSize <= 64<<10 && h.pages > 0 && h.pages < 1<<47
}

func fnv64a(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}
