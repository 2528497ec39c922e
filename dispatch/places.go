package dispatch

import (
	"container/list"
	"time"
)

// lines are the sites that wait for a place, first come first served: those that
// are proven, and the others. The others together never hold all places, so that
// a campaign to a thousand dead domains cannot stop the mail of the living.
type lines struct {
	proven, others *list.List // of *site
	count          uint64
}

// reserved is the share of the places that only proven sites may have: one in
// so many.
const reserved = 5

// provenFor is how long an answer counts.
const provenFor = time.Hour

func newLines() lines { return lines{proven: list.New(), others: list.New()} }

func (l *lines) push(s *site) {
	l.count++
	s.since, s.waiting = l.count, true
	if s.proven {
		l.proven.PushBack(s)
	} else {
		l.others.PushBack(s)
	}
}

func (l *lines) empty() bool { return l.proven.Len() == 0 && l.others.Len() == 0 }

// pop takes the site that has waited longest; others says whether one that is
// not proven may be it.
func (l *lines) pop(others bool) *site {
	from := l.proven
	if others && l.others.Len() > 0 &&
		(from.Len() == 0 || l.others.Front().Value.(*site).since < from.Front().Value.(*site).since) {
		from = l.others
	}
	if from.Len() == 0 {
		return nil
	}
	s := from.Remove(from.Front()).(*site)
	s.waiting = false
	return s
}

// count keeps the number of workers, and of those at sites that are not proven.
func (d *Dispatcher) count(s *site, n int) {
	s.workers += n
	if !s.proven {
		d.others += n
	}
}

func (d *Dispatcher) othersMay() bool {
	return d.others < d.o.Concurrency-d.o.Concurrency/reserved
}

// prove notes whether a site answered.
func (d *Dispatcher) prove(s *site, now time.Time, answered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if answered {
		d.proven[s.name] = now
	} else {
		delete(d.proven, s.name)
	}
	if s.proven != answered {
		n := s.workers
		d.count(s, -n)
		s.proven = answered
		d.count(s, n)
	}
}
