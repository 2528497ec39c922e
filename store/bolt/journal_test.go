package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// killed copies the files of a running spool: what a kill at this moment leaves.
func killed(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// told gives all that a spool says of what it holds.
func told(t *testing.T, s *bolt.Spool, ids []mail.ID) string {
	t.Helper()
	ctx := context.Background()
	var b strings.Builder
	d := s.Depth()
	fmt.Fprintln(&b, d.Messages, d.Recipients, d.Held)
	entries, err := s.Find(ctx, queue.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "%+v\n", e)
	}
	lines, err := s.Lines(ctx, queue.Line{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, lines)
	for _, id := range ids {
		m, _, err := s.Load(ctx, id, nil)
		kept, kerr := s.Kept(ctx, id)
		fmt.Fprintf(&b, "%v %+v %v %+v\n", err, m, kerr, kept)
		c, err := s.Open(ctx, id)
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		content := make([]byte, c.Size())
		if _, err := c.ReadAt(content, 0); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%d octets %08x\n", len(content), crc32.ChecksumIEEE(content))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, consumer := range []string{"c", "d"} {
		records, err := s.Read(ctx, consumer, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&b, consumer, string(text))
		}
	}
	u, err := s.Usage(ctx, account1, time.Now(), 100)
	fmt.Fprintln(&b, u, err)
	return b.String()
}

// busy does something of every kind and gives the messages.
func busy(t *testing.T, s *bolt.Spool) []mail.ID {
	t.Helper()
	ctx := context.Background()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m := mint(t, s)
	to, err := mail.ParseForwardPath("user@example.org")
	ok(err)
	var ids []mail.ID
	now := time.Now().Truncate(time.Millisecond)
	for i := range 8 {
		d, err := s.Draft(ctx)
		ok(err)
		_, err = d.Write(bytes.Repeat([]byte{byte(i)}, 10+i*i*2000))
		ok(err)
		id := m.New(now)
		sub := queue.Submission{
			Message: queue.Message{ID: id, Account: account1, To: []mail.ForwardPath{to, to}, Accepted: now, Size: d.Size(), Keep: i < 4},
			Content: d, Due: now, MaxAge: time.Hour, Key: fmt.Sprint("k", i/2),
			Charge: queue.Charge{Account: account1, Recipients: 2, Limit: 9},
			Events: []event.Event{{Type: event.Send, Message: id, Account: account1, Time: now, Consumers: []string{"c", "d"}}},
		}
		if i%2 == 0 {
			ids = append(ids, id)
		}
		first, err := s.Append(ctx, sub)
		ok(err)
		if first != ids[len(ids)-1] {
			t.Fatalf("append %d gave %s", i, first)
		}
	}
	d, err := s.Draft(ctx)
	ok(err)
	_, err = s.Append(ctx, queue.Submission{Content: d, Due: now,
		Message: queue.Message{ID: m.New(now), Account: account1, To: []mail.ForwardPath{to}, Accepted: now},
		Charge:  queue.Charge{Account: account1, Recipients: 2, Limit: 9}})
	if !errors.Is(err, queue.ErrQuota) {
		t.Fatalf("beyond the quota: %v", err)
	}
	none := m.New(now)
	_, err = s.Append(ctx, queue.Submission{EventsOnly: true, Message: queue.Message{ID: none, Account: account1, To: []mail.ForwardPath{to}, Accepted: now},
		Charge: queue.Charge{Account: account1, Recipients: 1, Limit: 9},
		Events: []event.Event{{Type: event.RenderingFailure, Message: none, Account: account1, Time: now,
			Failure: &event.Failure{Template: "t", Text: "x"}, Consumers: []string{"c", "d"}}}})
	ok(err)
	ok(s.Commit(ctx, queue.Settlement{ID: ids[0], Entries: []queue.Settled{{N: 0, Result: mail.Delivered}, {N: 1, Result: mail.Failed}},
		Events: []event.Event{{Type: event.Bounce, Message: ids[0], Account: account1, Time: now, Consumers: []string{"c"}}}}))
	ok(s.Commit(ctx, queue.Settlement{ID: ids[1], Entries: []queue.Settled{{N: 1, Result: mail.Deferred, Due: now.Add(time.Minute),
		Attempts: 3, Last: mail.Reply{Code: 451, Status: mail.Status{Class: 4, Subject: 7, Detail: 1}, Text: "later"}, LastHost: "mx", Scanned: true}}}))
	_, err = s.Alter(ctx, ids[2], []int{1}, queue.Alteration{State: queue.Held})
	ok(err)
	_, err = s.Alter(ctx, ids[3], nil, queue.Alteration{Due: now.Add(time.Hour)})
	ok(err)
	late := queue.Settlement{ID: ids[0], Key: "report", Events: []event.Event{{Type: event.Complaint, Message: ids[0], Account: account1,
		Time: now, Consumers: []string{"c"}, Report: &event.Report{FeedbackType: "abuse"}}}}
	ok(s.Commit(ctx, late))
	if err := s.Commit(ctx, late); !errors.Is(err, queue.ErrRepeated) {
		t.Fatalf("the same again: %v", err)
	}
	ok(s.Ack(ctx, "c", 1, 2))
	ok(s.Keep(ctx, "d", 1, 2, 3))
	_, err = s.Again(ctx, "d", 2, time.Time{})
	ok(err)
	_, err = s.Forget(ctx, "d", now.Add(time.Hour), 10)
	ok(err)
	return ids
}

