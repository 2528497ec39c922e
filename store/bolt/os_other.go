//go:build !linux

package bolt

import (
	"os"

	bbolt "go.etcd.io/bbolt"
)

const mapSize = 1 << 30

// dataSync puts the content of a file on stable storage.
func dataSync(f *os.File) error { return f.Sync() }

// allocate gives a file blocks of its own by writing them.
func allocate(f *os.File, size int64) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for at := fi.Size(); at < size; {
		n, err := f.WriteAt(zeros[:min(size-at, int64(len(zeros)))], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return f.Sync()
}

// forgetPages is for Linux, where mapped pages count as the process's memory.
func forgetPages(*bbolt.DB) error { return nil }
