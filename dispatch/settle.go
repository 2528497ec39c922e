package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sesame-mta/sesame/account/suppression"
	reading "github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/trace"
)

// Pauses between tries to commit an outcome.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
)

// verdict is what an attempt comes to for one entry.
type verdict struct {
	entry   *queue.Entry
	outcome *mail.Outcome
	read    reading.Verdict // of the outcome's reply
	tried   bool            // an attempt was made for it
	expired bool
	settled queue.Settled
	match   *suppression.Match // why it was not tried at all
	// rejected: a scanner stopped the message.
	rejected bool
}

// settle records one outcome for each entry of a lease, and ends the lease.
func (d *Dispatcher) settle(ctx context.Context, lease *queue.Lease, outcomes []mail.Outcome) {
	d.settleAttempt(ctx, lease, outcomes, nil)
}

// settleAttempt is settle for what was tried at a host.
func (d *Dispatcher) settleAttempt(ctx context.Context, lease *queue.Lease, outcomes []mail.Outcome, at *trace.Attempt) {
	now := d.o.Queue.Now()
	// One draw for all: recipients of one message stay together.
	jitter := 0.9 + 0.2*rand.Float64()
	verdicts := make([]verdict, 0, len(lease.Entries))
	for i := range lease.Entries {
		e, o := &lease.Entries[i], &outcomes[i]
		if ctx.Err() != nil && o.Result != mail.Delivered && !o.Remote {
			continue // cut short by the end of the run: still due, not counted
		}
		verdicts = append(verdicts, d.judge(e, o, now, jitter))
	}
	d.trace(lease.Message, verdicts, now, at)
	d.record(ctx, lease, verdicts, now)
}

// judge turns an outcome into what is recorded. Unknown means temporary.
func (d *Dispatcher) judge(e *queue.Entry, o *mail.Outcome, now time.Time, jitter float64) verdict {
	v := verdict{entry: e, outcome: o, read: read(o), tried: true}
	switch o.Result {
	case mail.Delivered, mail.Failed:
		v.settled = queue.Settled{N: e.N, Result: o.Result}
		return v
	case mail.Deferred:
	}
	if d.o.Queue.Expired(*e) {
		v.expired = true
		v.settled = queue.Settled{N: e.N, Result: mail.Failed}
		return v
	}
	pause := d.o.Retry[min(e.Attempts, len(d.o.Retry)-1)]
	due := now.Add(time.Duration(float64(pause) * jitter))
	if now.Before(e.Expires) && due.After(e.Expires) {
		due = e.Expires // the last attempt: give up on time, not hours late
	}
	v.outcome.Result = mail.Deferred
	v.settled = queue.Settled{N: e.N, Result: mail.Deferred, Due: due, Attempts: e.Attempts + 1, Last: o.Reply,
		Scanned: e.Scanned}
	if o.Remote {
		v.settled.LastHost = o.Host
	}
	return v
}

// settleAll gives up leases whose entries are past their time, several at once.
// The reply is the site's state now, for entries that had no attempt.
func (d *Dispatcher) settleAll(ctx context.Context, leases []*queue.Lease, parallel int, because mail.Reply) {
	var g errgroup.Group
	g.SetLimit(parallel)
	now := d.o.Queue.Now()
	for _, lease := range leases {
		g.Go(func() error {
			verdicts := make([]verdict, len(lease.Entries))
			for i := range lease.Entries {
				e := &lease.Entries[i]
				o := &mail.Outcome{Result: mail.Deferred, Reply: e.Last, Host: e.LastHost, Remote: e.LastHost != ""}
				if e.Last.Code == 0 {
					o.Reply = because
				}
				verdicts[i] = verdict{entry: e, outcome: o, read: read(o), expired: true, settled: queue.Settled{N: e.N, Result: mail.Failed}}
			}
			d.trace(lease.Message, verdicts, now, nil)
			d.record(ctx, lease, verdicts, now)
			return nil
		})
	}
	_ = g.Wait() // record returns nothing
}

// record tells of verdicts and commits them.
func (d *Dispatcher) record(ctx context.Context, lease *queue.Lease, verdicts []verdict, now time.Time) {
	if len(verdicts) == 0 {
		d.release(lease)
		return
	}
	settled := make([]queue.Settled, len(verdicts))
	for i := range verdicts {
		settled[i] = verdicts[i].settled
	}
	d.tell(ctx, lease.Message, verdicts, now)
	if d.commit(ctx, lease, settled, d.events(lease.Message, verdicts, now)) {
		d.observe(lease.Message, verdicts)
	}
}

// commit ends a lease with what became of its entries. It tries for as long as it
// takes: while the outcome is known here, the message is not sent again for want
// of a place to write it. It reports whether that is on stable storage.
func (d *Dispatcher) commit(ctx context.Context, lease *queue.Lease, settled []queue.Settled, events []event.Event) bool {
	last := false
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := d.o.Queue.Settle(context.WithoutCancel(ctx), lease, settled, events)
		if err == nil {
			return true
		}
		d.metrics.retried.Inc()
		d.log.Error("outcome not recorded", "id", lease.Message.ID, "domain", lease.Line.Domain, "err", err)
		if errors.Is(err, queue.ErrBroken) {
			d.giveUp()
			return false // the lease stays: nothing is tried again in this run
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if last {
				return false
			}
			last = true
		}
	}
}

