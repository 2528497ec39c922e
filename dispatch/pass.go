package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sesame-mta/sesame/dispatch/scan"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// What becomes of a message that does not pass. badContent is the reason that SES
// gives for a Reject (spec section 8.4).
func badContent() mail.Reply { return *mail.Refuse(554, 7, 0, "Bad content") }
func unscanned(err error) mail.Reply {
	return *mail.Refuse(451, 3, 0, "Message could not be scanned, will be tried again").WithCause(
		&mail.Limit{Name: mail.LimitScanner, Whose: "server", Err: err})
}

var errNoVerdict = errors.New("scanner gave no verdict")

// finding is what a scanner said of a message, or why it said nothing.
type finding struct {
	scan.Verdict
	err  error
	told atomic.Bool // the Reject event is made
}

// What was found stays in memory for a while: the recipients of a message lie in
// as many leases as they have domains, and one scan is for all of them.
const (
	maxSeen = 10_000
	seenFor = 10 * time.Minute
)

// pass shows the message of a lease to the scanner and reports whether it may
// leave. If not, the lease is settled: malware ends as Reject and nobody gets mail
// about it, other refused content goes back to its sender, and without a verdict
// the message waits. That it has passed is settled with its entries, so no later
// attempt scans again; a crash before that costs one more scan.
func (d *Dispatcher) pass(ctx context.Context, lease *queue.Lease) bool {
	n := len(lease.Entries)
	// Mail of our own quotes headers only.
	if d.o.Scanner == nil || lease.Message.Notice || scanned(lease.Entries) {
		return true
	}
	id := lease.Message.ID
	f, err := d.seen.Get(ctx, string(id[:]), func(ctx context.Context, _ **finding) (*finding, time.Time) {
		f := d.scan(ctx, lease)
		if f.err != nil {
			return f, time.Time{}
		}
		return f, time.Now().Add(seenFor)
	})
	if err != nil {
		d.release(lease) // the run ends
		return false
	}
	switch f.Kind {
	case scan.Clean:
		for i := range lease.Entries {
			lease.Entries[i].Scanned = true
		}
		return true
	case scan.Infected:
		d.reject(ctx, lease, f)
	case scan.Refused:
		d.settle(ctx, lease, same(mail.Outcome{Result: mail.Failed, Reply: f.Reply}, n))
	default:
		d.settle(ctx, lease, ours(unscanned(f.err), n))
	}
	return false
}

func scanned(entries []queue.Entry) bool {
	for _, e := range entries {
		if !e.Scanned {
			return false
		}
	}
	return true
}

// scan asks the scanner about the whole content, as the client sent it.
func (d *Dispatcher) scan(ctx context.Context, lease *queue.Lease) (f *finding) {
	id := lease.Message.ID
	f = &finding{}
	defer func() {
		if p := recover(); p != nil {
			f = &finding{err: fmt.Errorf("panic: %v", p)}
			d.log.Error("scan panicked", "id", id, "err", f.err, "text", string(debug.Stack()))
		}
		d.metrics.scans.WithLabelValues(f.Kind.String()).Inc()
	}()
	content, err := d.o.Spool.Open(ctx, id)
	if err != nil {
		d.failed(ctx, "open content", lease, err)
		f.err = err
		return f
	}
	defer func() {
		if err := content.Close(); err != nil {
			d.failed(ctx, "close content", lease, err)
		}
	}()
	size := content.Size()
	f.Verdict, f.err = d.o.Scanner.Scan(ctx, io.NewSectionReader(content, 0, size), size)
	if f.err == nil && f.Kind == 0 {
		f.err = errNoVerdict
	}
	if f.err != nil {
		f.Verdict = scan.Verdict{}
		d.failed(ctx, "scan", lease, f.err)
		return f
	}
	if f.Kind != scan.Clean {
		d.log.Warn("content stopped", "id", id, "account", lease.Message.Account, "from", lease.Message.From, "text", f.Name)
	}
	return f
}

// reject gives the entries of a lease up without bounce mail. One event tells of
// all recipients of the message, whichever lease comes first.
func (d *Dispatcher) reject(ctx context.Context, lease *queue.Lease, f *finding) {
	m, now := lease.Message, d.o.Queue.Now()
	verdicts := make([]verdict, len(lease.Entries))
	settled := make([]queue.Settled, len(lease.Entries))
	for i := range lease.Entries {
		e, o := &lease.Entries[i], &mail.Outcome{Result: mail.Failed, Reply: badContent()}
		settled[i] = queue.Settled{N: e.N, Result: mail.Failed}
		verdicts[i] = verdict{entry: e, outcome: o, read: read(o), settled: settled[i], rejected: true}
	}
	var events []event.Event
	var rs []event.Recipient
	if f.told.CompareAndSwap(false, true) {
		for i, to := range m.To {
			rs = append(rs, event.Recipient{N: i, To: to, Reply: badContent()})
		}
		if consumers := d.interest(event.Reject, m); len(consumers) > 0 {
			events = append(events, event.Event{Type: event.Reject, Message: m.ID, Account: m.Account, Time: now,
				Recipients: rs, Consumers: consumers})
		}
	}
	d.tell(ctx, m, verdicts, now)
	d.trace(m, verdicts, now, nil)
	if d.commit(ctx, lease, settled, events) && len(rs) > 0 && d.o.Observe != nil {
		d.o.Observe(m, event.Reject, rs, false)
	}
}

// interest names the consumers of an event, if there are any at all.
func (d *Dispatcher) interest(t event.Type, m *queue.Message) []string {
	if d.o.Interest == nil {
		return nil
	}
	return d.o.Interest(t, m)
}
