package file_test

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sesame-mta/sesame/event/eventtest"
	"github.com/sesame-mta/sesame/event/file"
)

// limitFiles makes writes beyond so many octets of any file fail, as on a full disk.
func limitFiles(t *testing.T, octets uint64) (lift func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: octets, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

// Each try would add the lines that found room once more, and fill what room there is.
func TestWhatFindsNoRoomIsTakenBack(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	f := open(t, file.Options{Dir: dir, Name: "a"})
	defer f.Close()
	tell(t, f, 1)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lift := limitFiles(t, uint64(len(before))*2)
	for range 3 {
		if told, err := f.Tell(t.Context(), eventtest.Records(t, 3, 3)); err == nil {
			t.Errorf("told %v", told)
		}
		if after, err := os.ReadFile(name); err != nil || string(after) != string(before) {
			t.Errorf("%d octets, %d before: %v", len(after), len(before), err)
		}
	}
	lift()
	if _, err := f.Tell(t.Context(), eventtest.Records(t, 3, 3)); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, name); len(got) != 8 || got[7].Seq != 8 {
		t.Errorf("%d lines", len(got))
	}
}