// events makes the events that tell of verdicts, one for each type.
func (d *Dispatcher) events(m *queue.Message, verdicts []verdict, now time.Time) []event.Event {
	if d.o.Interest == nil {
		return nil
	}
	var events []event.Event
	for _, t := range attemptTypes {
		n := tells(t, verdicts)
		if n == 0 {
			continue
		}
		consumers := d.o.Interest(t, m)
		if len(consumers) == 0 {
			continue
		}
		rs := told(make([]event.Recipient, 0, n), m, t, verdicts)
		parts := [][]event.Recipient{rs}
		if len(m.Mail) > 0 {
			parts = event.Split(t, rs) // a published event says one thing of all its recipients
		}
		for _, rs := range parts {
			events = append(events, event.Event{
				Type: t, Message: m.ID, Account: m.Account, Time: now, Recipients: rs, Consumers: consumers,
			})
		}
	}
	return events
}

func (v *verdict) event() event.Type {
	switch v.settled.Result {
	case mail.Delivered:
		return event.Delivery
	case mail.Deferred:
		return event.DeliveryDelay
	case mail.Failed:
	}
	if v.rejected {
		return event.Reject
	}
	// A complaint is not followed by bounce mail (spec section 7.2).
	if v.match != nil && v.match.Reason == suppression.Complaint {
		return event.Complaint
	}
	return event.Bounce
}

func (v *verdict) recipient(m *queue.Message) event.Recipient {
	r := event.Recipient{
		N: v.entry.N, To: v.entry.To,
		Reply: v.outcome.Reply, Remote: v.outcome.Remote, Host: v.outcome.Host, Addr: v.outcome.Addr,
		TLS: v.outcome.TLS, Local: v.outcome.Local,
	}
	if v.settled.Result == mail.Deferred {
		r.Expires = v.entry.Expires
	}
	switch v.event() {
	case event.Bounce:
		r.Class, r.BounceType, r.BounceSubType = v.read.Class.String(), v.read.BounceType, v.read.BounceSubType
	case event.DeliveryDelay:
		r.Class, r.DelayType = v.read.Class.String(), v.read.DelayType
	case event.Complaint:
		r.Class, r.BounceSubType = v.read.Class.String(), v.read.BounceSubType
	default:
	}
	if v.expired {
		r.Last = r.Reply
		r.Reply = expiry(m, v.entry, &v.outcome.Reply)
		r.Remote = false
	}
	return r
}

// expiry is the text of SES for a message that was tried for as long as it may
// be (spec section 6.3), with the last reply inside.
func expiry(m *queue.Message, e *queue.Entry, last *mail.Reply) mail.Reply {
	minutes := int(e.Expires.Sub(m.Accepted).Round(time.Minute) / time.Minute)
	text := fmt.Sprintf("Message expired: unable to deliver in %d minutes.<%s>", minutes, last.String())
	// A permanent reply whose status says that time ran out (RFC 3463 section 3.5).
	return mail.Reply{Code: 550, Status: mail.Status{Class: 4, Subject: 4, Detail: 7}, Text: text}
}

// Cancelled makes the events of entries that the operator gave up with a bounce,
// for Queue.Cancel.
func (d *Dispatcher) Cancelled(m *queue.Message, entries []queue.Entry) []event.Event {
	verdicts := make([]verdict, len(entries))
	o := mail.Outcome{Result: mail.Failed, Reply: *mail.Refuse(554, 7, 0, "Delivery was cancelled by the operator")}
	for i := range entries {
		e := &entries[i]
		verdicts[i] = verdict{
			entry:   e,
			outcome: &o,
			read:    read(&o),
			settled: queue.Settled{N: e.N, Result: mail.Failed},
		}
	}
	return d.events(m, verdicts, d.o.Queue.Now())
}

// tell counts verdicts and writes one line for each.
func (d *Dispatcher) tell(ctx context.Context, m *queue.Message, verdicts []verdict, now time.Time) {
	logs := d.log.Enabled(ctx, slog.LevelInfo)
	var results [mail.Failed + 1]int
	for i := range verdicts {
		v := &verdicts[i]
		results[v.settled.Result]++
		if v.settled.Result == mail.Delivered {
			d.metrics.wait.Observe(max(0, now.Sub(m.Accepted).Seconds()))
		}
		if v.expired {
			d.metrics.expired.Inc()
		}
		if v.settled.Result != mail.Delivered {
			d.metrics.failures.WithLabelValues(v.read.Class.String()).Inc()
		}
		if v.outcome.Uncertain {
			d.metrics.uncertain.Inc()
		}
		limit := v.limit()
		d.metrics.limit(limit)
		if !logs {
			continue
		}
		r := v.recipient(m)
		attempt := v.entry.Attempts
		if v.tried {
			attempt++
		}
		facts := []any{
			"id", m.ID, "account", m.Account, "from", m.From, "to", r.To, "domain", v.entry.Line.Domain,
			"mx", r.Host, "source", v.outcome.Source, "attempt", attempt,
			"code", r.Reply.Code, "status", r.Reply.Status.String(), "text", r.Reply.Text, "dur", v.outcome.Dur,
		}
		switch v.settled.Result {
		case mail.Delivered:
			d.log.InfoContext(ctx, "delivered", facts...)
		case mail.Deferred:
			d.log.InfoContext(ctx, "delivery deferred", append(facts, "err", limit)...)
		case mail.Failed:
			d.log.InfoContext(ctx, "delivery failed", facts...)
		}
	}
	for r, n := range results {
		if n > 0 {
			d.metrics.results.WithLabelValues(mail.Result(r).String()).Add(float64(n))
		}
	}
}
