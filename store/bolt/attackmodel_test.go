package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// someEvents makes events of a message, of which each can be told from all others.
func (a *attack) someEvents(m *modelMessage, kinds ...event.Type) (events []event.Event) {
	for range a.rng.IntN(3) {
		a.tags++
		e := event.Event{
			Type: kinds[a.rng.IntN(len(kinds))], Message: m.id, Account: m.account, Time: time.Now(),
			Recipients: []event.Recipient{{To: m.to[0], Host: fmt.Sprint("tag", a.tags)}},
		}
		for _, c := range attackConsumers {
			if a.rng.IntN(2) == 0 {
				e.Consumers = append(e.Consumers, c)
			}
		}
		events = append(events, e)
	}
	return events
}

// note takes events that were accepted into the model, before what else came with
// them. The message of those alone was never there.
func (a *attack) note(m *modelMessage, events []event.Event, alone bool) {
	for i := range events {
		e := &events[i]
		for _, c := range e.Consumers {
			w := &modelEvent{tag: c + " " + e.Recipients[0].Host, consumer: c, kind: e.Type, id: m.id}
			if event.IsDestination(c) {
				w.refers = alone || a.inQueue(m) || m.kept && len(m.mail) > 0 || a.referred(m.id)
			} else {
				w.pins = a.inQueue(m) && (e.Type == event.Bounce || e.Type == event.Delivery)
			}
			a.events[w.tag] = w
		}
	}
}

func (a *attack) referred(id mail.ID) bool {
	for _, e := range a.events {
		if e.id == id && e.refers {
			return true
		}
	}
	return false
}

func (a *attack) planAppend(ctx context.Context) {
	now := time.Now().Truncate(time.Millisecond)
	m := &modelMessage{id: a.mint.New(now), account: account1, entries: make(map[int]*queue.Entry), keys: make(map[string]bool)}
	size, to := a.rng.IntN(3000), 1
	switch a.rng.IntN(12) {
	case 0:
		size = a.rng.IntN(60 << 10)
	case 1:
		size = 0
	case 2:
		to = 200
	case 3, 4:
		to = 1 + a.rng.IntN(4)
	case 5:
		m.account = limited
	}
	m.body = make([]byte, size)
	for i := range m.body {
		m.body[i] = byte(a.rng.Uint32())
	}
	for n := range to {
		rcpt, err := mail.ParseForwardPath(fmt.Sprintf("u%d@d%d.example.org", n, a.rng.IntN(3)))
		a.ok(err)
		m.to = append(m.to, rcpt)
	}
	if m.keep = a.rng.IntN(3) == 0; a.rng.IntN(3) > 0 {
		m.mail = []byte("object of " + m.id.String())
	}
	events := a.someEvents(m, event.Send, event.Reject)
	alone := a.rng.IntN(10) == 0
	sub := queue.Submission{
		Message: queue.Message{ID: m.id, Account: m.account, To: m.to, Accepted: now, Size: int64(size), Keep: m.keep, Mail: m.mail},
		Due:     now.Add(time.Duration(a.rng.IntN(3)) * time.Minute), MaxAge: time.Hour, Events: events, EventsOnly: alone,
	}
	if sub.Charge = (queue.Charge{Account: m.account, Recipients: to}); m.account == limited {
		sub.Charge.Limit = quotaLimit
	}
	if a.rng.IntN(4) == 0 {
		sub.Key = "key of " + m.id.String()
	}
	a.busy[m.id] = true
	a.work = append(a.work, func() error {
		if err := a.append(ctx, sub, m.body, m.id); errors.Is(err, queue.ErrQuota) && m.account == limited {
			return nil
		} else if err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.order = append(a.order, m.id)
		a.messages[m.id] = m
		a.used[m.account] += int64(to)
		if sub.Key != "" {
			a.keys[sub.Key] = m.id
		}
		if m.alone = alone; alone {
			m.keep = false
		} else {
			for n, rcpt := range m.to {
				m.entries[n] = &queue.Entry{
					ID: m.id, N: n, To: rcpt, Line: queue.Line{Account: m.account, Domain: rcpt.Domain()},
					State: queue.Queued, Due: sub.Due,
				}
			}
		}
		a.note(m, events, alone)
		return nil
	})
}

// append appends, and is told which message counts.
func (a *attack) append(ctx context.Context, sub queue.Submission, body []byte, want mail.ID) error {
	if !sub.EventsOnly {
		d, err := a.s.Draft(ctx)
		if err != nil {
			return err
		}
		defer d.Discard()
		if _, err := d.Write(body); err != nil {
			return err
		}
		sub.Content = d
	}
	id, err := a.s.Append(ctx, sub)
	if err == nil && id != want {
		err = fmt.Errorf("append gave %s, want %s", id, want)
	}
	return err
}

