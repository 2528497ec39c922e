package storetest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
)

// same compares what was kept with what comes back.
func same() cmp.Options {
	return cmp.Options{cmp.Comparer(time.Time.Equal), cmp.Comparer(func(a, c mail.Address) bool { return a == c })}
}

// addKept appends a message with Keep that was accepted at a time.
func (b *bench) addKept(at time.Time, rcpts ...string) queue.Message {
	b.Helper()
	s := b.submission(acct1, "content", rcpts...)
	ret, err := mail.ParseAddress("0100-" + acct1 + "@bounces.example.org")
	b.ok(err)
	m := &s.Message
	m.ID, m.Accepted, m.Keep, m.Return = b.id(at), at.Truncate(time.Millisecond), true, ret
	m.ConfigSet, m.Tags, m.Mail, m.MessageID = "main", []queue.Tag{{Name: "n", Value: "v"}}, []byte(`{"a":1}`), "<m@example.org>"
	m.HeaderSize, m.Edit = 3, message.Edit{Prefix: []byte("A: b\r\n")}
	m.From, err = mail.ParseReversePath("ann@example.org")
	b.ok(err)
	_, err = b.Append(context.Background(), s)
	b.ok(err)
	return *m
}

// testKept is of a message that outlives its last recipient. The engine is opened
// to keep such for more than a day and less than 1,000.
func testKept(b *bench) {
	ctx := context.Background()
	want := b.addKept(time.Now(), "u@example.org", "v@example.net")
	kept := func() {
		b.Helper()
		got, err := b.Kept(ctx, want.ID)
		b.ok(err)
		if diff := cmp.Diff(want, *got, same()); diff != "" {
			b.Errorf("kept (-want +got):\n%s", diff)
		}
	}
	kept()
	b.settle(want.ID, mail.Delivered, 0)
	kept()
	// A bounce keeps the content for its consumer, and the record after that.
	b.ok(b.Commit(ctx, queue.Settlement{ID: want.ID, Entries: []queue.Settled{{N: 1, Result: mail.Failed}},
		Events: []event.Event{{Type: event.Bounce, Message: want.ID, Account: acct1, Time: base(), Consumers: []string{"forward"}}}}))
	b.depth(0, 0, 0)
	b.reopen()
	kept()
	b.ok(b.Ack(ctx, "forward", 1))
	b.gone(want.ID)
	b.depth(0, 0, 0)
	want.HeaderSize, want.Edit = 0, message.Edit{} // that was for the content
	kept()
	b.reopen()
	kept()
	// What stays is no message in the queue, and no second one can take its place.
	if got := b.all(queue.Filter{}); len(got) != 0 {
		b.Errorf("entries %s", names(got))
	}
	again := b.submission(acct1, "second", "w@example.org")
	again.Message.ID, again.Message.Keep = want.ID, true
	if id, err := b.Append(ctx, again); err != nil || id != want.ID {
		b.Errorf("the same id again = %s, %v", id, err)
	}
	b.depth(0, 0, 0)
	kept()

	plain := b.add(acct1, "x", "u@example.org")
	if m, err := b.Kept(ctx, plain); err != nil || m.ID != plain {
		b.Errorf("a message in the queue = %v, %v", m, err)
	}
	b.settle(plain, mail.Delivered, 0)
	_, err := b.Kept(ctx, plain)
	b.wants(err, queue.ErrNotFound)
	_, err = b.Kept(ctx, b.id(time.Now()))
	b.wants(err, queue.ErrNotFound)
	old := b.addKept(time.Now().Add(-1000*24*time.Hour), "u@example.org")
	_, err = b.Kept(ctx, old.ID)
	b.ok(err) // in the queue
	b.settle(old.ID, mail.Delivered, 0)
	_, err = b.Kept(ctx, old.ID)
	b.wants(err, queue.ErrNotFound)
}