func TestWhatTheJournalHoldsIsThereAfterAKill(t *testing.T) {
	for name, o := range map[string]bolt.Options{
		"one journal": {}, "a checkpoint after each batch": {Journal: 1}, "a file for each content": {MaxSmall: 1},
	} {
		t.Run(name, func(t *testing.T) {
			o.Dir = t.TempDir()
			s := open(t, o)
			ids := busy(t, s)
			want := told(t, s, ids)
			for range 2 { // also when the start is killed, or done twice
				left := killed(t, o.Dir)
				verify(t, left)
				again := open(t, bolt.Options{Dir: left})
				if got := told(t, again, ids); got != want {
					t.Errorf("before:\n%s\nafter:\n%s", want, got)
				}
				if err := again.Close(); err != nil {
					t.Fatal(err)
				}
				verify(t, left)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			verify(t, o.Dir)
			if got := told(t, open(t, o), ids); got != want {
				t.Errorf("before:\n%s\nafter a clean stop:\n%s", want, got)
			}
		})
	}
}

// frames gives where the frames of the first segment begin.
func frames(t *testing.T, dir, segments string) (at []int, journal []byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, segments, "00000001"))
	if err != nil {
		t.Fatal(err)
	}
	for off := 0; off+36 <= len(b) && bytes.HasPrefix(b[off:], []byte("SJn1")); {
		at = append(at, off)
		off += 36 + int(binary.BigEndian.Uint32(b[off+24:]))
	}
	return at, b
}

