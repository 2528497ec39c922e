package storetest

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// testMailObjects is of the mail object, which is kept once for a message and read
// with each of its events by destinations.
func testMailObjects(b *bench) {
	ctx := context.Background()
	first, second := event.DestinationConsumer(acct1, "set", "first"), event.DestinationConsumer(acct1, "set", "second")
	about := func(id mail.ID, t event.Type) []event.Event {
		return []event.Event{{Type: t, Message: id, Account: acct1, Time: base(), Mail: []byte("not this"), Consumers: []string{first, "hook", second}}}
	}
	// reads gives, of each event, the number and what of the mail object was read.
	reads := func(consumer string, want ...string) {
		b.Helper()
		records, err := b.Read(ctx, consumer, 0, 100)
		b.ok(err)
		var got []string
		for _, r := range records {
			got = append(got, strconv.FormatUint(r.Seq, 10)+" "+r.Event.Type.String()+" "+string(r.Event.Mail))
		}
		if !slices.Equal(got, want) {
			b.Errorf("%s reads %q, want %q", consumer, got, want)
		}
	}
	s := b.submission(acct1, "content", "u@example.org", "v@example.net")
	id := s.Message.ID
	s.Message.Mail = []byte("object")
	s.Events = about(id, event.Send)
	_, err := b.Append(ctx, s)
	b.ok(err)
	for range 2 { // in the queue, in memory and from the disk
		reads(first, "1 Send object")
		reads("hook", "1 Send ")
		b.reopen()
	}
	b.ok(b.Commit(ctx, queue.Settlement{ID: id, Events: about(id, event.Delivery),
		Entries: []queue.Settled{{N: 0, Result: mail.Delivered}, {N: 1, Result: mail.Deferred, Due: base()}}}))
	b.ok(b.Commit(ctx, queue.Settlement{ID: id, Events: about(id, event.Bounce), Entries: []queue.Settled{{N: 1, Result: mail.Failed}}}))
	b.ok(b.Ack(ctx, "hook", 1, 2, 3))
	b.gone(id)
	all := []string{"1 Send object", "2 Delivery object", "3 Bounce object"}
	for range 2 { // the message has left
		reads(first, all...)
		reads(second, all...)
		b.reopen()
	}
	b.ok(b.Ack(ctx, first, 1, 3))
	b.ok(b.Keep(ctx, second, 1, 2, 3))
	b.reopen()
	b.ok(b.Ack(ctx, first, 2))
	reads(first)
	_, err = b.Again(ctx, second, 2, time.Time{})
	b.ok(err)
	reads(second, all[1:]...)
	b.ok(b.Ack(ctx, second, 2, 3))
	b.reopen()
	_, err = b.Again(ctx, second, 0, time.Time{})
	b.ok(err)
	reads(second, all[0])
	b.ok(b.Keep(ctx, second, 1))
	_, err = b.Forget(ctx, second, base().Add(time.Hour), 0)
	b.ok(err)
	reads(second)

	// One that is told of at once leaves nothing behind.
	s = b.submission(acct1, "content", "u@example.org")
	id = s.Message.ID
	s.Message.Mail = []byte("quick")
	s.Events = about(id, event.Send)
	_, err = b.Append(ctx, s)
	b.ok(err)
	b.ok(b.Ack(ctx, first, 4))
	b.ok(b.Ack(ctx, second, 4))
	b.ok(b.Commit(ctx, queue.Settlement{ID: id, Entries: []queue.Settled{{N: 0, Result: mail.Delivered}}}))
	b.gone(id)

	// What comes back late finds the object with the record that was kept.
	m := b.addKept(time.Now(), "u@example.org")
	b.settle(m.ID, mail.Delivered, 0)
	b.ok(b.Commit(ctx, queue.Settlement{ID: m.ID, Key: "k", Events: about(m.ID, event.Complaint)}))
	b.reopen()
	reads(first, `5 Complaint {"a":1}`)
	b.ok(b.Ack(ctx, first, 5))
	reads(second, `5 Complaint {"a":1}`)
	b.ok(b.Ack(ctx, second, 5))

	// What is no mail has one too.
	s = b.submission(acct1, "", "u@example.org")
	s.Content.Discard()
	s.Content, s.EventsOnly, s.Message.Mail = nil, true, []byte("no mail")
	s.Events = append(about(s.Message.ID, event.Send), about(s.Message.ID, event.RenderingFailure)...)
	_, err = b.Append(ctx, s)
	b.ok(err)
	b.reopen()
	reads(first, "6 Send no mail", "7 Rendering Failure no mail")
	b.ok(b.Ack(ctx, first, 6, 7))
	b.ok(b.Ack(ctx, second, 6))
	b.reopen()
	reads(second, "7 Rendering Failure no mail")

	// Of a message that nobody knows there is none, and what comes later of it does
	// not miss one.
	stranger := b.id(base())
	b.ok(b.Commit(ctx, queue.Settlement{ID: stranger, Events: about(stranger, event.Send)}))
	reads(first, "8 Send ")
	b.ok(b.Ack(ctx, first, 8))
}
