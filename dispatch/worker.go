package dispatch

import (
	"context"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// site is a destination with work or with workers. It exists as long as it has
// either, or waits for a time.
type site struct {
	name    string
	workers int
	poked   bool // work came that no worker was begun for
	waiting bool // stands in line for a place
	since   uint64
	proven  bool // it answered not long ago
	timer   *time.Timer
}

// closed marks the sites of domains that have no route: nothing is carried
// there, their leases are only settled. It is in no host name.
const closed = "!"

// closedWorkers settle the leases of one domain without a route.
const closedWorkers = 4

func (d *Dispatcher) allow(s *site) (int, time.Duration) {
	if strings.HasPrefix(s.name, closed) {
		return closedWorkers, 0
	}
	return d.o.Limiter.Allow(s.name, d.o.Queue.Now())
}

// Ready takes note that a site has work. It is the queue's Options.Ready.
func (d *Dispatcher) Ready(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sites[name]
	if s == nil {
		_, proven := d.proven[name]
		s = &site{name: name, proven: proven || strings.HasPrefix(name, closed)}
		d.sites[name] = s
	}
	d.pump(s)
}

// pump begins one more worker for a site with work, or remembers why not: it
// has all it may have, it is to be left alone, or all attempts are taken. The
// lock is held.
func (d *Dispatcher) pump(s *site) {
	s.poked = true
	if d.start == nil || s.waiting || s.timer != nil {
		return
	}
	slots, wait := d.allow(s)
	switch {
	case s.workers < slots && d.free > 0 && (s.proven || d.othersMay()):
		d.free--
		d.count(s, 1)
		s.poked = false
		d.start(s)
	case s.workers < slots:
		name := mail.LimitConcurrency
		if d.free > 0 {
			name = mail.LimitUnprovenSites
		}
		d.metrics.full(name)
		d.waiting.push(s)
	case s.workers > 0:
		d.metrics.full(mail.LimitSiteConcurrency)
	default:
		// Nobody is there to ask again.
		d.metrics.full(mail.LimitSiteDown)
		s.timer = time.AfterFunc(max(wait, time.Millisecond), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			s.timer = nil
			d.pump(s)
		})
	}
}

// leave ends a worker and gives its place to the site that has waited longest.
// Work that came since the worker last looked begins another. The lock is held.
func (d *Dispatcher) leave(s *site) {
	d.count(s, -1)
	d.free++
	if s.poked {
		d.pump(s)
	}
	for d.free > 0 {
		next := d.waiting.pop(d.othersMay())
		if next == nil {
			break
		}
		d.pump(next)
	}
	if s.workers == 0 && !s.poked && !s.waiting && s.timer == nil {
		delete(d.sites, s.name)
	}
}

// work takes and tries leases of one site until there are none, or the place is
// needed elsewhere. No lease is taken once stop has ended.
func (d *Dispatcher) work(stop, attempts context.Context, s *site) {
	for {
		lease := d.o.Queue.Take(stop, s.name)
		if lease == nil {
			d.idle(s)
			return
		}
		d.Ready(s.name) // there may be more, for another worker
		d.try(attempts, s, lease)
		if d.yield(s) {
			return
		}
	}
}

// idle ends a worker that found nothing.
func (d *Dispatcher) idle(s *site) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leave(s)
}

// yield ends a worker after an attempt when the site is to have fewer, or when
// another site waits for its place: then this site goes to the end of the line.
func (d *Dispatcher) yield(s *site) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	slots, _ := d.allow(s)
	if d.start != nil && s.workers <= slots && d.waiting.empty() {
		return false
	}
	s.poked = true // it may have more
	if d.start != nil && !s.waiting && s.workers <= slots {
		d.waiting.push(s)
	}
	d.leave(s)
	return true
}

// expire gives up what is past its time at a site that does not answer: with
// 100,000 messages there an attempt for each would take days.
func (d *Dispatcher) expire(ctx context.Context, s *site, because mail.Reply) {
	const batch, parallel = 500, 32
	for d.running() {
		leases := d.o.Queue.TakeExpired(ctx, s.name, batch)
		if len(leases) == 0 {
			return
		}
		d.settleAll(ctx, leases, parallel, because)
	}
}

// release gives a lease back untried.
func (d *Dispatcher) release(lease *queue.Lease) { d.o.Queue.Release(lease) }
