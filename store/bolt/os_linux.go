package bolt

import (
	"os"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// mapSize is address space, not memory: as long as the file is smaller, it never
// has to be mapped anew, which would wait for every reader.
const mapSize = 1 << (30 + 4*(^uint(0)>>63)) // 16 GB, 1 GB where addresses have 32 bits

// dataSync puts the content of a file on stable storage.
func dataSync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// allocate gives a file blocks of its own.
func allocate(f *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	return os.NewSyscallError("fallocate", unix.Fallocate(int(f.Fd()), 0, 0, size))
}

// forgetPages takes the pages of the file out of the memory that counts as the
// process's own; they stay in the page cache. The transaction keeps the mapping
// in place meanwhile.
func forgetPages(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, db.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
		if errno != 0 {
			return errno
		}
		return nil
	})
}
