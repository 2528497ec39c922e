package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/capture"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
)

func job(t testing.TB, id mail.ID, rcpts ...string) *delivery.Job {
	t.Helper()
	content := []byte("Old: y\r\n\r\nhello\r\n")
	j := &delivery.Job{
		ID: id, Account: "000000000001",
		Header:  []byte("DKIM-Signature: z\r\nOld: y\r\n\r\n"),
		Content: bytes.NewReader(content), BodyAt: 10, Size: int64(len(content)),
	}
	for _, r := range rcpts {
		p, err := mail.ParseForwardPath(r)
		if err != nil {
			t.Fatal(err)
		}
		j.To = append(j.To, p)
	}
	return j
}

func id(t testing.TB, at time.Time) mail.ID {
	t.Helper()
	m, err := mail.NewMinter(make([]byte, 16), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m.New(at)
}

func TestMailIsWrittenAsItWouldGoOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "inbox")
	b, err := capture.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	first, second := id(t, time.Unix(1, 0)), id(t, time.Unix(2, 0))
	// One message for two destinations, then another.
	for _, j := range []*delivery.Job{
		job(t, first, "a@example.org", "b@example.org"), job(t, first, "c@example.net"), job(t, second, "d@example.org"),
	} {
		for _, o := range b.Carry(t.Context(), &route.Route{}, j) {
			if o.Result != mail.Delivered || !o.Reply.Positive() || o.Remote {
				t.Fatalf("outcome %+v", o)
			}
		}
	}
	list, err := capture.List(dir)
	if err != nil || len(list) != 3 {
		t.Fatalf("list %+v, %v", list, err)
	}
	if list[0].ID != second || list[2].ID != first || len(list[2].To) != 2 || list[2].To[1].String() != "b@example.org" {
		t.Errorf("not newest first, or not whole: %+v", list)
	}
	if list[1].File != first.String()+"-2.eml" || list[2].File != first.String()+"-1.eml" {
		t.Errorf("files %q and %q", list[1].File, list[2].File)
	}
	for _, m := range list {
		data, err := os.ReadFile(filepath.Join(dir, m.File))
		if err != nil || string(data) != "DKIM-Signature: z\r\nOld: y\r\n\r\nhello\r\n" || int64(len(data)) != m.Size {
			t.Errorf("%s holds %q, %v", m.File, data, err)
		}
	}
}

func TestOthersCannotReadTheInbox(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	b, err := capture.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	b.Carry(t.Context(), &route.Route{}, job(t, id(t, time.Unix(1, 0)), "a@example.org"))
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestManyAtOnceGetNamesOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	b, err := capture.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	same := id(t, time.Unix(1, 0))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { b.Carry(t.Context(), &route.Route{}, job(t, same, "a@example.org")) })
	}
	wg.Wait()
	if list, err := capture.List(dir); err != nil || len(list) != 20 {
		t.Errorf("%d captured, %v", len(list), err)
	}
}

// broken is content whose disk has failed.
type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

func TestHalfAMessageIsNotCaptured(t *testing.T) {
	dir := t.TempDir()
	b, err := capture.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	j := job(t, id(t, time.Unix(1, 0)), "a@example.org")
	j.Content = broken{}
	out := b.Carry(t.Context(), &route.Route{}, j)
	if out[0].Result != mail.Deferred || out[0].Reply.Code != 451 {
		t.Errorf("outcome %+v", out[0])
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAnInboxThatIsNotThereIsEmpty(t *testing.T) {
	if list, err := capture.List(filepath.Join(t.TempDir(), "none")); err != nil || len(list) != 0 {
		t.Errorf("list %v, %v", list, err)
	}
}

func ExampleList() {
	list, err := capture.List("no-inbox-yet")
	fmt.Println(len(list), err)
	// Output: 0 <nil>
}
