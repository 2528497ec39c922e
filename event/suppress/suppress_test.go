package suppress_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/suppress"
	"github.com/sesame-mta/sesame/mail"
)

// box is an outbox with one consumer.
type box struct {
	mu      sync.Mutex
	records []event.Record
	seq     uint64
	changed chan struct{}
}

func (b *box) add(events ...event.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		b.seq++
		b.records = append(b.records, event.Record{Seq: b.seq, Event: e})
	}
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func (b *box) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.records)
}

func (b *box) Read(_ context.Context, consumer string, after uint64, limit int) ([]event.Record, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if consumer != suppress.Consumer || after != 0 {
		return nil, errors.New("another's")
	}
	return slices.Clone(b.records[:min(limit, len(b.records))]), nil
}

func (b *box) Ack(_ context.Context, _ string, seqs ...uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = slices.DeleteFunc(b.records, func(r event.Record) bool { return slices.Contains(seqs, r.Seq) })
	return nil
}

func (b *box) Consumers(context.Context) ([]string, error) { return []string{suppress.Consumer}, nil }

func (b *box) Changed(string) <-chan struct{} { return b.changed }

// lists notes what joins them. Under the set "none" nothing joins the account's.
type lists struct {
	mu  sync.Mutex
	got []string
	err error
}

func (l *lists) Rule(accountID, set string) suppression.Rule {
	r := suppression.Rule{Account: accountID, Reasons: 0xff, Share: true}
	if set == "none" {
		r.Reasons = 0
	}
	return r
}

func (l *lists) Collect(_ context.Context, entries []suppression.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	for _, e := range entries {
		l.got = append(l.got, fmt.Sprintf("%s:%s:%s", e.Owner[11:], e.Address, e.Reason))
	}
	return nil
}

func (l *lists) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *lists) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.got, " ")
}