// testTold is of settlements that only tell.
func testTold(b *bench) {
	ctx := context.Background()
	m := b.addKept(time.Now(), "u@example.org", "v@example.org")
	tell := func(id mail.ID, key string, want error) {
		b.Helper()
		err := b.Commit(ctx, queue.Settlement{ID: id, Key: key, Events: []event.Event{{
			Type: event.Complaint, Message: id, Account: acct1, Time: base(), Consumers: []string{"c"},
		}}})
		if want == nil {
			b.ok(err)
		} else {
			b.wants(err, want)
		}
	}
	told := func(want int) {
		b.Helper()
		records, err := b.Read(ctx, "c", 0, 100)
		b.ok(err)
		if len(records) != want {
			b.Errorf("%d events, want %d", len(records), want)
		}
	}
	tell(m.ID, "one", nil)
	tell(m.ID, "one", queue.ErrRepeated)
	told(1)
	b.settle(m.ID, mail.Delivered, 0, 1)
	b.reopen()
	tell(m.ID, "one", queue.ErrRepeated)
	tell(m.ID, "two", nil)
	told(2)
	b.depth(0, 0, 0)
	stranger := b.id(time.Now())
	tell(stranger, "one", queue.ErrNotFound)
	plain := b.add(acct1, "x", "u@example.org")
	tell(plain, "one", nil)
	b.settle(plain, mail.Delivered, 0)
	tell(plain, "two", queue.ErrNotFound)
	told(3)
	// Of many at once one is the first.
	var first atomic.Int32
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if b.Commit(ctx, queue.Settlement{ID: m.ID, Key: "race"}) == nil {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	if n := first.Load(); n != 1 {
		b.Errorf("%d were the first", n)
	}
	if err := b.Commit(ctx, queue.Settlement{ID: m.ID, Key: string(make([]byte, 65))}); err == nil {
		b.Error("a key of 65 octets was taken")
	}
	// With entries a key makes the whole settlement happen once.
	other := b.addKept(time.Now(), "u@example.org")
	settle := queue.Settlement{ID: other.ID, Key: "k", Entries: []queue.Settled{{N: 0, Result: mail.Deferred, Due: base().Add(time.Hour)}}}
	b.ok(b.Commit(ctx, settle))
	settle.Entries[0].Result = mail.Delivered
	b.wants(b.Commit(ctx, settle), queue.ErrRepeated)
	b.depth(1, 1, 0)
}

// testFeedbackEvents is of what events of some types say beside.
func testFeedbackEvents(b *bench) {
	ctx := context.Background()
	id := b.id(base())
	at := base().Add(1234 * time.Millisecond)
	want := []event.Event{
		{Type: event.Bounce, ReportingMTA: "mx.example.org"},
		{Type: event.Complaint, Report: &event.Report{UserAgent: "loop/1", FeedbackType: "abuse", Arrival: at}},
		{Type: event.Complaint, Report: &event.Report{}},
		{Type: event.RenderingFailure, Failure: &event.Failure{Template: "t", Text: "no name"}},
		{Type: event.Subscription, Change: &event.Change{
			List: "news", Source: "UnsubscribeHeader", Old: event.Preferences{Topics: []event.Topic{{Name: "spring", In: true}, {Name: "\xff"}}},
			New: event.Preferences{UnsubscribeAll: true},
		}},
		{Type: event.Subscription, Change: &event.Change{}},
	}
	for i := range want {
		e := &want[i]
		e.Message, e.Account, e.Time, e.Consumers = id, acct1, at, []string{"c"}
	}
	b.ok(b.Commit(ctx, queue.Settlement{Events: want}))
	b.reopen()
	records, err := b.Read(ctx, "c", 0, 100)
	b.ok(err)
	got := make([]event.Event, len(records))
	for i, r := range records {
		got[i] = r.Event
	}
	if diff := cmp.Diff(want, got, same()); diff != "" {
		b.Errorf("events (-want +got):\n%s", diff)
	}
}