// planAgain appends what was appended before, by its id or its key.
func (a *attack) planAgain(ctx context.Context) {
	m := a.pick(a.order)
	if m == nil || len(m.to) > 9 {
		return
	}
	now := time.Now().Truncate(time.Millisecond)
	sub := queue.Submission{
		Message: queue.Message{ID: m.id, Account: m.account, To: m.to, Accepted: now, Size: 5, Keep: m.keep, Mail: m.mail},
		Due:     now, MaxAge: time.Hour, Events: a.someEvents(m, event.Send), EventsOnly: m.alone,
	}
	key := "key of " + m.id.String()
	if _, ok := a.keys[key]; ok && a.rng.IntN(2) == 0 {
		sub.Message.ID, sub.Key = a.mint.New(now), key
		a.work = append(a.work, func() error { return a.append(ctx, sub, []byte("again"), m.id) })
		return
	}
	there := a.inQueue(m) || m.kept
	if a.o.KeepBytes > 0 && m.keep && !a.inQueue(m) {
		return // nobody knows whether it is kept still
	}
	a.work = append(a.work, func() error {
		if err := a.append(ctx, sub, []byte("again"), m.id); err != nil || there {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if m.alone {
			a.note(m, sub.Events, true)
			return nil
		}
		m.again, m.body = true, []byte("again") // it had left: this is another
		for n, rcpt := range m.to {
			m.entries[n] = &queue.Entry{
				ID: m.id, N: n, To: rcpt, Line: queue.Line{Account: m.account, Domain: rcpt.Domain()}, State: queue.Queued, Due: now,
			}
		}
		a.note(m, sub.Events, false)
		return nil
	})
}

func (a *attack) planSettle(ctx context.Context) {
	ids := a.present()
	if a.rng.IntN(5) == 0 {
		ids = a.order
	}
	m := a.pick(ids)
	if m == nil || a.o.KeepBytes > 0 && m.keep && !a.inQueue(m) {
		return
	}
	st := queue.Settlement{ID: m.id, Events: a.someEvents(m, event.Delivery, event.Bounce, event.DeliveryDelay)}
	late := a.rng.IntN(4) == 0
	// Nobody knows for how long keys are known of what has left and is not kept.
	if known := !m.again && (a.inQueue(m) || m.kept); m.again {
		late = false
	} else if late || known && a.rng.IntN(6) == 0 {
		st.Key = fmt.Sprint("told", a.rng.IntN(3))
	}
	all := a.rng.IntN(3) > 0
	for n := range m.to {
		if late || !all && a.rng.IntN(2) == 0 {
			continue
		}
		e := queue.Settled{N: n, Result: mail.Delivered, Attempts: 1 + a.rng.IntN(5)}
		switch a.rng.IntN(4) {
		case 0:
			e.Result = mail.Failed
		case 1:
			e.Result = mail.Deferred
			e.Due = time.Now().Truncate(time.Millisecond).Add(time.Duration(a.rng.IntN(5)) * time.Minute)
			e.Last, e.LastHost = mail.Reply{Code: 451, Text: "later"}, "mx"
		}
		st.Entries = append(st.Entries, e)
	}
	a.work = append(a.work, func() error {
		err := a.s.Commit(ctx, st)
		a.mu.Lock()
		defer a.mu.Unlock()
		var want error
		switch {
		case st.Key != "" && len(st.Entries) == 0 && !a.inQueue(m) && !m.kept:
			want = queue.ErrNotFound
		case st.Key != "" && m.keys[st.Key]:
			want = queue.ErrRepeated
		}
		if !errors.Is(err, want) || err != nil && want == nil {
			return fmt.Errorf("settle %s: %w, want %w", m.id, err, want)
		}
		if err != nil {
			return nil
		}
		if st.Key != "" {
			m.keys[st.Key] = true
		}
		a.note(m, st.Events, false)
		for _, e := range st.Entries {
			if have := m.entries[e.N]; have != nil && e.Result == mail.Deferred {
				have.Due, have.Attempts, have.LastHost = e.Due, e.Attempts, e.LastHost
			} else {
				delete(m.entries, e.N)
			}
		}
		if len(st.Entries) > 0 {
			a.drop(m)
		}
		return nil
	})
}

func (a *attack) planAlter(ctx context.Context) {
	m := a.pick(a.present())
	if m == nil {
		return
	}
	var ns []int
	if a.rng.IntN(2) == 0 {
		ns = []int{a.rng.IntN(len(m.to))}
	}
	change := queue.Alteration{State: queue.State(a.rng.IntN(3))}
	if a.rng.IntN(2) == 0 {
		change.Due = time.Now().Truncate(time.Millisecond).Add(time.Hour)
	}
	a.work = append(a.work, func() error {
		_, err := a.s.Alter(ctx, m.id, ns, change)
		found := false
		for n, e := range m.entries {
			if found = found || ns == nil || ns[0] == n; err != nil || ns != nil && ns[0] != n {
				continue
			}
			if change.State != 0 {
				e.State = change.State
			}
			if !change.Due.IsZero() {
				e.Due = change.Due
			}
		}
		if !found && errors.Is(err, queue.ErrNotFound) {
			return nil
		}
		return err
	})
}

// waiting gives events of a consumer whose message nobody changes, and reserves those.
func (a *attack) waiting(consumer string, most int) (some []*modelEvent) {
	var tags []string
	for tag, e := range a.events {
		if e.consumer == consumer && !e.kept && e.seq > 0 && !a.busy[e.id] {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	for range min(most, len(tags)) {
		e := a.events[tags[a.rng.IntN(len(tags))]]
		if !slices.Contains(some, e) {
			some = append(some, e)
		}
	}
	for _, e := range some {
		a.busy[e.id] = true
	}
	return some
}

// planAck acknowledges events, or keeps them.
func (a *attack) planAck(ctx context.Context) {
	consumer := attackConsumers[a.rng.IntN(len(attackConsumers))]
	some := a.waiting(consumer, 1+a.rng.IntN(8))
	seqs := []uint64{1 << 40} // there is none
	for _, e := range some {
		seqs = append(seqs, e.seq)
	}
	keep := event.IsDestination(consumer) && a.rng.IntN(2) == 0
	a.work = append(a.work, func() error {
		var err error
		if keep {
			err = a.s.Keep(ctx, consumer, seqs...)
		} else {
			err = a.s.Ack(ctx, consumer, seqs...)
		}
		if err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, e := range some {
			if e.kept = keep; keep {
				continue
			}
			delete(a.events, e.tag)
			if e.pins {
				a.drop(a.messages[e.id])
			}
		}
		return nil
	})
}

// archive tells kept events again, or forgets them.
func (a *attack) archive() {
	ctx := context.Background()
	consumer := attackConsumers[2+a.rng.IntN(2)]
	var kept []*modelEvent
	last := uint64(0)
	for _, e := range a.events {
		if e.consumer == consumer && e.kept {
			kept = append(kept, e)
			last = max(last, e.seq)
		}
		if e.consumer == consumer {
			a.busy[e.id] = true
		}
	}
	again, from := a.rng.IntN(2) == 0, a.rng.Uint64N(last+2)
	most := 1 + a.rng.Uint64N(last+1)
	a.work = append(a.work, func() error {
		n, want := 0, 0
		var err error
		if again {
			n, err = a.s.Again(ctx, consumer, from, time.Time{})
		} else {
			n, err = a.s.Forget(ctx, consumer, time.Time{}, most)
		}
		if err != nil {
			return err
		}
		for _, e := range kept {
			switch {
			case again && e.seq >= from:
				e.kept = false
			case !again && last-e.seq >= most:
				delete(a.events, e.tag)
			default:
				continue
			}
			want++
		}
		if n != want {
			return fmt.Errorf("%d kept events of %s moved, want %d", n, consumer, want)
		}
		return nil
	})
}

// check compares what the spool tells with the model.
func (a *attack) check(s *bolt.Spool) {
	a.t.Helper()
	var want queue.Depth
	for _, id := range a.order {
		m := a.messages[id]
		a.checkMessage(s, m)
		if len(m.entries) > 0 {
			want.Messages++
		}
		for _, e := range m.entries {
			if want.Recipients++; e.State == queue.Held {
				want.Held++
			}
		}
	}
	d := s.Depth()
	if want.Free = d.Free; d != want {
		a.t.Errorf("depth %+v, want %+v", d, want)
	}
	have := make(map[string]bool)
	for _, consumer := range attackConsumers {
		records, err := s.Read(a.t.Context(), consumer, 0, 1<<20)
		a.ok(err)
		for _, r := range records {
			tag := consumer + " " + r.Event.Recipients[0].Host
			e := a.events[tag]
			if e == nil || e.kept || have[tag] || e.seq != 0 && e.seq != r.Seq || e.kind != r.Event.Type || e.id != r.Event.Message {
				a.t.Errorf("%s tells %d %+v, want %+v", tag, r.Seq, r.Event, e)
				continue
			}
			e.seq, have[tag] = r.Seq, true
			var object []byte
			if e.refers {
				object = a.messages[e.id].mail
			}
			if !bytes.Equal(r.Event.Mail, object) {
				a.t.Errorf("%s tells of mail %q, want %q", tag, r.Event.Mail, object)
			}
		}
	}
	for tag, e := range a.events {
		if !e.kept && !have[tag] {
			a.t.Errorf("%s is not told: %+v", tag, e)
		}
	}
	for account, n := range a.used {
		if u, err := s.Usage(a.t.Context(), account, time.Now(), quotaLimit); err != nil || u.Used != n || account == limited && n > quotaLimit {
			a.t.Errorf("%s used %d, want %d: %v", account, u.Used, n, err)
		}
	}
}

func (a *attack) checkMessage(s *bolt.Spool, m *modelMessage) {
	a.t.Helper()
	ctx := a.t.Context()
	got, entries, err := s.Load(ctx, m.id, nil)
	if !a.inQueue(m) {
		if !errors.Is(err, queue.ErrNotFound) {
			a.t.Errorf("%s has left: %v", m.id, err)
		}
		if _, err = s.Kept(ctx, m.id); a.o.KeepBytes == 0 && (err == nil) != m.kept {
			a.t.Errorf("%s kept %v: %v", m.id, m.kept, err)
		}
		return
	}
	if err != nil || len(entries) != len(m.entries) || len(got.To) != len(m.to) || !bytes.Equal(got.Mail, m.mail) {
		a.t.Errorf("%s has %d entries, want %d: %v", m.id, len(entries), len(m.entries), err)
		return
	}
	for _, e := range entries {
		w := m.entries[e.N]
		if w == nil || e.To != w.To || e.Line != w.Line || e.State != w.State || !e.Due.Equal(w.Due) || e.Attempts != w.Attempts || e.LastHost != w.LastHost {
			a.t.Errorf("entry %+v, want %+v", e, w)
		}
	}
	c, err := s.Open(ctx, m.id)
	if err != nil {
		a.t.Errorf("content of %s: %v", m.id, err)
		return
	}
	text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err = errors.Join(err, c.Close()); err != nil || !bytes.Equal(text, m.body) {
		a.t.Errorf("content of %s has %d octets, want %d: %v", m.id, len(text), len(m.body), err)
	}
}

// told gives all that a spool tells.
func (a *attack) told(s *bolt.Spool) string {
	a.t.Helper()
	ctx := a.t.Context()
	var b strings.Builder
	d := s.Depth()
	fmt.Fprintln(&b, d.Messages, d.Recipients, d.Held)
	entries, err := s.Find(ctx, queue.Filter{Limit: 1 << 20})
	a.ok(err)
	for _, e := range entries {
		fmt.Fprintf(&b, "%+v\n", e)
	}
	lines, err := s.Lines(ctx, queue.Line{}, 1000)
	a.ok(err)
	for _, l := range lines {
		page, err := s.Page(ctx, l.Line, queue.PageOptions{Limit: 1 << 20})
		a.ok(err)
		fmt.Fprintf(&b, "%v %v\n", l, page)
	}
	for _, id := range a.order {
		m, _, err := s.Load(ctx, id, nil)
		fmt.Fprintf(&b, "%v %+v\n", err, m)
		if a.o.KeepBytes == 0 {
			kept, err := s.Kept(ctx, id)
			fmt.Fprintf(&b, "%v %+v\n", err, kept)
		}
		c, err := s.Open(ctx, id)
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		a.ok(errors.Join(err, c.Close()))
		fmt.Fprintf(&b, "%s %d octets %08x\n", id, len(text), crc32.ChecksumIEEE(text))
	}
	consumers, err := s.Consumers(ctx)
	fmt.Fprintln(&b, consumers, err)
	for _, consumer := range attackConsumers {
		records, err := s.Read(ctx, consumer, 0, 1<<20)
		a.ok(err)
		for _, r := range records {
			fmt.Fprintf(&b, "%s %d %+v\n", consumer, r.Seq, r.Event)
		}
	}
	return b.String()
}

// difference gives the first line in which two texts differ.
func difference(x, y string) string {
	xs, ys := strings.Split(x, "\n"), strings.Split(y, "\n")
	for i := range min(len(xs), len(ys)) {
		if xs[i] != ys[i] {
			return fmt.Sprintf("line %d\n%s\n%s", i, xs[i], ys[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(xs), len(ys))
}
