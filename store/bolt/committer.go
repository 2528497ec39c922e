package bolt

import (
	"errors"
	"sync"
	"time"
)

// Bounds of one transaction, and the patience of the committer.
const (
	maxBatch      = 2048
	maxBatchBytes = 16 << 20
	maxLinger     = time.Millisecond
	lazyWait      = 20 * time.Millisecond // for work that may ride along
	rideWait      = time.Millisecond      // for settlements, while few messages come
	fewAppends    = 4
	tickEvery     = 5 * time.Second
	heartbeat     = 30 * time.Second
)

var errClosed = errors.New("spool is closed")

// unit is one call's share of a transaction.
type unit struct {
	op   op
	size int
	lazy bool // rides along: does not wake the committer
	ride bool // lazy for as long as somebody is likely to bring the next message
	err  error
	done chan struct{}
}

// op is what a unit does. It checks everything before it writes anything: an
// error it returns is the caller's alone and leaves the batch as it was. It runs
// again, on the same state, when that is made anew from the journal.
type op interface {
	apply(b *batch) error
	record
}

// committer is the queue before the one goroutine that writes.
type committer struct {
	mu      sync.Mutex
	waiting []*unit
	urgent  int       // of those waiting, how many are not lazy
	due     time.Time // when those that are lazy have waited for long enough
	target  int       // wake up at so many; 0 is never
	appends int       // in the batch that is being committed
	told    time.Time // when those of the last batch were answered, if they were few
	closed  bool
	wake    chan struct{} // of capacity one
	ended   chan struct{}
}

func (c *committer) init() {
	c.wake = make(chan struct{}, 1)
	c.ended = make(chan struct{})
	c.target = 1
}

// submit queues a unit and waits until it is on stable storage or refused. It
// does not give up earlier: what happens to the unit is not in doubt then.
func (s *Spool) submit(u *unit) error {
	u.done = make(chan struct{})
	c := &s.commits
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return errClosed
	}
	c.waiting = append(c.waiting, u)
	wake := c.expect(u)
	c.mu.Unlock()
	if wake {
		c.poke()
	}
	<-u.done
	return u.err
}

// expect decides how long a unit that has just come may wait, and reports whether
// the committer is to be woken up. Who was told that his message is kept brings the
// next one at once, and it would wait for a sync that was begun for a settlement.
// Where there are many of them no sync is for one.
func (c *committer) expect(u *unit) (wake bool) {
	wait := lazyWait
	if u.ride {
		u.lazy = c.appends > 0 && c.appends <= fewAppends || time.Since(c.told) < rideWait
		wait = rideWait
	}
	if !u.lazy {
		c.urgent++
		return c.target > 0 && c.urgent >= c.target
	}
	if by := time.Now().Add(wait); c.due.IsZero() || by.Before(c.due) {
		c.due = by
		return c.target > 0 && c.urgent == 0
	}
	return false
}

func (c *committer) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// close stops the committer when it has done what waits; false when it was
// closed before.
func (c *committer) close() bool {
	c.mu.Lock()
	was := c.closed
	c.closed = true
	c.mu.Unlock()
	if was {
		return false
	}
	c.poke()
	<-c.ended
	return true
}

// load gives how many urgent units wait and until when the lazy ones may, zero
// without any. It sets at how many urgent units to wake up.
func (c *committer) load(target int) (urgent int, due time.Time, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target = target
	return c.urgent, c.due, c.closed
}

// answered takes note that a batch is done, and gives how many urgent units came
// meanwhile.
func (c *committer) answered() (urgent int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.appends > fewAppends:
		c.told = time.Time{}
	case c.appends > 0:
		c.told = time.Now()
		if by := c.told.Add(rideWait); !c.due.IsZero() && c.due.Before(by) {
			c.due = by
		}
	}
	c.appends = 0
	return c.urgent
}

// take gives the units of the next batch, in the order they came.
func (c *committer) take() []*unit {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target = 0
	c.due = time.Time{}
	n, size := 0, 0
	for n < len(c.waiting) && n < maxBatch && (n == 0 || size+c.waiting[n].size <= maxBatchBytes) {
		size += c.waiting[n].size
		if !c.waiting[n].lazy {
			c.urgent--
		}
		if _, ok := c.waiting[n].op.(*appendOp); ok {
			c.appends++
		}
		n++
	}
	if n < len(c.waiting) {
		c.due = time.Now()
	}
	units := c.waiting[:n:n]
	c.waiting = append([]*unit(nil), c.waiting[n:]...)
	return units
}

// run is the committer: it waits for work, lingers for as much as the last round
// brought, and commits, until the spool is closed and nothing waits.
func (s *Spool) run() {
	c := &s.commits
	defer close(c.ended)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	last, took, demand := time.Now(), time.Duration(0), 1
	for {
		select {
		case <-tick.C: // await does not look at it while there is work
			s.tick(&last)
		default:
		}
		if !s.await(tick.C, timer, &last) {
			return
		}
		s.linger(timer, demand, min(took/2, maxLinger))
		units := c.take()
		start := time.Now()
		s.process(units)
		last = time.Now()
		took = last.Sub(start)
		demand = c.answered()
		for _, u := range units {
			if !u.lazy {
				demand++
			}
		}
		s.metrics.batch(len(units), took)
	}
}

// await waits for work; false ends the committer.
func (s *Spool) await(tick <-chan time.Time, timer *time.Timer, last *time.Time) bool {
	for {
		urgent, due, closed := s.commits.load(1)
		var lazyDue <-chan time.Time
		switch {
		case urgent > 0, closed && !due.IsZero():
			return true
		case closed:
			return false
		case !due.IsZero():
			timer.Reset(time.Until(due))
			lazyDue = timer.C
		}
		select {
		case <-s.commits.wake:
		case <-lazyDue:
			return true
		case <-tick:
			s.tick(last)
		}
	}
}

// tick does what has to be done from time to time, also under load.
func (s *Spool) tick(last *time.Time) {
	if s.Err() != nil {
		return
	}
	s.room.restore()
	if err := forgetPages(s.db); err != nil {
		s.log.Debug("pages not forgotten", "err", err)
	}
	if idle := time.Since(*last); idle >= tickEvery {
		s.settleJournal()
	}
	if time.Since(*last) >= heartbeat {
		s.process(nil)
		*last = time.Now()
	}
}

// linger waits until as many units wait as the last round brought: callers that
// were just answered come back at once, and half of them would miss the batch.
// A single caller never waits.
func (s *Spool) linger(timer *time.Timer, demand int, atMost time.Duration) {
	urgent, _, closed := s.commits.load(demand)
	if urgent >= demand || closed || atMost <= 0 {
		return
	}
	timer.Reset(atMost)
	for {
		select {
		case <-s.commits.wake:
		case <-timer.C:
			return
		}
		if urgent, _, closed := s.commits.load(demand); urgent >= demand || closed {
			return
		}
	}
}
