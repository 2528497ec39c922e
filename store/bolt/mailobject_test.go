package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// deliverTold appends messages with a mail object and delivers them; a webhook is
// told of both.
func deliverTold(t *testing.T, s *bolt.Spool, n int) (ids []mail.ID) {
	t.Helper()
	ctx := context.Background()
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		t.Fatal(err)
	}
	m := mint(t, s)
	for range n {
		d, err := s.Draft(ctx)
		if err != nil {
			t.Fatal(err)
		}
		id := m.New(time.Now())
		tells := func(what event.Type) []event.Event {
			return []event.Event{{Type: what, Message: id, Account: account1, Time: time.Now(), Consumers: []string{hook}}}
		}
		_, err = s.Append(ctx, queue.Submission{Content: d, Due: time.Now(), MaxAge: time.Hour, Events: tells(event.Send),
			Message: queue.Message{ID: id, Account: account1, To: []mail.ForwardPath{to}, Accepted: time.Now(), Mail: []byte("object of " + id.String())}})
		if err == nil {
			err = s.Commit(ctx, queue.Settlement{ID: id, Entries: []queue.Settled{{N: 0, Result: mail.Delivered}}, Events: tells(event.Delivery)})
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// objects gives what a webhook that reads now finds of mail objects.
func objects(t *testing.T, s *bolt.Spool) (list []string) {
	t.Helper()
	records, err := s.Read(t.Context(), hook, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		list = append(list, string(r.Event.Mail))
	}
	return list
}

func TestADamagedMailObjectIsToldAndItsEventsAreReadWithout(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	ids := deliverTold(t, s, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	corrupt(t, dir, func(bucket func(string) *bbolt.Bucket) error {
		return errors.Join(bucket("mail_objects").Put(ids[0][:], []byte{9, 9}), bucket("mail_objects").Delete(ids[1][:]))
	})
	if problems, err := bolt.Check(dir); err != nil || len(problems) != 2 {
		t.Errorf("check: %v, %v", problems, err)
	}
	var log bytes.Buffer
	s = open(t, bolt.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	whole := "object of " + ids[2].String()
	if got := objects(t, s); fmt.Sprint(got) != fmt.Sprint([]string{"", "", "", "", whole, whole}) {
		t.Errorf("read %q", got)
	}
	for _, id := range ids[:2] {
		if strings.Count(log.String(), "mail object of "+id.String()) != 1 {
			t.Errorf("the log has\n%s", log.String())
		}
	}
	if err := s.Ack(t.Context(), hook, 1, 2, 3, 4, 5, 6); err != nil {
		t.Fatal(err)
	}
}

// What waited when mail objects lay in each event still has them, and the events
// that come after of the same message lose none of theirs.
func TestEventsOfBeforeKeepTheirMailObjects(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	deliverTold(t, s, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	corrupt(t, dir, func(bucket func(string) *bbolt.Bucket) error {
		box := bucket("outbox").Bucket([]byte(hook))
		key := []byte{0, 0, 0, 0, 0, 0, 0, 1}
		// Version, type and message; then CBOR, as the first release writes it.
		old, err := cbor.Marshal(map[int]any{1: account1, 2: 1795305600000, 4: []byte("old"),
			3: []any{map[int]any{2: "user@example.org", 3: map[int]any{1: 550, 2: []int{5, 1, 1}, 3: "no"}, 5: "mx"}}})
		if err != nil {
			return err
		}
		v := append([]byte{1}, box.Get(key)[1:24]...)
		v = append(v, old...)
		return box.Put(key, v)
	})
	s = open(t, bolt.Options{Dir: dir})
	first, err := s.Read(t.Context(), hook, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if e := first[0].Event; e.Account != account1 || e.Time.UnixMilli() != 1795305600000 || len(e.Recipients) != 1 || e.Recipients[0].Reply.Code != 550 ||
		e.Recipients[0].Reply.Status.Detail != 1 || e.Recipients[0].Host != "mx" || e.Recipients[0].To.String() != "user@example.org" {
		t.Errorf("read %+v", e)
	}
	got := objects(t, s)
	if len(got) != 4 || got[0] != "old" || !strings.HasPrefix(got[1], "object of ") {
		t.Errorf("read %q", got)
	}
	if err := s.Ack(t.Context(), hook, 1); err != nil {
		t.Fatal(err)
	}
	if rest := objects(t, s); fmt.Sprint(rest) != fmt.Sprint(got[1:]) {
		t.Errorf("read %q, want %q", rest, got[1:])
	}
}

// After all is acknowledged nothing of the messages is left.
func TestMailObjectsGoWithTheirLastEvents(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	deliverTold(t, s, 5)
	if err := s.Close(); err != nil { // a checkpoint
		t.Fatal(err)
	}
	s = open(t, bolt.Options{Dir: dir})
	deliverTold(t, s, 5)
	for seq := range uint64(20) {
		if err := s.Ack(t.Context(), hook, seq+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	corrupt(t, dir, func(bucket func(string) *bbolt.Bucket) error {
		return errors.Join(
			bucket("mail_objects").ForEach(func(k, v []byte) error { return fmt.Errorf("%x: %x", k, v) }),
			bucket("messages").ForEach(func(k, v []byte) error { return fmt.Errorf("%x: %x", k, v) }),
			bucket("outbox").Bucket([]byte(hook)).ForEach(func(k, v []byte) error { return fmt.Errorf("%x: %x", k, v) }),
		)
	})
	verify(t, dir)
}

// An id comes again when a sender repeats what he has no answer to. What was told of
// the first message keeps its mail object until the last of both is told.
func TestAMessageThatComesAgainKeepsTheMailObjectOfWhatWasTold(t *testing.T) {
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for name, alone := range map[string]bool{"delivered": false, "events only": true} {
		t.Run(name, func(t *testing.T) {
			ctx, dir := t.Context(), t.TempDir()
			s := open(t, bolt.Options{Dir: dir})
			id, now := mint(t, s).New(time.Now()), time.Now()
			for range 2 {
				d, err := s.Draft(ctx)
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.Append(ctx, queue.Submission{Content: d, Due: now, MaxAge: time.Hour, EventsOnly: alone,
					Message: queue.Message{ID: id, Account: account1, To: []mail.ForwardPath{to}, Accepted: now, Mail: []byte("object")},
					Events:  []event.Event{{Type: event.Send, Message: id, Account: account1, Time: now, Consumers: []string{hook}}}})
				if err == nil && !alone {
					err = deliver(s, id)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Ack(ctx, hook, 1); err != nil {
				t.Fatal(err)
			}
			if got := objects(t, s); fmt.Sprint(got) != "[object]" {
				t.Errorf("read %q", got)
			}
			verify(t, killed(t, dir))
		})
	}
}

// Events are kept in memory by their numbers, wherever these lie.
func TestEventsAreKeptInWhateverOrderTheyWereTold(t *testing.T) {
	const all = 6000
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	id := mint(t, s).New(time.Now())
	events := make([]event.Event, all)
	for i := range events {
		events[i] = event.Event{Type: event.Send, Message: id, Account: account1, Time: time.Now(), Consumers: []string{hook}}
	}
	if err := s.Commit(t.Context(), queue.Settlement{ID: id, Events: events}); err != nil {
		t.Fatal(err)
	}
	keep := func(seqs ...uint64) {
		t.Helper()
		if err := s.Keep(t.Context(), hook, seqs...); err != nil {
			t.Fatal(err)
		}
	}
	read := func(want ...uint64) {
		t.Helper()
		var got []uint64
		records, err := s.Read(t.Context(), hook, 0, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			got = append(got, r.Seq)
		}
		if !slices.Equal(got, want) {
			t.Errorf("read %d, want %d", got, want)
		}
	}
	again := func(from uint64, want int) {
		t.Helper()
		if n, err := s.Again(t.Context(), hook, from, time.Time{}); err != nil || n != want {
			t.Errorf("%d told again, want %d: %v", n, want, err)
		}
	}
	keep(3)
	keep(1)
	keep(2, all) // far behind
	read(4, 5, 6)
	again(3, 2)
	read(3, 4, 5)
	keep(3, 5, 4)
	again(0, 5)
	read(1, 2, 3)
	keep(2, 1, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
	s = open(t, bolt.Options{Dir: dir})
	keep(5, 6)
	if n, err := s.Forget(t.Context(), hook, time.Time{}, 3); err != nil || n != 3 {
		t.Errorf("%d forgotten: %v", n, err)
	}
	again(0, 2)
	read(4, 5, 6)
}

// What is told again does not count for what is kept.
func TestForgettingKeepsAsManyAsItSays(t *testing.T) {
	s := open(t, bolt.Options{Dir: t.TempDir()})
	deliverTold(t, s, 4)
	ctx := t.Context()
	if err := s.Keep(ctx, hook, 1, 2, 3, 4, 5, 6, 7, 8); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Again(ctx, hook, 5, time.Time{}); n != 4 || err != nil {
		t.Fatalf("%d again, %v", n, err)
	}
	if n, err := s.Forget(ctx, hook, time.Time{}, 3); n != 1 || err != nil {
		t.Errorf("%d of 4 forgotten, want all but 3: %v", n, err)
	}
}
