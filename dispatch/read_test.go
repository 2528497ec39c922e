package dispatch_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
)

func TestGreylistingWithAPermanentCodeIsTriedAgain(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		replies := []mail.Outcome{refused(554, 7, 1, "Greylisted, try again in 5 minutes"), accepted()}
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			o := replies[0]
			replies = replies[1:]
			return all(j, o)
		}
		r.begin()
		r.send("a@example.org")
		synctest.Wait()
		es := r.entries()
		if len(es) != 1 || es[0].Last.String() != "554 5.7.1 Greylisted, try again in 5 minutes" {
			t.Fatalf("entries = %+v", es)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := r.events(); got != "DeliveryDelay a, Delivery a" {
			t.Errorf("events = %q", got)
		}
	})
}

func TestEventsSayWhatAFailureWasAbout(t *testing.T) {
	for _, test := range []struct {
		name  string
		reply mail.Outcome
		want  event.Recipient
	}{
		{"no such mailbox", refused(550, 1, 1, "User unknown"), event.Recipient{Class: "no_mailbox", BounceType: "Permanent", BounceSubType: "General"}},
		{"a full mailbox", refused(452, 2, 2, "Mailbox full"), event.Recipient{Class: "full", DelayType: "MailboxFull"}},
		{"no connection", unreachable(), event.Recipient{Class: "connection", DelayType: "TransientCommunicationFailure"}},
		{"delivery", accepted(), event.Recipient{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			world(t, func(_ *testing.T, r *rig) {
				r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome { return all(j, test.reply) }
				r.begin()
				r.send("a@example.org")
				synctest.Wait()
				r.wantFirst(test.want)
			})
		})
	}
}

// wantFirst compares what was read of the reply in the latest event.
func (r *rig) wantFirst(want event.Recipient) {
	r.t.Helper()
	es := r.memory.Events()
	if len(es) == 0 {
		r.t.Fatal("no event")
	}
	got := es[len(es)-1].Recipients[0]
	if got.Class != want.Class || got.BounceType != want.BounceType || got.BounceSubType != want.BounceSubType || got.DelayType != want.DelayType {
		r.t.Errorf("event says %q %q %q %q, want %+v", got.Class, got.BounceType, got.BounceSubType, got.DelayType, want)
	}
}

func TestExpiryIsNamedForWhatTheMessageWaitedFor(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			return all(j, refused(452, 2, 2, "Mailbox full"))
		}
		r.begin()
		r.send("a@example.org")
		time.Sleep(30 * 24 * time.Hour)
		synctest.Wait()
		r.wantFirst(event.Recipient{Class: "full", BounceType: "Transient", BounceSubType: "MailboxFull"})
		if len(r.entries()) != 0 {
			t.Errorf("entries = %+v", r.entries())
		}
	})
}

func TestFailuresAreCountedByClass(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			if j.To[0].Local() == "a" {
				return all(j, refused(550, 7, 1, "Blocked using zen.spamhaus.org"))
			}
			return all(j, accepted())
		}
		r.begin()
		r.send("a@example.org")
		r.send("b@example.net")
		synctest.Wait()
		if got := r.counter("sesame_dispatch_failures_total", "class", "reputation"); got != 1 {
			t.Errorf("reputation = %v", got)
		}
		n, err := testutil.GatherAndCount(r.reg, "sesame_dispatch_failures_total")
		if err != nil || n < 20 {
			t.Errorf("%d classes, %v", n, err)
		}
	})
}

// counter gives a counter with a label, or -1.
func (r *rig) counter(name, label, value string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == label && l.GetValue() == value {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	return -1
}

// witness is a Limiter that remembers what it was told.
type witness struct {
	*egress.Limiter
	mu   sync.Mutex
	told []egress.Signal
}

// Report implements dispatch.Limiter.
func (w *witness) Report(site string, now time.Time, s egress.Signal) {
	w.mu.Lock()
	w.told = append(w.told, s)
	w.mu.Unlock()
	w.Limiter.Report(site, now, s)
}

func TestLimiterHearsOfHostsThatAskForLess(t *testing.T) {
	for _, test := range []struct {
		name  string
		reply mail.Outcome
		want  egress.Signal
	}{
		{"in words, with a 452", refused(452, 3, 2, "Connection rate limit exceeded."), egress.Busy},
		{"in words, with a 550", refused(550, 0, 0, "HL:ITC 163 mx1"), egress.Busy},
		{"of one mailbox only", refused(450, 2, 1, "User is receiving mail too quickly"), egress.Success},
		{"nothing of the kind", refused(550, 1, 1, "User unknown"), egress.Success},
	} {
		t.Run(test.name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				w := &witness{Limiter: egress.NewLimiter(egress.LimiterOptions{})}
				r.options.Limiter = w
				r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome { return all(j, test.reply) }
				r.begin()
				r.send("a@example.org")
				synctest.Wait()
				w.mu.Lock()
				defer w.mu.Unlock()
				if len(w.told) != 1 || w.told[0] != test.want {
					t.Errorf("told %v, want %v", w.told, test.want)
				}
			})
		})
	}
}
