package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/internal/failpoint"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

func open(t *testing.T, o bolt.Options) *bolt.Spool {
	t.Helper()
	if o.Reserve == 0 {
		o.Reserve = 1 << 20
	}
	if o.MaxSmall == 0 {
		o.MaxSmall = 64 << 10 // what is large in these tests
	}
	s, err := bolt.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a broken one gives its error again
	return s
}

func mint(t *testing.T, s *bolt.Spool) *mail.Minter {
	t.Helper()
	m, err := mail.NewMinter(make([]byte, 32), s.Lane(), s.Epoch())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// add appends a message with one recipient.
func add(s *bolt.Spool, m *mail.Minter, body []byte) (mail.ID, error) {
	ctx := context.Background()
	d, err := s.Draft(ctx)
	if err != nil {
		return mail.ID{}, err
	}
	defer d.Discard()
	if _, err := d.Write(body); err != nil {
		return mail.ID{}, err
	}
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		return mail.ID{}, err
	}
	now := time.Now()
	return s.Append(ctx, queue.Submission{
		Message: queue.Message{ID: m.New(now), Account: account1, To: []mail.ForwardPath{to}, Accepted: now, Size: d.Size()},
		Content: d, Due: now, MaxAge: time.Hour,
	})
}

func deliver(s *bolt.Spool, id mail.ID) error {
	return s.Commit(context.Background(), queue.Settlement{ID: id, Entries: []queue.Settled{{Result: mail.Delivered}}})
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "content"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAFailedSyncBreaksTheSpoolForGood(t *testing.T) {
	for _, point := range []string{
		"batch.commit", "batch.begin", "batch.directory", "append.written", "append.synced", "append.renamed",
	} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			points := &failpoint.Set{}
			s := open(t, bolt.Options{Dir: dir, Failpoints: points})
			m := mint(t, s)
			kept, err := add(s, m, make([]byte, 100_000))
			if err != nil {
				t.Fatal(err)
			}
			points.ArmOnce(point, 1, failpoint.Fail(syscall.EIO)) // once: later syncs would "work"
			if _, err := add(s, m, make([]byte, 100_000)); !errors.Is(err, queue.ErrBroken) || !errors.Is(err, syscall.EIO) {
				t.Fatalf("append at a failed sync: %v, want broken by EIO", err)
			}
			ctx := context.Background()
			for what, err := range map[string]error{
				"append": func() error { _, err := add(s, m, nil); return err }(),
				"commit": deliver(s, kept),
				"alter":  func() error { _, err := s.Alter(ctx, kept, nil, queue.Alteration{State: queue.Held}); return err }(),
				"ack":    s.Ack(ctx, "c", 1),
				"load":   func() error { _, _, err := s.Load(ctx, kept, nil); return err }(),
				"lines":  func() error { _, err := s.Lines(ctx, queue.Line{}, 1); return err }(),
				"room":   s.Room(1),
				"health": s.Err(),
				"close":  s.Close(),
			} {
				if !errors.Is(err, queue.ErrBroken) {
					t.Errorf("%s after a failed sync: %v, want ErrBroken", what, err)
				}
			}
		})
	}
}

func TestABrokenSpoolIsWholeAfterARestart(t *testing.T) {
	dir := t.TempDir()
	c := runChild(t, dir, "batch.commit=error:EIO@20", -1)
	if !strings.Contains(c.stderr, "broken") || len(c.accepted) == 0 {
		t.Fatalf("child with a failing disk: %d accepted, %s", len(c.accepted), c.stderr)
	}
	survey(t, dir, []child{c})
}

