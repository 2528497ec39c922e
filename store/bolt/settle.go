package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// settleOp settles entries of one message and keeps the events that tell of it.
type settleOp struct {
	id      mail.ID
	entries []queue.Settled
	events  []encodedEvent
	key     string
	unlink  string // content file of the message that went
}

// Commit settles entries and keeps their events.
func (s *Spool) Commit(ctx context.Context, st queue.Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var seen map[int]bool
	if len(st.Entries) > 1 {
		seen = make(map[int]bool, len(st.Entries))
	}
	for _, e := range st.Entries {
		switch {
		case e.Result < mail.Delivered || e.Result > mail.Failed:
			return fmt.Errorf("commit: result %d", e.Result)
		case e.N < 0 || e.N > 1<<16-1 || seen[e.N]:
			return fmt.Errorf("commit: bad or repeated recipient number %d", e.N)
		}
		if seen != nil {
			seen[e.N] = true
		}
	}
	if len(st.Key) > maxToldKey {
		return errors.New("commit: key is too long")
	}
	if st.Key != "" && len(st.Entries) == 0 {
		if gone, err := s.forgotten(st.ID); err != nil {
			return err
		} else if gone {
			return queue.ErrNotFound
		}
	}
	events, err := encodeEvents(st.Events)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	op := &settleOp{id: st.ID, entries: st.Entries, events: events, key: st.Key}
	size := 256 * len(st.Entries)
	for _, e := range events {
		size += len(e.value) * len(e.consumers)
	}
	if err := s.submit(&unit{op: op, size: size, ride: len(st.Entries) > 0}); err != nil {
		return err
	}
	if op.unlink != "" {
		s.removeContent(op.unlink)
	}
	return nil
}

func (o *settleOp) apply(b *batch) error {
	o.unlink = ""
	if o.key != "" {
		if err := b.once(o.id, o.key, len(o.entries) == 0); err != nil {
			return err
		}
	}
	b.addEvents(o.events)
	final := false
	for _, st := range o.entries {
		if st.Result != mail.Deferred && b.removeFresh(o.id, st.N) {
			final = true
			continue
		}
		b.lay(o.id)
		e := b.read(o.id, st.N)
		if e == nil {
			continue
		}
		if st.Result != mail.Deferred {
			b.removeEntry(e)
			final = true
			continue
		}
		now := *e
		now.Due, now.Attempts, now.Last, now.LastHost = st.Due, st.Attempts, st.Last, st.LastHost
		now.Scanned = st.Scanned
		b.replaceEntry(e, &now)
	}
	if final {
		if !b.hasEntries(o.id) {
			b.depth.Messages--
		}
		o.unlink = b.drop(o.id)
	}
	return nil
}

// read gives an entry, nil when it does not exist. It passes over a damaged one:
// what is wanted of the others must be done.
func (b *batch) read(id mail.ID, n int) *queue.Entry {
	k := entryKey(id, n)
	v := find(b.inEntries, k)
	if v == nil {
		return nil
	}
	e, err := decodeEntry(k, v)
	if err != nil {
		b.s.damage.tell(entryWhere(k), err)
		return nil
	}
	return &e
}

func (b *batch) removeEntry(e *queue.Entry) {
	k := entryKey(e.ID, e.N)
	b.remove(b.entries, k)
	b.depth.Recipients--
	if e.State == queue.Held {
		b.depth.Held--
		return
	}
	b.remove(b.due, dueKey(e.Line, millis(e.Due), k))
}

// replaceEntry writes an entry anew and keeps the schedule and the counts true.
func (b *batch) replaceEntry(was, now *queue.Entry) {
	k := entryKey(was.ID, was.N)
	if was.State == queue.Queued {
		b.remove(b.due, dueKey(was.Line, millis(was.Due), k))
	} else {
		b.depth.Held--
	}
	if now.State == queue.Queued {
		b.put(b.due, dueKey(now.Line, millis(now.Due), k), []byte{})
	} else {
		b.depth.Held++
	}
	v, err := encodeEntry(now)
	if err != nil && b.err == nil {
		b.err = err
	}
	b.put(b.entries, k, v)
}

// pins reports whether an event holds the content of its message for a consumer
// that has not in the event all that it needs.
func pins(t event.Type) bool { return t == event.Bounce || t == event.Delivery }

// addEvents gives every consumer its copy, and pins the message where that is
// still there.
func (b *batch) addEvents(events []encodedEvent) {
	for _, e := range events {
		for _, consumer := range e.consumers {
			if b.err != nil {
				return
			}
			v := e.value
			if event.IsDestination(consumer) && !b.refer(e.message) {
				v = append([]byte{eventAlone}, v[1:]...)
			}
			b.addEvent(consumer, v)
			if pins(e.kind) && !event.IsDestination(consumer) && b.messages.Get(e.message[:]) != nil {
				b.put(b.pins, pinKey(e.message, consumer, b.box(consumer).last), []byte{})
			}
			if b.told == nil {
				b.told = make(map[string]bool)
			}
			b.told[consumer] = true
		}
	}
}

// alterOp changes entries for an operator.
type alterOp struct {
	id      mail.ID
	ns      []int // nil: all
	a       queue.Alteration
	changed []queue.Entry
}

// Alter changes entries and gives those it changed as they are now. It gives
// ErrNotFound when none of them exists.
func (s *Spool) Alter(ctx context.Context, id mail.ID, ns []int, a queue.Alteration) ([]queue.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if a.State < 0 || a.State > queue.Held {
		return nil, fmt.Errorf("alter: state %d", a.State)
	}
	for _, n := range ns {
		if n < 0 || n > 1<<16-1 {
			return nil, fmt.Errorf("alter: recipient number %d", n)
		}
	}
	op := &alterOp{id: id, ns: slices.Compact(slices.Sorted(slices.Values(ns))), a: a}
	if err := s.submit(&unit{op: op, size: 4096}); err != nil {
		return nil, err
	}
	return op.changed, nil
}

func (o *alterOp) apply(b *batch) error {
	o.changed = nil
	b.lay(o.id)
	ns := o.ns
	if len(ns) == 0 {
		c := b.entries.Cursor()
		for k, _ := c.Seek(o.id[:]); len(k) == entryKeySize && mail.ID(k[:mail.IDSize]) == o.id; k, _ = c.Next() {
			_, n := splitEntryKey(k)
			ns = append(ns, n)
		}
	}
	found := false
	for _, n := range ns {
		was := b.read(o.id, n)
		if was == nil {
			continue
		}
		found = true
		now := *was
		if o.a.State != 0 {
			now.State = o.a.State
		}
		if !o.a.Due.IsZero() {
			now.Due = o.a.Due.Truncate(time.Millisecond)
		}
		if now.State == was.State && millis(now.Due) == millis(was.Due) {
			continue
		}
		b.replaceEntry(was, &now)
		o.changed = append(o.changed, now)
	}
	if !found {
		return queue.ErrNotFound
	}
	return nil
}
