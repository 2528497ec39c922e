package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// corrupt changes the file of a stopped spool behind the program's back.
func corrupt(t *testing.T, dir string, f func(bucket func(name string) *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "spool.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return f(func(name string) *bbolt.Bucket { return tx.Bucket([]byte(name)) }) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func entryKey(id mail.ID, n byte) []byte { return append(id[:], 0, n) }

// contentFile gives the path of the one content file of a message.
func contentFile(t *testing.T, dir string, id mail.ID) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "content", id.String()+".*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("files of %s: %v, %v", id, found, err)
	}
	return found[0]
}

func TestDamagedRecordsStayAndBlockNobody(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	m := mint(t, s)
	var ids []mail.ID
	for i := range 8 {
		size := 100
		if i == 4 || i == 5 {
			size = 100_000
		}
		id, err := add(s, m, make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	delivery := func(id mail.ID) event.Event {
		return event.Event{Type: event.Delivery, Message: id, Account: account1, Consumers: []string{"c"}}
	}
	for _, id := range ids[:2] {
		if err := s.Commit(ctx, queue.Settlement{ID: id, Events: []event.Event{delivery(id)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	corrupt(t, dir, func(bucket func(string) *bbolt.Bucket) error {
		return errors.Join(
			bucket("entries").Put(entryKey(ids[0], 0), []byte{9}),
			bucket("entries").Put(entryKey(ids[1], 0), []byte("\x01not CBOR")),
			bucket("messages").Put(ids[2][:], []byte("\x01\x00\x00\x00\x03xyz")),
			bucket("messages").Delete(ids[3][:]),
			bucket("due").Put([]byte("\xffnonsense"), nil),
			bucket("due").Put([]byte("aaa"), nil),
			bucket("outbox").Bucket([]byte("c")).Put([]byte{0, 0, 0, 0, 0, 0, 0, 1}, []byte("?")),
			bucket("usage").Put([]byte("u"), []byte("v")),
		)
	})
	if err := errors.Join(os.Remove(contentFile(t, dir, ids[4])), os.Truncate(contentFile(t, dir, ids[5]), 7)); err != nil {
		t.Fatal(err)
	}

	problems, err := bolt.Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	for _, p := range problems {
		told += p.String() + "\n"
	}
	for _, where := range []string{
		"entry 0 of " + ids[0].String(), "entry 0 of " + ids[1].String(), "message " + ids[2].String(),
		"entry 0 of " + ids[3].String() + ": no message", "message " + ids[4].String(), "message " + ids[5].String(),
		"schedule ff", "schedule 616161", "outbox c 0000000000000001", "usage 75",
	} {
		if !strings.Contains(told, where) {
			t.Errorf("check does not tell of %q", where)
		}
	}

	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	s = open(t, bolt.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil)), Metrics: reg})
	line := queue.Line{Account: account1, Domain: "example.org"}
	for range 3 {
		if lines, err := s.Lines(ctx, queue.Line{}, 10); err != nil || len(lines) != 1 || lines[0].Line != line {
			t.Fatalf("lines %v, %v", lines, err)
		}
		if got, err := s.Page(ctx, line, queue.PageOptions{Limit: 10}); err != nil || len(got) != 6 || got[0].ID != ids[2] {
			t.Fatalf("page %v, %v", got, err)
		}
		if got, err := s.Page(ctx, line, queue.PageOptions{Limit: 2}); err != nil || len(got) != 2 {
			t.Fatalf("page %v, %v", got, err)
		}
		if got, err := s.Find(ctx, queue.Filter{Limit: 10}); err != nil || len(got) != 6 {
			t.Fatalf("find %v, %v", got, err)
		}
		if got, err := s.Read(ctx, "c", 0, 10); err != nil || len(got) != 1 || got[0].Event.Message != ids[1] {
			t.Fatalf("outbox %v, %v", got, err)
		}
		if msg, entries, err := s.Load(ctx, ids[0], nil); err != nil || len(entries) != 0 || msg.ID != ids[0] {
			t.Fatalf("message with a damaged entry: %v, %v, %v", msg, entries, err)
		}
		for i, id := range ids {
			_, _, err := s.Load(ctx, id, nil)
			if want := i == 2 || i == 3; want != errors.Is(err, queue.ErrDamaged) {
				t.Errorf("load %d: %v", i, err)
			}
			c, err := s.Open(ctx, id)
			if want := i >= 2 && i <= 5; want != errors.Is(err, queue.ErrDamaged) {
				t.Errorf("open %d: %v", i, err)
			}
			if err == nil && c.Close() != nil {
				t.Errorf("close %d", i)
			}
		}
	}
	if _, err := s.Usage(ctx, account1, time.Now(), 10); err != nil {
		t.Errorf("usage: %v", err)
	}
	if _, _, err := s.Load(ctx, m.New(time.Now()), nil); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("load of a message that never was: %v", err)
	}
	// One line for each: two entries, two keys, an event, a count, four messages.
	if n := strings.Count(log.String(), "level=ERROR"); n != 10 {
		t.Errorf("%d lines tell of damage:\n%s", n, &log)
	}
	want := "# HELP sesame_store_damaged_records Damaged records that were met since the start and passed over, 1000 at most.\n" +
		"# TYPE sesame_store_damaged_records gauge\nsesame_store_damaged_records 10\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "sesame_store_damaged_records"); err != nil {
		t.Error(err)
	}

	// What is known of a damaged entry can be settled, with its event, and what is
	// on disk of it stays.
	settled := queue.Settlement{ID: ids[0], Entries: []queue.Settled{{Result: mail.Delivered}}, Events: []event.Event{delivery(ids[0])}}
	if err := s.Commit(ctx, settled); err != nil {
		t.Errorf("commit of a damaged entry: %v", err)
	}
	if got, err := s.Read(ctx, "c", 2, 10); err != nil || len(got) != 1 {
		t.Errorf("its event: %v, %v", got, err)
	}
	if _, err := s.Alter(ctx, ids[0], nil, queue.Alteration{State: queue.Held}); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("alter of a damaged entry: %v", err)
	}
	for _, id := range ids[2:4] {
		if got, err := s.Alter(ctx, id, nil, queue.Alteration{State: queue.Held}); err != nil || len(got) != 1 {
			t.Errorf("hold of a damaged message: %v, %v", got, err)
		}
	}
	if got, err := s.Page(ctx, line, queue.PageOptions{Limit: 10}); err != nil || len(got) != 4 {
		t.Errorf("page %v, %v", got, err)
	}
	if d := s.Depth(); d.Recipients != 8 || d.Held != 2 || d.Messages != 8 {
		t.Errorf("depth %+v", d)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again, err := bolt.Check(dir); err != nil || len(again) != len(problems) {
		t.Errorf("check gave %v, %v", again, err)
	}
}

// So many damaged records are told of, and no more remembered.
func TestDamageIsToldOfWithinBounds(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, bolt.Options{Dir: dir}).Close(); err != nil {
		t.Fatal(err)
	}
	corrupt(t, dir, func(bucket func(string) *bbolt.Bucket) error {
		var errs []error
		for i := range 3000 {
			errs = append(errs, bucket("entries").Put([]byte{byte(i >> 8), byte(i)}, []byte("x")))
		}
		return errors.Join(errs...)
	})
	var log bytes.Buffer
	s := open(t, bolt.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 2 {
		if got, err := s.Find(t.Context(), queue.Filter{Limit: 10}); err != nil || len(got) != 0 {
			t.Fatalf("find %v, %v", got, err)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1001 {
		t.Errorf("%d lines", n)
	}
}

// Whoever reads a message relies on its numbers: memory is taken by them.
func TestHeaderSectionsAndEditsAreWithinTheContent(t *testing.T) {
	s := open(t, bolt.Options{Dir: t.TempDir()})
	m := mint(t, s)
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header int64
		drop   []message.Span
		ok     bool
	}{
		"all of it":           {10, []message.Span{{Off: 0, Len: 4}, {Off: 4, Len: 6}}, true},
		"longer than content": {11, nil, false},
		"negative":            {-1, nil, false},
		"drop behind the end": {5, []message.Span{{Off: 0, Len: 6}}, false},
		"drop in disorder":    {10, []message.Span{{Off: 4, Len: 2}, {Off: 5, Len: 1}}, false},
	} {
		d, err := s.Draft(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		_, err = s.Append(t.Context(), queue.Submission{Content: d, Due: now, Message: queue.Message{ID: m.New(now), Account: account1,
			To: []mail.ForwardPath{to}, Accepted: now, HeaderSize: c.header, Edit: message.Edit{Drop: c.drop}}})
		if c.ok != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
