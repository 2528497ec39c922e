// Package queuetest is a queue.Spool in memory for tests of what builds on the
// queue: quick, forgetful, and able to fail on command. It is a branch of queue.
// What keeps mail is an engine of store, never this.
package queuetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Spool keeps everything in memory. The zero value is ready. Set its
// fields before it is used.
type Spool struct {
	// Hook, when set, is called at the start of every method that returns an
	// error, with the method's name; an error from it is the method's answer.
	Hook func(method string) error
	// After, when set, is called at the end of Append, Commit, Page and Load,
	// when the work is done and the caller does not know it yet.
	After func(method string)
	// Seen is what LastSeen gives.
	Seen time.Time

	mu       sync.Mutex
	messages map[mail.ID]*stored
	lines    map[queue.Line][]*queue.Entry // queued ones, in (due, id, n) order
	held     int64
	entries  int64
	events   []event.Event
	kept     map[mail.ID]queue.Message // final, with Keep; for ever
	told     map[told]bool
}

// told is a settlement that has a key.
type told struct {
	id  mail.ID
	key string
}

type stored struct {
	message queue.Message
	content []byte
	entries map[int]*queue.Entry
}

func (s *Spool) hook(method string) error {
	if s.Hook == nil {
		return nil
	}
	return s.Hook(method)
}

func (s *Spool) after(method string) {
	if s.After != nil {
		s.After(method)
	}
}

func order(a, b *queue.Entry) int {
	return cmp.Or(a.Due.Compare(b.Due), bytes.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.N, b.N))
}

func (s *Spool) insert(e *queue.Entry) {
	if e.State != queue.Queued {
		return
	}
	if s.lines == nil {
		s.lines = make(map[queue.Line][]*queue.Entry)
	}
	list := s.lines[e.Line]
	i, _ := slices.BinarySearchFunc(list, e, order)
	s.lines[e.Line] = slices.Insert(list, i, e)
}

func (s *Spool) remove(e *queue.Entry) {
	list := s.lines[e.Line]
	i, ok := slices.BinarySearchFunc(list, e, order)
	switch {
	case !ok:
	case i < len(list)/2: // most go from the front: move the shorter side
		copy(list[1:i+1], list[:i])
		list[0] = nil
		s.lines[e.Line] = list[1:]
	case len(list) == 1:
		delete(s.lines, e.Line)
	default:
		s.lines[e.Line] = slices.Delete(list, i, i+1)
	}
}

// draft is content in memory.
type draft struct{ bytes.Buffer }

// Size implements queue.Draft.
func (d *draft) Size() int64 { return int64(d.Len()) }

// ReadAt implements queue.Draft.
func (d *draft) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.Bytes()).ReadAt(p, off)
}

// Discard implements queue.Draft.
func (d *draft) Discard() {}

// NewDraft gives content in memory.
func NewDraft(content string) queue.Draft {
	d := &draft{}
	d.WriteString(content)
	return d
}

// Draft implements queue.Spool.
func (s *Spool) Draft(context.Context) (queue.Draft, error) {
	if err := s.hook("Draft"); err != nil {
		return nil, err
	}
	return &draft{}, nil
}

// Append implements queue.Spool, without charges and keys.
func (s *Spool) Append(_ context.Context, sub queue.Submission) (mail.ID, error) {
	if err := s.hook("Append"); err != nil {
		return mail.ID{}, err
	}
	defer s.after("Append")
	s.mu.Lock()
	defer s.mu.Unlock()
	m := sub.Message
	if s.messages[m.ID] != nil {
		return m.ID, nil
	}
	if sub.EventsOnly {
		s.keep(sub.Events)
		return m.ID, nil
	}
	st := &stored{message: m, entries: make(map[int]*queue.Entry, len(m.To))}
	if d, ok := sub.Content.(*draft); ok {
		st.content = d.Bytes()
	}
	if s.messages == nil {
		s.messages = make(map[mail.ID]*stored)
	}
	s.messages[m.ID] = st
	for i, to := range m.To {
		e := &queue.Entry{
			ID: m.ID, N: i, To: to, State: queue.Queued,
			Line: queue.Line{Account: m.Account, Domain: to.Domain()},
			Due:  sub.Due, Expires: m.Accepted.Add(sub.MaxAge),
		}
		st.entries[i] = e
		s.entries++
		s.insert(e)
	}
	s.keep(sub.Events)
	return m.ID, nil
}

func (s *Spool) keep(events []event.Event) {
	for _, e := range events {
		if len(e.Consumers) > 0 {
			s.events = append(s.events, e)
		}
	}
}

// Commit implements queue.Spool.
func (s *Spool) Commit(_ context.Context, set queue.Settlement) error {
	if err := s.hook("Commit"); err != nil {
		return err
	}
	defer s.after("Commit")
	s.mu.Lock()
	defer s.mu.Unlock()
	if set.Key != "" {
		if err := s.once(set); err != nil {
			return err
		}
	}
	s.keep(set.Events)
	st := s.messages[set.ID]
	if st == nil {
		return nil
	}
	for _, r := range set.Entries {
		e := st.entries[r.N]
		if e == nil {
			continue
		}
		s.remove(e)
		if r.Result == mail.Deferred {
			e.Due, e.Attempts, e.Last, e.LastHost, e.Scanned = r.Due, r.Attempts, r.Last, r.LastHost, r.Scanned
			s.insert(e)
			continue
		}
		delete(st.entries, r.N)
		s.entries--
		if e.State == queue.Held {
			s.held--
		}
	}
	if len(st.entries) == 0 {
		delete(s.messages, set.ID)
		if st.message.Keep {
			if s.kept == nil {
				s.kept = make(map[mail.ID]queue.Message)
			}
			s.kept[set.ID] = st.message
		}
	}
	return nil
}

