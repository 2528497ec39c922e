package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// mount mounts something for one test, or skips it with the reason.
func mount(t *testing.T, source, kind, data string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount(source, dir, kind, unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		t.Skipf("cannot mount %s here: %v", kind, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }) // it may be unmounted already
	return dir
}

func TestASmallDiskThatFillsUp(t *testing.T) {
	mnt := mount(t, "tmpfs", "tmpfs", "size=16m,mode=700")
	dir := filepath.Join(mnt, "data")
	s := open(t, bolt.Options{Dir: dir, Reserve: 2 << 20})
	m := mint(t, s)
	var ids []mail.ID
	for size := 1000; ; size = 201_000 - size { // small and large in turn
		id, err := add(s, m, make([]byte, size))
		if errors.Is(err, queue.ErrFull) {
			break
		}
		if err != nil || len(ids) > 100_000 {
			t.Fatalf("append %d: %v", len(ids), err)
		}
		ids = append(ids, id)
	}
	if err := s.Room(200_000); !errors.Is(err, queue.ErrFull) {
		t.Errorf("room when full: %v", err)
	}
	if len(ids) < 20 {
		t.Fatalf("full after %d messages", len(ids))
	}
	// Others take the rest, to the last octet.
	stuff := filepath.Join(mnt, "stuff")
	f, err := os.Create(stuff)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1 << 20; n > 0; {
		if _, err := f.Write(make([]byte, n)); err != nil {
			n /= 2
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if _, err := add(s, m, make([]byte, 1000*i*i)); !errors.Is(err, queue.ErrFull) {
			t.Errorf("append of %d octets on a full disk: %v", 1000*i*i, err)
		}
	}
	if got := s.Depth(); got.Messages != int64(len(ids)) {
		t.Errorf("%d messages, want %d", got.Messages, len(ids))
	}
	half := len(ids) / 2
	for _, id := range ids[:half] {
		if err := deliver(s, id); err != nil {
			t.Fatalf("commit on a full disk: %v", err)
		}
	}
	if err := os.Remove(stuff); err != nil {
		t.Fatal(err)
	}
	for range half / 2 {
		if _, err := add(s, m, make([]byte, 100_000)); err != nil {
			t.Fatalf("append after room returned: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
	s = open(t, bolt.Options{Dir: dir, Reserve: 2 << 20})
	for _, id := range ids[half:] {
		if _, _, err := s.Load(t.Context(), id, nil); err != nil {
			t.Fatalf("message after all that: %v", err)
		}
	}
}

func TestBooksTakeChangesAgainWhenRoomReturns(t *testing.T) {
	mnt := mount(t, "tmpfs", "tmpfs", "size=4m,mode=700")
	b, err := bolt.OpenBooks(bolt.Options{Dir: filepath.Join(mnt, "data")})
	if err != nil {
		t.Fatal(err)
	}
	stuff := filepath.Join(mnt, "stuff")
	if err := os.WriteFile(stuff, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	r := account.Record{Kind: account.KindAccount, Account: account1, Name: account1, Data: make([]byte, 3<<20)}
	if _, err := b.Put(t.Context(), r); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("a record without room: %v", err)
	}
	if err := os.Remove(stuff); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), r); err != nil {
		t.Errorf("after room returned: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestMailThatFilledTheDiskMakesRoomAgain: the database never shrinks, so room
// inside it must count.
func TestMailThatFilledTheDiskMakesRoomAgain(t *testing.T) {
	s := open(t, bolt.Options{Dir: filepath.Join(mount(t, "tmpfs", "tmpfs", "size=12m,mode=700"), "data")})
	m := mint(t, s)
	for round := range 2 {
		var ids []mail.ID
		for {
			id, err := add(s, m, make([]byte, 3000))
			if errors.Is(err, queue.ErrFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if len(ids) < 500 {
			t.Fatalf("round %d: full after %d messages", round, len(ids))
		}
		for _, id := range ids {
			if err := deliver(s, id); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// loopExt4 makes a file system in a file, and gives a function that mounts it.
func loopExt4(t *testing.T) (mountAgain func() string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		t.Skip("mkfs.ext4 is not installed")
	}
	img := filepath.Join(t.TempDir(), "disk.img")
	f, err := os.Create(img)
	if err == nil {
		err = errors.Join(f.Truncate(256<<20), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs, "-q", "-F", img).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	out, err := exec.Command("losetup", "--find", "--show", img).Output()
	if err != nil {
		t.Skipf("no loop device: %v", err)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", device).Run() }) // the mount may hold it a moment longer
	return func() string { return mount(t, device, "ext4", "") }
}

// shutdownNoFlush is EXT4_IOC_SHUTDOWN: from now on nothing reaches the disk,
// not even the journal's last entries, as when the power goes.
func shutdownNoFlush(t *testing.T, mnt string) {
	t.Helper()
	const ioctlShutdown, noLogFlush = 0x8004587d, 2
	d, err := os.Open(mnt)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := unix.IoctlSetPointerInt(int(d.Fd()), ioctlShutdown, noLogFlush); err != nil {
		t.Skipf("this kernel cannot shut ext4 down: %v", err)
	}
}

func TestPowerLossLosesNothingConfirmed(t *testing.T) {
	again := loopExt4(t)
	rounds := 3
	if soaking() {
		rounds = 100
	}
	mnt := again()
	var all []child
	for n := range rounds {
		dir := filepath.Join(mnt, "data")
		all = append(all, runChildThen(t, dir, 30+(n*61)%200, func() { shutdownNoFlush(t, mnt) }))
		if err := unmount(mnt); err != nil {
			t.Fatal(err)
		}
		mnt = again()
		survey(t, filepath.Join(mnt, "data"), all)
	}
	if err := unmount(mnt); err != nil {
		t.Fatal(err)
	}
}

// unmount waits for the killed child's last references to go.
func unmount(mnt string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := unix.Unmount(mnt, 0)
		if err == nil || time.Now().After(deadline) {
			if err != nil {
				return fmt.Errorf("unmount: %w", err)
			}
			return nil
		}
		<-time.After(10 * time.Millisecond)
	}
}
