package queue

import (
	"container/heap"
	"container/list"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// A line is what the queue knows of one Line. It exists while the line has an
// entry in memory, on lease or on disk.
type line struct {
	Line
	domain *domain
	nth    int // in domain.lines
	// units are due entries in memory, oldest first; count is their number.
	units []unit
	count int
	// disk is when the first entry that is neither in units nor on lease falls
	// due, as far as is known; never later than the truth. Zero is none.
	disk time.Time
	// rest: not to be read before it, the spool had an error.
	rest   time.Time
	leased claims
	paging bool // being read, without the lock

	ring   *list.Element // in its account's list at its site
	recent *list.Element // in Queue.recent
	at     time.Time     // in the heap for this time
	heap   int           // index in the heap plus 1
}

// unit is what is in memory of one message in one line.
type unit struct {
	id      mail.ID
	message *Message // nil: to be loaded when leased
	entries []Entry
}

type key struct {
	id mail.ID
	n  int
}

// domain is all lines of one domain; they go to the same site.
type domain struct {
	name  string
	site  string // empty: not known
	asked bool   // Unrouted was called
	lines []*line
}

// site is the lines of a destination that have work, by account.
type site struct {
	name     string
	accounts map[string]*turn
	order    *list.List // of *turn
}

// turn is one account at one site.
type turn struct {
	account string
	lines   *list.List // of *line
	elem    *list.Element
}

// notes is what to tell once the lock is off.
type notes struct{ ready, unrouted []string }

func (n *notes) addReady(s string) {
	if k := len(n.ready); k == 0 || n.ready[k-1] != s {
		n.ready = append(n.ready, s)
	}
}

func (q *Queue) tell(n *notes) {
	for _, d := range n.unrouted {
		q.unrouted(d)
	}
	for _, s := range n.ready {
		q.ready(s)
	}
}

// earlier gives the earlier of a and b, where a zero a is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// line gives the line with this name, made if need be.
func (q *Queue) line(name Line) *line {
	if l := q.lines[name]; l != nil {
		return l
	}
	d := q.domains[name.Domain]
	if d == nil {
		d = &domain{name: name.Domain}
		q.domains[name.Domain] = d
	}
	l := &line{Line: name, domain: d, nth: len(d.lines)}
	q.lines[name] = l
	d.lines = append(d.lines, l)
	return l
}

// due reports whether t has come, or lies so far ahead that it cannot be meant.
func (q *Queue) due(t, now time.Time) bool {
	return !t.After(now) || t.After(now.Add(q.horizon))
}

// waits reports whether something due waits on disk and may be read.
func (l *line) waits(q *Queue, now time.Time) bool {
	return !l.disk.IsZero() && q.due(l.disk, now) && !l.rest.After(now)
}

// update puts the line where its state belongs: to its site while it has work,
// among the timers while it waits, away when it is empty.
func (q *Queue) update(l *line, now time.Time, n *notes) {
	waits := l.waits(q, now)
	switch {
	case l.paging || len(l.units) == 0 && !waits:
		q.leaveRing(l)
	case l.domain.site != "":
		q.enterRing(l)
		n.addReady(l.domain.site)
	case !l.domain.asked:
		l.domain.asked = true
		n.unrouted = append(n.unrouted, l.domain.name)
	}
	switch {
	case l.disk.IsZero() || waits:
		q.setTimer(l, time.Time{})
	case l.rest.After(now):
		q.setTimer(l, l.rest)
	default:
		q.setTimer(l, l.disk)
	}
	if len(l.units) == 0 && l.leased.n == 0 && l.disk.IsZero() && !l.paging {
		q.drop(l)
	}
}

// drop forgets a line, and its domain with the last.
func (q *Queue) drop(l *line) {
	delete(q.lines, l.Line)
	d := l.domain
	k := len(d.lines) - 1
	last := d.lines[k]
	d.lines[l.nth], last.nth = last, l.nth
	d.lines[k] = nil
	if d.lines = d.lines[:k]; k == 0 {
		delete(q.domains, d.name)
	}
}

func (q *Queue) enterRing(l *line) {
	if l.ring != nil {
		return
	}
	s := q.sites[l.domain.site]
	if s == nil {
		s = &site{name: l.domain.site, accounts: make(map[string]*turn, 1), order: list.New()}
		q.sites[s.name] = s
	}
	t := s.accounts[l.Account]
	if t == nil {
		t = &turn{account: l.Account, lines: list.New()}
		t.elem = s.order.PushBack(t)
		s.accounts[l.Account] = t
	}
	l.ring = t.lines.PushBack(l)
}

func (q *Queue) leaveRing(l *line) {
	if l.ring == nil {
		return
	}
	s := q.sites[l.domain.site]
	t := s.accounts[l.Account]
	t.lines.Remove(l.ring)
	l.ring = nil
	if t.lines.Len() > 0 {
		return
	}
	s.order.Remove(t.elem)
	delete(s.accounts, l.Account)
	if len(s.accounts) == 0 {
		delete(q.sites, s.name)
	}
}

// next gives the line whose turn it is: accounts in turn, then their lines.
func (s *site) next() *line {
	t := s.order.Front().Value.(*turn)
	s.order.MoveToBack(t.elem)
	l := t.lines.Front().Value.(*line)
	t.lines.MoveToBack(l.ring)
	return l
}

// load puts an entry into the window of its line.
func (q *Queue) load(l *line, m *Message, e Entry) {
	if k := len(l.units); k > 0 && l.units[k-1].id == e.ID {
		l.units[k-1].entries = append(l.units[k-1].entries, e)
	} else {
		n := 1
		if m != nil && m.To[len(m.To)-1].Domain() == l.Domain {
			n = len(m.To) - e.N // the rest goes there as well, most likely
		}
		l.units = append(l.units, unit{id: e.ID, message: m, entries: append(make([]Entry, 0, n), e)})
	}
	l.count++
	q.loaded++
	q.touch(l)
}

// touch marks the line as most recently used.
func (q *Queue) touch(l *line) {
	switch {
	case len(l.units) == 0 && l.recent != nil:
		q.recent.Remove(l.recent)
		l.recent = nil
	case len(l.units) == 0:
	case l.recent == nil:
		l.recent = q.recent.PushFront(l)
	default:
		q.recent.MoveToFront(l.recent)
	}
}

// makeRoom sends the windows of the lines that were not used for the longest
// time back to disk, so that dead destinations cannot hold all of the memory.
func (q *Queue) makeRoom(n int) {
	for q.loaded+n > q.total && q.recent.Len() > 0 {
		l := q.recent.Back().Value.(*line)
		l.disk = earlier(l.disk, l.units[0].entries[0].Due)
		q.loaded -= l.count
		l.units, l.count = nil, 0
		q.touch(l)
	}
}

// forget takes an entry out of the window of its line.
func (q *Queue) forget(l *line, k key) {
	for i := range l.units {
		u := &l.units[i]
		if u.id != k.id {
			continue
		}
		for j := range u.entries {
			if u.entries[j].N != k.n {
				continue
			}
			u.entries = append(u.entries[:j:j], u.entries[j+1:]...)
			if len(u.entries) == 0 {
				l.units = append(l.units[:i:i], l.units[i+1:]...)
			}
			l.count--
			q.loaded--
			q.touch(l)
			return
		}
	}
}

// timers is a heap of lines by the time at which each wants to be looked at.
type timers []*line

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].heap, t[j].heap = i+1, j+1
}

// Push implements heap.Interface.
func (t *timers) Push(x any) {
	l := x.(*line)
	l.heap = len(*t) + 1
	*t = append(*t, l)
}

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	old := *t
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	l.heap = 0
	return l
}

// setTimer has the line looked at again at a time; zero is never.
func (q *Queue) setTimer(l *line, at time.Time) {
	switch {
	case at.IsZero() && l.heap == 0:
		return
	case at.IsZero():
		heap.Remove(&q.timers, l.heap-1)
		return
	case l.heap == 0:
		l.at = at
		heap.Push(&q.timers, l)
	case !l.at.Equal(at):
		l.at = at
		heap.Fix(&q.timers, l.heap-1)
	default:
		return
	}
	if l.heap == 1 {
		select {
		case q.kick <- struct{}{}:
		default:
		}
	}
}
