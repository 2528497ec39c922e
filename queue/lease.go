package queue

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
)

// Lease is the right to try some entries of one message in one line. It ends
// with Settle or Release; a crash ends it too, and the entries are still due.
type Lease struct {
	Message *Message
	Line    Line
	Site    string
	Entries []Entry // at least one, all due
}

// Take gives the next lease for a site, or nil when the site has nothing due
// that is not on lease already. The turn goes round the accounts, then round
// the lines of the account; within a line the oldest due entry comes first.
func (q *Queue) Take(ctx context.Context, siteName string) *Lease {
	for ctx.Err() == nil {
		q.mu.Lock()
		s := q.sites[siteName]
		if s == nil {
			q.mu.Unlock()
			return nil
		}
		var n notes
		l := s.next()
		read := len(l.units) == 0
		if read {
			q.fill(ctx, l)
		}
		// What was read is used at once: lines that push each other out of
		// memory must not read for ever.
		var lease *Lease
		if len(l.units) > 0 && l.domain.site == siteName {
			lease = q.lease(l, siteName)
		}
		q.update(l, q.Now(), &n)
		q.mu.Unlock()
		if read { // while it was being read the line was with no site
			q.tell(&n)
		}
		if lease == nil {
			continue
		}
		if lease.Message != nil || q.check(ctx, lease, Entry.queued) {
			return lease
		}
	}
	return nil
}

func (e Entry) queued() bool { return e.State == Queued }

// lease takes the oldest unit of a line, or as much of it as one lease holds.
func (q *Queue) lease(l *line, siteName string) *Lease {
	u := &l.units[0]
	lease := &Lease{Message: u.message, Line: l.Line, Site: siteName, Entries: u.entries}
	if len(u.entries) > q.recipients {
		lease.Entries, u.entries = u.entries[:q.recipients:q.recipients], u.entries[q.recipients:]
	} else {
		l.units[0] = unit{}
		l.units = l.units[1:]
	}
	l.count -= len(lease.Entries)
	q.loaded -= len(lease.Entries)
	q.touch(l)
	l.leased.add(lease.Entries...)
	return lease
}

// fill reads the next due entries of a line from the spool. The lock is held,
// but for the time of reading. A page may show an entry as it was before it was
// settled meanwhile; that comes out when its lease is checked.
func (q *Queue) fill(ctx context.Context, l *line) {
	l.paging = true
	l.disk = time.Time{} // from here on it tells what happens while reading
	q.leaveRing(l)
	// What is on lease comes first and is passed over: the more of it there is,
	// the more is to be read at once beside it.
	window := max(q.window, min(l.leased.n, q.total/4))
	limit := window + l.leased.n + 1
	q.mu.Unlock()
	entries, err := q.spool.Page(ctx, l.Line, PageOptions{Limit: limit})
	if err != nil && ctx.Err() == nil {
		q.log.Error("spool failed", "text", "page", "err", err)
	}
	q.mu.Lock()
	l.paging = false
	now := q.Now()
	if err != nil {
		l.disk = earlier(l.disk, now)
		l.rest = now.Add(spoolPause)
	}
	q.makeRoom(min(len(entries), window))
	for _, e := range entries {
		if l.leased.has(e.ID, e.N) || q.appending[e.ID] > 0 {
			continue
		}
		whole := len(l.units) > 0 && l.units[len(l.units)-1].id == e.ID // of a message that is begun
		if !q.due(e.Due, now) || l.count >= window && !whole {
			l.disk = earlier(l.disk, e.Due)
			continue
		}
		q.load(l, nil, e)
	}
	if len(entries) < limit {
		return
	}
	last := entries[limit-1] // there may be more behind it
	l.disk = earlier(l.disk, last.Due)
	if k := len(l.units) - 1; k > 0 && l.units[k].id == last.ID && q.due(last.Due, now) {
		// Of this message as well: it comes with the next page, to leave in one.
		n := len(l.units[k].entries)
		l.units[k] = unit{}
		l.units = l.units[:k]
		l.count -= n
		q.loaded -= n
	}
}

// check loads the message of a lease and drops the entries that have gone or
// changed since they were read. It reports whether any is left; a message that is
// damaged has none.
func (q *Queue) check(ctx context.Context, lease *Lease, keep func(Entry) bool) bool {
	m, entries, err := q.spool.Load(ctx, lease.Entries[0].ID, numbers(lease.Entries))
	if errors.Is(err, ErrDamaged) {
		err = q.setAside(ctx, lease, err)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		if ctx.Err() == nil {
			q.log.Error("spool failed", "text", "load", "err", err)
		}
		q.putBack(lease)
		return false
	}
	now := q.Now()
	was := lease.Entries
	lease.Message, lease.Entries = m, nil
	var changed []Entry
	for _, e := range entries {
		if keep(e) && q.due(e.Due, now) {
			lease.Entries = append(lease.Entries, e)
		} else if e.State == Queued {
			changed = append(changed, e)
		}
	}
	if err == nil && len(lease.Entries) == len(was) {
		return true
	}
	var n notes
	q.mu.Lock()
	l := q.line(lease.Line)
	for _, e := range was {
		if !slices.ContainsFunc(lease.Entries, func(k Entry) bool { return k.N == e.N }) {
			l.leased.remove(e)
		}
	}
	for _, e := range changed {
		l.disk = earlier(l.disk, e.Due)
	}
	q.update(l, now, &n)
	q.mu.Unlock()
	q.tell(&n)
	return len(lease.Entries) > 0
}

