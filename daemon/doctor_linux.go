package daemon

import (
	"os"

	"golang.org/x/sys/unix"
)

// clockKept asks the kernel whether something keeps its clock in time.
func clockKept() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, err
	}
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, nil
}

// dataSync puts what was written to a file on stable storage.
func dataSync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// volumeOf looks at the file system that a directory lies on.
func volumeOf(dir string) (volume, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return volume{}, os.NewSyscallError("statfs", err)
	}
	return volume{
		free:   int64(st.Bavail) * int64(st.Bsize),
		memory: st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC,
	}, nil
}