func TestAFullDiskRefusesAppendsOnly(t *testing.T) {
	points := &failpoint.Set{}
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir, Failpoints: points})
	m := mint(t, s)
	id, err := add(s, m, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	points.ArmOnce("batch.write", 1, failpoint.Fail(syscall.ENOSPC))
	if err := deliver(s, id); err != nil {
		t.Fatalf("commit on a full disk: %v", err)
	}
	points.ArmOnce("batch.write", 1, failpoint.Fail(syscall.ENOSPC))
	if _, err := add(s, m, make([]byte, 100_000)); !errors.Is(err, queue.ErrFull) {
		t.Fatalf("append on a full disk: %v, want ErrFull", err)
	}
	for _, point := range []string{"draft.write", "append.written"} {
		points.ArmOnce(point, 1, failpoint.Fail(syscall.ENOSPC))
		if _, err := add(s, m, make([]byte, 100_000)); !errors.Is(err, queue.ErrFull) {
			t.Fatalf("append with %s on a full disk: %v, want ErrFull", point, err)
		}
	}
	if d := s.Depth(); d.Messages != 0 || len(files(t, dir)) != 0 {
		t.Fatalf("%d messages and files %v after refusals", d.Messages, files(t, dir))
	}
	if _, err := add(s, m, make([]byte, 100_000)); err != nil {
		t.Fatalf("append after room returned: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}

func TestContentGoesWithItsMessage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	m := mint(t, s)
	id, err := add(s, m, make([]byte, 100_000))
	if err != nil || len(files(t, dir)) != 1 {
		t.Fatalf("append: %v, files %v", err, files(t, dir))
	}
	c, err := s.Open(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := deliver(s, id); err != nil || len(files(t, dir)) != 0 {
		t.Fatalf("commit: %v, files %v", err, files(t, dir))
	}
	if _, err := c.ReadAt(make([]byte, 10), 99_990); err != nil {
		t.Errorf("an open content went away: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	d, err := s.Draft(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write(make([]byte, 100_000)); err != nil || len(files(t, dir)) != 1 {
		t.Fatalf("draft: %v, files %v", err, files(t, dir))
	}
	d.Discard()
	if len(files(t, dir)) != 0 {
		t.Errorf("files %v after a discard", files(t, dir))
	}
}

func TestOrphansAreSweptAtOpen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	m := mint(t, s)
	if _, err := add(s, m, make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	kept := files(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1-7.tmp", m.New(time.Now()).String() + ".1-9", strings.TrimSuffix(kept[0], "1") + "99"} {
		if err := os.WriteFile(filepath.Join(dir, "content", name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify(t, dir) // what a crash leaves is no problem
	open(t, bolt.Options{Dir: dir})
	if got := files(t, dir); len(got) != 1 || got[0] != kept[0] {
		t.Errorf("files %v, want %v", got, kept)
	}
}

func TestASecondOpenerIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	first := open(t, bolt.Options{Dir: dir})
	epoch := first.Epoch()
	_, err := bolt.Open(bolt.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "spool.db is in use") {
		t.Errorf("second open: %v", err)
	}
	if _, err := bolt.Check(dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("check of a running spool: %v", err)
	}
	books, err := bolt.OpenBooks(bolt.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.OpenBooks(bolt.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "books.db is in use") {
		t.Errorf("second open of the books: %v", err)
	}
	if err := errors.Join(books.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	if s := open(t, bolt.Options{Dir: dir}); s.Epoch() != epoch+1 {
		t.Errorf("epoch %d after %d", s.Epoch(), epoch)
	}
}

func TestADamagedFileIsRefusedWithOneLine(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(b []byte) []byte
		clean  bool // stopped cleanly before
	}{
		"empty":             {func([]byte) []byte { return nil }, true},
		"text":              {func([]byte) []byte { return []byte(strings.Repeat("not a database\n", 1000)) }, true},
		"cut short":         {func(b []byte) []byte { return b[:3*4096] }, true},
		"heads overwritten": {func(b []byte) []byte { copy(b, make([]byte, 2*4096)); return b }, true},
		"pages overwritten": {func(b []byte) []byte {
			for i := 2 * 4096; i < len(b); i++ {
				b[i] = byte(i * 7)
			}
			return b
		}, true},
		"pages overwritten after a crash": {func(b []byte) []byte {
			for i := 2 * 4096; i < len(b); i++ {
				b[i] = byte(i * 7)
			}
			return b
		}, false},
		"pages zeroed after a crash": {func(b []byte) []byte { clear(b[2*4096:]); return b }, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if test.clean {
				s := open(t, bolt.Options{Dir: dir})
				m := mint(t, s)
				for range 50 {
					if _, err := add(s, m, make([]byte, 3000)); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			} else {
				runChild(t, dir, "", 50)
			}
			path := filepath.Join(dir, "spool.db")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, test.damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = bolt.Open(bolt.Options{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "backup") ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("open gave %v, want one line that names the file and what to do", err)
			}
		})
	}
	t.Run("the books in the place of the spool", func(t *testing.T) {
		dir := t.TempDir()
		b, err := bolt.OpenBooks(bolt.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(b.Close(), os.Rename(filepath.Join(dir, "books.db"), filepath.Join(dir, "spool.db"))); err != nil {
			t.Fatal(err)
		}
		if _, err = bolt.Open(bolt.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "not ours") {
			t.Errorf("open gave %v", err)
		}
	})
}

func TestOthersCannotReadTheFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, bolt.Options{Dir: dir})
	if _, err := add(s, mint(t, s), make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	b, err := bolt.OpenBooks(bolt.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
		if err == nil && fi.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("%s has mode %v", path, fi.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCheckFindsWhatIsBroken(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	if _, err := add(s, mint(t, s), make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "content", files(t, dir)[0])
	for text, damage := range map[string]func() error{
		"has 5 octets": func() error { return os.Truncate(path, 5) },
		"is missing":   func() error { return os.Rename(path, filepath.Join(dir, "elsewhere")) },
		"foreign file": func() error { return os.WriteFile(filepath.Join(dir, "content", "notes.txt"), nil, 0o600) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		problems, err := bolt.Check(dir)
		found := false
		for _, p := range problems {
			found = found || strings.Contains(p.String(), text)
		}
		if err != nil || !found {
			t.Errorf("check gave %v, %v, want %q", problems, err, text)
		}
		if text == "is missing" {
			if err := os.Rename(filepath.Join(dir, "elsewhere"), path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A failed unit must not touch the others of its batch: the delay makes one.
func TestARefusedAppendDoesNotTouchItsBatch(t *testing.T) {
	points := &failpoint.Set{}
	points.Arm("batch.commit", 1, failpoint.Delay(20*time.Millisecond))
	s := open(t, bolt.Options{Dir: t.TempDir(), Failpoints: points})
	m := mint(t, s)
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			d, err := s.Draft(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			now := time.Now()
			sub := queue.Submission{
				Message: queue.Message{ID: m.New(now), Account: account1, To: []mail.ForwardPath{to}, Accepted: now},
				Content: d, Due: now, MaxAge: time.Hour,
			}
			if i%2 == 1 {
				sub.Message.To = append(sub.Message.To, to)
				sub.Charge = queue.Charge{Account: account1, Recipients: 2, Limit: 1}
			}
			if _, err := s.Append(context.Background(), sub); (i%2 == 1) != errors.Is(err, queue.ErrQuota) {
				t.Errorf("append %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if d := s.Depth(); d.Messages != 20 || d.Recipients != 20 {
		t.Errorf("depth %+v, want 20 messages", d)
	}
}

func TestBooksSurviveAndRefuseAsTheSpoolDoes(t *testing.T) {
	dir := t.TempDir()
	b, err := bolt.OpenBooks(bolt.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := b.Put(ctx, account.Record{Kind: account.KindAccount, Account: account1, Name: account1}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "books.db"), 5000); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.OpenBooks(bolt.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "books.db is damaged") {
		t.Errorf("open of damaged books: %v", err)
	}
}

// Whatever was confirmed can be read again.
func TestTextThatIsNoUTF8IsKept(t *testing.T) {
	s := open(t, bolt.Options{Dir: t.TempDir()})
	m := mint(t, s)
	d, err := s.Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	const text = "<caf\xe9@example.org>"
	id, err := s.Append(t.Context(), queue.Submission{
		Message: queue.Message{ID: m.New(now), Account: account1, To: []mail.ForwardPath{to}, Accepted: now, MessageID: text},
		Content: d, Due: now, MaxAge: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Commit(t.Context(), queue.Settlement{ID: id, Entries: []queue.Settled{
		{Result: mail.Deferred, Due: now, Last: mail.Reply{Code: 451, Text: text}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	msg, entries, err := s.Load(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if msg.MessageID != text || entries[0].Last.Text != text {
		t.Errorf("kept as %q and %q", msg.MessageID, entries[0].Last.Text)
	}
}