// once says why a settlement with a key must not be committed.
func (s *Spool) once(set queue.Settlement) error {
	k := told{set.ID, set.Key}
	if len(set.Entries) == 0 && s.find(set.ID) == nil {
		return queue.ErrNotFound
	}
	if s.told[k] {
		return queue.ErrRepeated
	}
	if s.told == nil {
		s.told = make(map[told]bool)
	}
	s.told[k] = true
	return nil
}

// find gives a copy of a message in the queue or kept.
func (s *Spool) find(id mail.ID) *queue.Message {
	if st := s.messages[id]; st != nil {
		m := st.message
		return &m
	}
	if m, ok := s.kept[id]; ok {
		return &m
	}
	return nil
}

// Kept implements queue.Spool.
func (s *Spool) Kept(_ context.Context, id mail.ID) (*queue.Message, error) {
	if err := s.hook("Kept"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.find(id); m != nil {
		return m, nil
	}
	return nil, queue.ErrNotFound
}

// Lines implements queue.Spool.
func (s *Spool) Lines(_ context.Context, after queue.Line, limit int) ([]queue.LineDue, error) {
	if err := s.hook("Lines"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	byName := func(a, b queue.Line) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Account, b.Account))
	}
	var out []queue.LineDue
	for l, list := range s.lines {
		if byName(l, after) > 0 && len(list) > 0 {
			out = append(out, queue.LineDue{Line: l, Due: list[0].Due})
		}
	}
	slices.SortFunc(out, func(a, b queue.LineDue) int { return byName(a.Line, b.Line) })
	return out[:min(limit, len(out))], nil
}

// Page implements queue.Spool.
func (s *Spool) Page(_ context.Context, line queue.Line, p queue.PageOptions) ([]queue.Entry, error) {
	if err := s.hook("Page"); err != nil {
		return nil, err
	}
	defer s.after("Page")
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []queue.Entry
	for _, e := range s.lines[line] {
		if len(out) == p.Limit || !p.DueBy.IsZero() && e.Due.After(p.DueBy) {
			break
		}
		if p.ExpiresBy.IsZero() || !e.Expires.After(p.ExpiresBy) {
			out = append(out, *e)
		}
	}
	return out, nil
}

// Load implements queue.Spool.
func (s *Spool) Load(_ context.Context, id mail.ID, ns []int) (*queue.Message, []queue.Entry, error) {
	if err := s.hook("Load"); err != nil {
		return nil, nil, err
	}
	defer s.after("Load")
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.messages[id]
	if st == nil {
		return nil, nil, queue.ErrNotFound
	}
	m := st.message
	var out []queue.Entry
	for _, e := range st.entries {
		if len(ns) == 0 || slices.Contains(ns, e.N) {
			out = append(out, *e)
		}
	}
	slices.SortFunc(out, func(a, b queue.Entry) int { return cmp.Compare(a.N, b.N) })
	return &m, out, nil
}

type content struct{ *bytes.Reader }

// Close implements io.Closer.
func (content) Close() error { return nil }

// Open implements queue.Spool.
func (s *Spool) Open(_ context.Context, id mail.ID) (queue.Content, error) {
	if err := s.hook("Open"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.messages[id]
	if st == nil {
		return nil, queue.ErrNotFound
	}
	return content{bytes.NewReader(st.content)}, nil
}

// Find implements queue.Spool.
func (s *Spool) Find(_ context.Context, f queue.Filter) ([]queue.Entry, error) {
	if err := s.hook("Find"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []queue.Entry
	for id, st := range s.messages {
		c := bytes.Compare(id[:], f.AfterID[:])
		if !f.ID.IsZero() && id != f.ID || c < 0 || f.Account != "" && st.message.Account != f.Account {
			continue
		}
		for _, e := range st.entries {
			if c == 0 && e.N <= f.AfterN || f.Domain != "" && e.Line.Domain != f.Domain || f.State != 0 && e.State != f.State {
				continue
			}
			out = append(out, *e)
		}
	}
	slices.SortFunc(out, func(a, b queue.Entry) int {
		return cmp.Or(bytes.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.N, b.N))
	})
	return out[:min(f.Limit, len(out))], nil
}

// Alter implements queue.Spool.
func (s *Spool) Alter(_ context.Context, id mail.ID, ns []int, a queue.Alteration) ([]queue.Entry, error) {
	if err := s.hook("Alter"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.messages[id]
	if st == nil {
		return nil, queue.ErrNotFound
	}
	var out []queue.Entry
	for _, n := range ns {
		e := st.entries[n]
		if e == nil {
			continue
		}
		s.remove(e)
		switch {
		case a.State == queue.Held && e.State == queue.Queued:
			s.held++
		case a.State == queue.Queued && e.State == queue.Held:
			s.held--
		}
		if a.State != 0 {
			e.State = a.State
		}
		if !a.Due.IsZero() {
			e.Due = a.Due
		}
		s.insert(e)
		out = append(out, *e)
	}
	return out, nil
}

// Depth implements queue.Spool.
func (s *Spool) Depth() queue.Depth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return queue.Depth{Messages: int64(len(s.messages)), Recipients: s.entries, Held: s.held, Free: 1 << 40}
}

// Room implements queue.Spool.
func (s *Spool) Room(int64) error { return s.hook("Room") }

// LastSeen implements queue.Spool.
func (s *Spool) LastSeen() time.Time { return s.Seen }

// Lane implements queue.Spool.
func (s *Spool) Lane() uint16 { return 0 }

// Epoch implements queue.Spool.
func (s *Spool) Epoch() uint32 { return 1 }

// Events gives all events with consumers that were kept so far, in order.
func (s *Spool) Events() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}