// run runs f in a bubble of time beside a collector.
func run(t *testing.T, f func(b *box, l *lists)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, l := &box{changed: make(chan struct{}, 1)}, &lists{}
		c := suppress.New(suppress.Options{Outbox: b, Lists: l,
			ConfigSet: func(_ context.Context, id mail.ID) (string, error) {
				switch id[0] {
				case 1:
					return "none", nil
				case 2:
					return "", account.ErrNotFound
				}
				return "", nil
			},
			Simulated: func(domain string) bool { return domain == "simulator.example.org" },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		f(b, l)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func recipient(t *testing.T, to string, reply *mail.Reply) event.Recipient {
	t.Helper()
	path, err := mail.ParseForwardPath(to)
	if err != nil {
		t.Fatal(err)
	}
	return event.Recipient{To: path, Reply: *reply, Remote: true}
}

func bounce(rs ...event.Recipient) event.Event {
	return event.Event{Type: event.Bounce, Account: account.DefaultID, Time: time.Now(), Recipients: rs}
}

func TestOnlyWhatTheHostSaysOfItsMailboxCounts(t *testing.T) {
	gone := mail.Refuse(550, 1, 1, "no such user")
	for _, test := range []struct {
		what   string
		joins  bool
		reply  *mail.Reply
		change func(*event.Recipient)
	}{
		{"no such mailbox", true, gone, nil},
		{"read as permanent", true, mail.Refuse(554, 0, 0, "no"), func(r *event.Recipient) { r.BounceType = "Permanent" }},
		{"address of no kind", true, mail.Refuse(550, 1, 0, "?"), nil},
		{"null MX at the host", true, mail.Refuse(556, 1, 10, "?"), nil},
		{"mailbox disabled", true, mail.Refuse(550, 2, 1, "?"), nil},
		{"a status alone, of a late bounce", true, &mail.Reply{Status: mail.Status{Class: 5, Subject: 1, Detail: 1}}, nil},
		{"a passing status alone", false, &mail.Reply{Status: mail.Status{Class: 4, Subject: 1, Detail: 1}}, nil},
		{"read as transient", false, gone, func(r *event.Recipient) { r.BounceType = "Transient" }},
		{"read as undetermined", false, gone, func(r *event.Recipient) { r.BounceType = "Undetermined" }},
		{"our own words", false, gone, func(r *event.Recipient) { r.Remote = false }},
		{"on the list already", false, gone, func(r *event.Recipient) {
			r.Remote, r.BounceType, r.BounceSubType = false, "Permanent", "OnAccountSuppressionList"
		}},
		{"policy", false, mail.Refuse(550, 7, 1, "blocked"), nil},
		{"mailbox full", false, mail.Refuse(552, 2, 2, "full"), nil},
		{"too large", false, mail.Refuse(552, 3, 4, "large"), nil},
		{"nothing but a code", false, &mail.Reply{Code: 550, Text: "no"}, nil},
		{"a transient reply", false, mail.Refuse(450, 1, 1, "later"), func(r *event.Recipient) { r.BounceType = "Permanent" }},
	} {
		t.Run(test.what, func(t *testing.T) {
			run(t, func(b *box, l *lists) {
				r := recipient(t, "bob@example.org", test.reply)
				if test.change != nil {
					test.change(&r)
				}
				b.add(bounce(r))
				time.Sleep(time.Second)
				want := ""
				if test.joins {
					want = "1:bob@example.org:BOUNCE 0:bob@example.org:BOUNCE"
				}
				if l.String() != want || b.waiting() != 0 {
					t.Errorf("joined %q, want %q; %d wait", l, want, b.waiting())
				}
			})
		})
	}
}

func TestTheSimulatorNeverCounts(t *testing.T) {
	gone := mail.Refuse(550, 1, 1, "no such user")
	run(t, func(b *box, l *lists) {
		b.add(bounce(recipient(t, "bounce@simulator.example.org", gone), recipient(t, "bob@example.org", gone)))
		time.Sleep(time.Second)
		if l.String() != "1:bob@example.org:BOUNCE 0:bob@example.org:BOUNCE" {
			t.Errorf("joined %q", l)
		}
	})
}

func TestAComplaintJoinsTheAccountsListAlone(t *testing.T) {
	run(t, func(b *box, l *lists) {
		e := bounce(recipient(t, "bob@example.org", &mail.Reply{}))
		e.Type, e.Message = event.Complaint, mail.ID{2} // kept no more
		echo := bounce(recipient(t, "cyd@example.org", mail.Refuse(550, 1, 1, "on the list")))
		echo.Type, echo.Recipients[0].BounceSubType = event.Complaint, "OnAccountSuppressionList"
		b.add(e, echo)
		time.Sleep(time.Second)
		if l.String() != "1:bob@example.org:COMPLAINT" {
			t.Errorf("joined %q", l)
		}
	})
}

func TestTheConfigurationSetDecides(t *testing.T) {
	run(t, func(b *box, l *lists) {
		e := bounce(recipient(t, "bob@example.org", mail.Refuse(550, 1, 1, "gone")))
		e.Message = mail.ID{1}
		b.add(e)
		time.Sleep(time.Second)
		if l.String() != "0:bob@example.org:BOUNCE" {
			t.Errorf("joined %q", l)
		}
	})
}

func TestWhatCannotBeKeptIsTriedAgain(t *testing.T) {
	run(t, func(b *box, l *lists) {
		l.fail(errors.New("disk on fire"))
		b.add(bounce(recipient(t, "bob@example.org", mail.Refuse(550, 1, 1, "gone"))))
		time.Sleep(time.Minute)
		if b.waiting() != 1 {
			t.Error("acknowledged without being kept")
		}
		l.fail(nil)
		time.Sleep(time.Minute)
		if l.String() != "1:bob@example.org:BOUNCE 0:bob@example.org:BOUNCE" || b.waiting() != 0 {
			t.Errorf("joined %q, %d wait", l, b.waiting())
		}
	})
}

func TestManyBouncesAreTakenInBatches(t *testing.T) {
	run(t, func(b *box, l *lists) {
		gone := mail.Refuse(550, 1, 1, "gone")
		var all []event.Event
		for i := range 1800 {
			all = append(all, bounce(recipient(t, fmt.Sprintf("u%d@example.org", i), gone)))
		}
		b.add(all...)
		time.Sleep(5 * time.Second)
		if b.waiting() != 0 || strings.Count(l.String(), " ") != 2*1800-1 {
			t.Errorf("%d wait", b.waiting())
		}
	})
}

func TestAskedForOnlyWhatCanJoin(t *testing.T) {
	for _, test := range []struct {
		t    event.Type
		r    suppression.Rule
		want bool
	}{
		{event.Bounce, suppression.Rule{}, false},
		{event.Bounce, suppression.Rule{Share: true}, true},
		{event.Bounce, suppression.Rule{Reasons: 0xff}, true},
		{event.Complaint, suppression.Rule{Share: true}, false},
		{event.Complaint, suppression.Rule{Reasons: 0xff}, true},
		{event.Send, suppression.Rule{Reasons: 0xff, Share: true}, false},
		{event.Delivery, suppression.Rule{Reasons: 0xff, Share: true}, false},
	} {
		if got := suppress.Interest(test.t, test.r); got != test.want {
			t.Errorf("%s under %+v: %v", test.t, test.r, got)
		}
	}
}