// setAside holds the entries of a message that cannot be read, for the operator,
// so that others are tried. Once held they are not found.
func (q *Queue) setAside(ctx context.Context, lease *Lease, cause error) error {
	id := lease.Entries[0].ID
	_, err := q.spool.Alter(ctx, id, numbers(lease.Entries), Alteration{State: Held})
	if err != nil {
		return err
	}
	q.log.Error("damaged message held", "id", id, "domain", lease.Line.Domain, "err", cause)
	return ErrNotFound
}

// TakeExpired gives leases on due entries of a site that are past their time,
// up to about limit entries, so that they can be given up without an attempt.
func (q *Queue) TakeExpired(ctx context.Context, siteName string, limit int) []*Lease {
	now := q.Now()
	if now.Before(q.expire) {
		return nil
	}
	var out []*Lease
	for _, name := range q.working(siteName) {
		if limit <= 0 || ctx.Err() != nil {
			break
		}
		q.mu.Lock()
		busy := 0
		if l := q.lines[name]; l != nil {
			busy = l.leased.n
		}
		q.mu.Unlock()
		entries, err := q.spool.Page(ctx, name, PageOptions{ExpiresBy: now, DueBy: now, Limit: limit + busy})
		if err != nil {
			if ctx.Err() == nil {
				q.log.Error("spool failed", "text", "page", "err", err)
			}
			break
		}
		for _, lease := range q.pick(name, siteName, entries) {
			if q.check(ctx, lease, q.givenUp) {
				out = append(out, lease)
				limit -= len(lease.Entries)
			}
		}
	}
	return out
}

func (q *Queue) givenUp(e Entry) bool { return e.State == Queued && q.Expired(e) }

// working names the lines of a site that have work.
func (q *Queue) working(siteName string) []Line {
	q.mu.Lock()
	defer q.mu.Unlock()
	var names []Line
	if s := q.sites[siteName]; s != nil {
		for _, t := range s.accounts {
			for e := t.lines.Front(); e != nil; e = e.Next() {
				names = append(names, e.Value.(*line).Line)
			}
		}
	}
	return names
}

// pick claims those of the entries that nobody has, one lease for each message.
func (q *Queue) pick(name Line, siteName string, entries []Entry) []*Lease {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[name]
	if l == nil {
		return nil // settled meanwhile
	}
	var leases []*Lease
	byID := make(map[mail.ID]*Lease)
	for _, e := range entries {
		k := key{e.ID, e.N}
		if l.leased.has(e.ID, e.N) || q.appending[e.ID] > 0 {
			continue
		}
		lease := byID[e.ID]
		if lease == nil {
			lease = &Lease{Line: name, Site: siteName}
			byID[e.ID] = lease
			leases = append(leases, lease)
		}
		lease.Entries = append(lease.Entries, e)
		q.forget(l, k)
		l.leased.add(e)
	}
	return leases
}

// Settle commits what became of a lease, with the events that tell of it, and
// ends the lease. Entries of the lease that settled does not name are still
// due. On an error nothing is settled and the lease goes on.
func (q *Queue) Settle(ctx context.Context, lease *Lease, settled []Settled, events []event.Event) error {
	if len(settled) > 0 || len(events) > 0 {
		id := lease.Entries[0].ID
		if err := q.spool.Commit(ctx, Settlement{ID: id, Entries: settled, Events: events}); err != nil {
			return err
		}
	}
	q.end(lease, settled)
	return nil
}

// Kept gives a message that is in the queue, or was and is remembered
// (Spool.Kept).
func (q *Queue) Kept(ctx context.Context, id mail.ID) (*Message, error) {
	return q.spool.Kept(ctx, id)
}

// Tell keeps events about a message that Kept finds, however its entries stand,
// once for each key: ErrRepeated says that it was done before.
func (q *Queue) Tell(ctx context.Context, id mail.ID, key string, events []event.Event) error {
	return q.spool.Commit(ctx, Settlement{ID: id, Events: events, Key: key})
}

// Release ends a lease without an attempt; its entries are still due.
func (q *Queue) Release(lease *Lease) { q.end(lease, nil) }

func (q *Queue) end(lease *Lease, settled []Settled) {
	var n notes
	q.mu.Lock()
	l := q.line(lease.Line)
	at := 0 // those of settled are in the order of the lease, most often
	for i := range lease.Entries {
		e := &lease.Entries[i]
		if at == len(settled) || settled[at].N != e.N {
			at = slices.IndexFunc(settled, func(s Settled) bool { return s.N == e.N })
		}
		switch {
		case at < 0:
			at = 0
			l.disk = earlier(l.disk, e.Due)
			continue
		case settled[at].Result == mail.Deferred:
			l.disk = earlier(l.disk, settled[at].Due)
		}
		at++
	}
	if len(lease.Entries) > 0 {
		l.leased.remove(lease.Entries...)
	}
	q.update(l, q.Now(), &n)
	q.mu.Unlock()
	q.tell(&n)
}

// putBack ends a lease that could not be loaded and lets its line rest.
func (q *Queue) putBack(lease *Lease) {
	q.mu.Lock()
	q.line(lease.Line).rest = q.Now().Add(spoolPause)
	q.mu.Unlock()
	q.end(lease, nil)
}
