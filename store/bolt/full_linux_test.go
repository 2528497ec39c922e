package bolt_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/internal/failpoint"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// takeRest fills a disk to the last octet and gives the file that does.
func takeRest(t *testing.T, mnt string) string {
	t.Helper()
	path := filepath.Join(mnt, "stuff")
	f, err := os.Create(path)
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
	return path
}

// left gives the octets that a Commit may use: what is free, and the reserve.
func left(t *testing.T, dir string) int64 {
	t.Helper()
	var st unix.Stat_t
	var disk unix.Statfs_t
	if err := errors.Join(unix.Stat(filepath.Join(dir, "reserve"), &st), unix.Statfs(dir, &disk)); err != nil {
		t.Fatal(err)
	}
	return st.Blocks*512 + int64(disk.Bavail)*disk.Bsize
}

// fill appends messages of a size until there is no room.
func fill(t *testing.T, s *bolt.Spool, m *mail.Minter, size int) []mail.ID {
	t.Helper()
	var ids []mail.ID
	for {
		id, err := add(s, m, make([]byte, size))
		if errors.Is(err, queue.ErrFull) {
			return ids
		}
		if err != nil || len(ids) > 100_000 {
			t.Fatalf("append %d: %v", len(ids), err)
		}
		ids = append(ids, id)
	}
}

// A server that is started anew on a full disk delivers what it has.
func TestAFullSpoolStartsAndDelivers(t *testing.T) {
	mnt := mount(t, "tmpfs", "tmpfs", "size=12m,mode=700")
	dir := filepath.Join(mnt, "data")
	s := open(t, bolt.Options{Dir: dir, Reserve: 2 << 20})
	ids := fill(t, s, mint(t, s), 3000)
	takeRest(t, mnt)
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	long := event.Event{Type: event.Delivery, Consumers: []string{"c"},
		Recipients: []event.Recipient{{Reply: mail.Reply{Code: 250, Text: strings.Repeat("x", 500_000)}}}}
	if long.Recipients[0].To, err = mail.ParseForwardPath("user@example.org"); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		s = open(t, bolt.Options{Dir: dir, Reserve: 2 << 20})
		if _, err := add(s, mint(t, s), make([]byte, 100_000)); round == 0 && !errors.Is(err, queue.ErrFull) {
			t.Errorf("append on a full disk: %v", err)
		}
		// So much at once cannot lie on pages that are free.
		if err := s.Commit(t.Context(), queue.Settlement{ID: ids[0], Events: []event.Event{long}}); err != nil {
			t.Fatalf("round %d: commit on a full disk: %v", round, err)
		}
		for _, id := range ids[:len(ids)/2] {
			if err := deliver(s, id); err != nil {
				t.Fatalf("round %d: commit on a full disk: %v", round, err)
			}
		}
		ids = ids[len(ids)/2:]
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	verify(t, dir)
}

// What the disk says is not damage, and nobody should move the file away for it.
func TestAStartThatTheDiskRefusesIsWordedAsSuch(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOSPC: "no room on disk", syscall.EDQUOT: "no room on disk", syscall.EIO: "cannot be read or written",
	} {
		dir := t.TempDir()
		if err := open(t, bolt.Options{Dir: dir}).Close(); err != nil {
			t.Fatal(err)
		}
		points := &failpoint.Set{}
		points.Arm("open.epoch", 1, failpoint.Fail(errno))
		_, err := bolt.Open(bolt.Options{Dir: dir, Reserve: 1 << 20, Failpoints: points})
		if err == nil || !errors.Is(err, errno) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "spool.db") ||
			strings.Contains(err.Error(), "damaged") || strings.Contains(err.Error(), "\n") {
			t.Errorf("open gave %v, want %q", err, want)
		}
		points = &failpoint.Set{}
		points.ArmOnce("open.epoch", 1, failpoint.Fail(errno))
		s, err := bolt.Open(bolt.Options{Dir: dir, Reserve: 1 << 20, Failpoints: points})
		if room := errno != syscall.EIO; room != (err == nil) {
			t.Errorf("%v once: %v", errno, err)
		}
		if err == nil {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Room between content that is still wanted is no room: the segments would grow, into
// what is kept for Commit.
func TestAppendsDoNotGrowTheFileIntoTheReserve(t *testing.T) {
	mnt := mount(t, "tmpfs", "tmpfs", "size=24m,mode=700")
	dir := filepath.Join(mnt, "data")
	const reserve = 4 << 20
	s := open(t, bolt.Options{Dir: dir, Reserve: reserve})
	m := mint(t, s)
	ids := fill(t, s, m, 3000)
	takeRest(t, mnt)
	for i := 0; i < len(ids); i += 2 {
		if err := deliver(s, ids[i]); err != nil {
			t.Fatal(err)
		}
	}
	// The first brings a checkpoint of all these, which is what the reserve is for.
	if _, err := add(s, m, make([]byte, 60_000)); err != nil && !errors.Is(err, queue.ErrFull) {
		t.Fatal(err)
	}
	before, refused := left(t, dir), 0
	for range 130 {
		if _, err := add(s, m, make([]byte, 60_000)); errors.Is(err, queue.ErrFull) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if after := left(t, dir); after < before || before < reserve/2 {
		t.Errorf("%d octets are left after appends to a scattered file, %d before (%d of 130 refused)", after, before, refused)
	}
	for i := 1; i < len(ids); i += 2 {
		if err := deliver(s, ids[i]); err != nil {
			t.Fatalf("commit: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}
