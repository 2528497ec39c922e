package queue

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/trace"
)

// Bounds of an operator's command over many entries: so many are read at once,
// and so many changes wait together for the disk.
const (
	findPage = 500
	parallel = 32
)

// Find gives entries for operators, in (id, n) order.
func (q *Queue) Find(ctx context.Context, f Filter) ([]Entry, error) {
	return q.spool.Find(ctx, f)
}

// Leased reports whether an attempt for an entry is under way.
func (q *Queue) Leased(e Entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[e.Line]
	if l == nil {
		return false
	}
	return l.leased.has(e.ID, e.N)
}

// Hold keeps back all queued entries that match and gives their number. An
// attempt that is under way goes on.
func (q *Queue) Hold(ctx context.Context, f Filter) (int, error) {
	f.State = Queued
	return q.alter(ctx, f, Alteration{State: Held}, "held by the operator")
}

// ReleaseHold makes all held entries that match queued again, and due.
func (q *Queue) ReleaseHold(ctx context.Context, f Filter) (int, error) {
	f.State = Held
	return q.alter(ctx, f, Alteration{State: Queued, Due: q.Now()}, "released by the operator")
}

// Retry makes all queued entries that match due now.
func (q *Queue) Retry(ctx context.Context, f Filter) (int, error) {
	f.State = Queued
	return q.alter(ctx, f, Alteration{Due: q.Now()}, "to be tried now, by order of the operator")
}

func (q *Queue) alter(ctx context.Context, f Filter, a Alteration, text string) (int, error) {
	return q.each(ctx, f, func(ctx context.Context, part []Entry) (int, error) {
		entries, err := q.spool.Alter(ctx, part[0].ID, numbers(part), a)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return 0, fmt.Errorf("change entries of %s: %w", part[0].ID, err)
		}
		var n notes
		q.mu.Lock()
		now := q.Now()
		for _, e := range entries {
			l := q.line(e.Line)
			if e.State == Queued {
				l.disk = earlier(l.disk, e.Due)
			} else {
				q.forget(l, key{e.ID, e.N})
			}
			q.update(l, now, &n)
		}
		q.mu.Unlock()
		q.tell(&n)
		q.changed(entries, text)
		return len(entries), nil
	})
}

// Cancel ends all entries that match as failed and gives their number. Entries
// under way are passed over. The events to keep with each settlement come from
// events, which may be nil; of a damaged message there are none.
func (q *Queue) Cancel(ctx context.Context, f Filter, events func(*Message, []Entry) []event.Event) (int, error) {
	return q.each(ctx, f, func(ctx context.Context, part []Entry) (int, error) {
		cancelled := 0
		for _, lease := range q.seize(part) {
			n, err := q.cancel(ctx, lease, events)
			if err != nil {
				return cancelled, err
			}
			cancelled += n
		}
		return cancelled, nil
	})
}

// cancel settles a lease on one line's part of a message, held entries or not.
func (q *Queue) cancel(ctx context.Context, lease *Lease, events func(*Message, []Entry) []event.Event) (int, error) {
	// Loaded again: what was read before the lease may be settled by now.
	id := lease.Entries[0].ID
	m, entries, err := q.spool.Load(ctx, id, numbers(lease.Entries))
	if errors.Is(err, ErrDamaged) {
		// Nothing is left to tell of; the operator may still be rid of it.
		entries, events, err = lease.Entries, nil, nil
	}
	if err == nil && len(entries) > 0 {
		settled := make([]Settled, len(entries))
		for i, e := range entries {
			settled[i] = Settled{N: e.N, Result: mail.Failed}
		}
		var told []event.Event
		if events != nil {
			told = events(m, entries)
		}
		err = q.Settle(ctx, lease, settled, told)
		if err == nil {
			q.changed(entries, "given up by the operator")
			return len(entries), nil
		}
	}
	q.Release(lease)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, fmt.Errorf("cancel entries of %s: %w", id, err)
	}
	return 0, nil
}

// seize claims those of a message's entries that nobody has, by line.
func (q *Queue) seize(part []Entry) []*Lease {
	q.mu.Lock()
	defer q.mu.Unlock()
	var leases []*Lease
	byLine := make(map[Line]*Lease)
	for _, e := range part {
		if q.appending[e.ID] > 0 {
			continue
		}
		l, k := q.line(e.Line), key{e.ID, e.N}
		if l.leased.has(e.ID, e.N) {
			continue
		}
		lease := byLine[e.Line]
		if lease == nil {
			lease = &Lease{Line: e.Line, Site: l.domain.site}
			byLine[e.Line] = lease
			leases = append(leases, lease)
		}
		lease.Entries = append(lease.Entries, e)
		q.forget(l, k)
		l.leased.add(e)
	}
	return leases
}

// each pages through the entries that match and calls do for each message's
// part, several at once.
func (q *Queue) each(ctx context.Context, f Filter, do func(context.Context, []Entry) (int, error)) (int, error) {
	f.Limit = findPage
	var count atomic.Int64
	for {
		page, err := q.spool.Find(ctx, f)
		if err != nil {
			return int(count.Load()), fmt.Errorf("find entries: %w", err)
		}
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(parallel)
		for rest := page; len(rest) > 0; {
			k := 1
			for k < len(rest) && rest[k].ID == rest[0].ID {
				k++
			}
			part := rest[:k]
			rest = rest[k:]
			g.Go(func() error {
				n, err := do(gctx, part)
				count.Add(int64(n))
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return int(count.Load()), err
		}
		if len(page) < f.Limit {
			return int(count.Load()), nil
		}
		last := page[len(page)-1]
		f.AfterID, f.AfterN = last.ID, last.N
	}
}

// changed tells the trace what an operator did to entries of one message.
func (q *Queue) changed(entries []Entry, text string) {
	if !q.trace.On() || len(entries) == 0 {
		return
	}
	r := &trace.Record{Kind: trace.Changed, Time: q.Now(), ID: entries[0].ID, Account: entries[0].Line.Account, Text: text}
	for _, e := range entries {
		r.To = append(r.To, e.To.String())
	}
	q.trace.Add(r)
}

func numbers(entries []Entry) []int {
	ns := make([]int, len(entries))
	for i, e := range entries {
		ns[i] = e.N
	}
	return ns
}