func write(t *testing.T, dir string, journal []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "segments", "00000001"), journal, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestATornFrameDoesNotCount(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	m := mint(t, s)
	for range 3 {
		if _, err := add(s, m, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	at, whole := frames(t, dir, "segments")
	if len(at) != 3 {
		t.Fatalf("%d frames", len(at))
	}
	last := at[2]
	for name, tear := range map[string]func(b []byte) []byte{
		"cut in its head":          func(b []byte) []byte { return b[:last+20] },
		"cut in its units":         func(b []byte) []byte { return b[:last+200] },
		"head without its units":   func(b []byte) []byte { clear(b[last+36:]); return b },
		"units without their head": func(b []byte) []byte { clear(b[last : last+36]); return b },
		"another length":           func(b []byte) []byte { b[last+24] = 0xff; return b },
	} {
		t.Run(name, func(t *testing.T) {
			left := killed(t, dir)
			write(t, left, tear(bytes.Clone(whole)))
			verify(t, left)
			if d := open(t, bolt.Options{Dir: left}).Depth(); d.Messages != 2 {
				t.Errorf("%d messages, want the 2 whole ones", d.Messages)
			}
		})
	}
}

func TestADamagedFrameIsToldAndHoldsUpNoOther(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	m := mint(t, s)
	for range 3 {
		if _, err := add(s, m, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	at, whole := frames(t, dir, "segments")
	for name, where := range map[string]int{"in its units": 100, "in its head": 26, "in its number": 7} {
		t.Run(name, func(t *testing.T) {
			left := killed(t, dir)
			journal := bytes.Clone(whole)
			journal[at[1]+where] ^= 1
			write(t, left, journal)
			if problems, err := bolt.Check(left); err != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), fmt.Sprint("journal at ", at[1])) {
				t.Errorf("check gave %v, %v", problems, err)
			}
			var log bytes.Buffer
			again := open(t, bolt.Options{Dir: left, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if d := again.Depth(); d.Messages != 2 || !strings.Contains(log.String(), "journal at") {
				t.Errorf("%d messages, log %s", d.Messages, log.String())
			}
		})
	}
}

// What a disk loses is a sector, in which one frame may end and the next begin.
func TestADamagedPieceOfTwoFramesCostsNoThird(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	m := mint(t, s)
	for range 4 {
		if _, err := add(s, m, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	left := killed(t, dir)
	at, journal := frames(t, left, "segments")
	copy(journal[at[2]-10:], "as a disk may give it")
	write(t, left, journal)
	if problems, err := bolt.Check(left); err != nil || len(problems) != 1 {
		t.Errorf("check gave %v, %v", problems, err)
	}
	for range 2 {
		s := open(t, bolt.Options{Dir: left})
		if d := s.Depth(); d.Messages != 2 {
			t.Errorf("%d messages, want the first and the last", d.Messages)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	verify(t, left)
}

// What lies in the file from before the last checkpoint must not come back.
func TestFramesOfBeforeACheckpointDoNotCount(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	id, err := add(s, mint(t, s), make([]byte, 1000))
	if err != nil {
		t.Fatal(err)
	}
	old := killed(t, dir)
	again := open(t, bolt.Options{Dir: old})
	if err := deliver(again, id); err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	_, journal := frames(t, dir, "segments")
	write(t, old, journal) // that of before
	if d := open(t, bolt.Options{Dir: old}).Depth(); d.Messages != 0 {
		t.Errorf("%d messages came back", d.Messages)
	}
}

func TestSettlementsRideWithTheNextMessage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	m := mint(t, s)
	const messages = 60
	var g errgroup.Group
	for range messages {
		id, err := add(s, m, make([]byte, 100))
		if err != nil {
			t.Fatal(err)
		}
		settled := make(chan struct{})
		g.Go(func() error {
			defer close(settled)
			return deliver(s, id)
		})
		select { // a dialogue takes some time, in which a commit would be over
		case <-settled:
		case <-time.After(300 * time.Microsecond):
		}
	}
	if err := g.Wait(); err != nil { // the last is settled although no message follows
		t.Fatal(err)
	}
	if at, _ := frames(t, dir, "segments"); len(at) > messages*3/2 {
		t.Errorf("%d commits for %d messages that were settled one by one", len(at), messages)
	}
	if d := s.Depth(); d.Messages != 0 {
		t.Errorf("%d messages are left", d.Messages)
	}
}

func TestTheJournalGrowsForManyShortFramesAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	m := mint(t, s)
	size := func() int64 {
		t.Helper()
		fi, err := os.Stat(filepath.Join(dir, "segments", "00000001"))
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	var first int64
	for n := range 50 {
		if _, err := add(s, m, make([]byte, 2000)); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = size()
		}
	}
	if first < 100_000 || size() != first {
		t.Errorf("%d octets after the first frame, %d after the last", first, size())
	}
	if d := open(t, bolt.Options{Dir: killed(t, dir)}).Depth(); d.Messages != 50 {
		t.Errorf("%d messages after a kill, want 50", d.Messages)
	}
	if _, err := add(s, m, make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if _, err := add(s, m, make([]byte, 200_000)); err != nil {
		t.Fatal(err)
	}
	if grown := size() - first; grown > 200_000 {
		t.Errorf("%d octets more after long frames", grown)
	}
}

// An operator may move a damaged spool.db away, as its error says, and leave the journal.
func TestAJournalDoesNotGoOnFromANewFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	m := mint(t, s)
	for range 3 {
		if _, err := add(s, m, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	left := killed(t, dir)
	_, before := frames(t, left, "segments")
	if err := os.Remove(filepath.Join(left, "spool.db")); err != nil {
		t.Fatal(err)
	}
	s = open(t, bolt.Options{Dir: left})
	if d := s.Depth(); d.Messages != 0 {
		t.Errorf("%d messages came back", d.Messages)
	}
	// The content of what was moved away is still there for whoever brings it back.
	if _, aside := frames(t, left, "segments.left-1"); !bytes.Equal(aside, before) {
		t.Errorf("%d octets are left of %d", len(aside), len(before))
	}
	// A frame as long as the first of before, with the second of before behind it.
	if _, err := add(s, mint(t, s), make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if d := open(t, bolt.Options{Dir: killed(t, left)}).Depth(); d.Messages != 1 {
		t.Errorf("%d messages after a kill, want the new one", d.Messages)
	}
}

func TestAJournalThatTheDiskDoesNotGiveIsNoEnd(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	if _, err := add(s, mint(t, s), make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	left := killed(t, dir)
	// A directory can be opened, and gives errors to whoever reads it.
	if err := errors.Join(os.Remove(filepath.Join(left, "segments", "00000001")), os.Mkdir(filepath.Join(left, "segments", "00000001"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Check(left); err == nil {
		t.Error("check found nothing")
	}
}
