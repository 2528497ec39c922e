package bolt

import (
	"errors"
	"fmt"
	"runtime/debug"
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
	tickEvery     = time.Second
	idleAfter     = 5 * time.Second
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

// committer is the queue before whoever writes: the goroutine of run, or a caller
// who is alone.
type committer struct {
	mu      sync.Mutex
	waiting []*unit
	urgent  int       // of those waiting, how many are not lazy
	due     time.Time // when those that are lazy have waited for long enough
	look    time.Time // when run looks for those, zero when it does not
	target  int       // wake up at so many; 0 is never
	busy    bool      // somebody writes
	heavy   bool      // it is time for a checkpoint
	appends int       // in the batch that is being committed
	told    time.Time // when those of the last batch were answered, if they were few
	closed  bool
	// What the last batch was like: when it was done, how long it took, and how many
	// urgent units it and the time that it took brought.
	last   time.Time
	took   time.Duration
	demand int
	wake   chan struct{} // of capacity one
	ended  chan struct{}
}

func (c *committer) init() {
	c.wake = make(chan struct{}, 1)
	c.ended = make(chan struct{})
	c.target = 1
	c.last = time.Now()
}

// submit queues a unit and waits until it is on stable storage or refused. It
// does not give up earlier: what happens to the unit is not in doubt then. A caller
// who is alone writes by himself: to wake up somebody for it, and to be woken up
// then, takes as long as a quick disk.
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
	alone := c.urgent == 1 && !u.lazy && c.demand <= 1 && !c.busy && !c.heavy
	if alone {
		c.busy = true
	}
	c.mu.Unlock()
	switch {
	case alone:
		s.commitWaiting()
		if c.release(s.heavy()) {
			c.poke()
		}
	case wake:
		c.poke()
	}
	<-u.done
	return u.err
}

// expect decides how long a unit that has just come may wait, and reports whether
// run is to be woken up. Who was told that his message is kept brings the next one
// at once, and it would wait for a sync that was begun for a settlement. Where there
// are many of them no sync is for one.
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
	}
	return c.target > 0 && (c.look.IsZero() || c.due.Before(c.look))
}

func (c *committer) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// close stops run when what waits is done; false when it was closed before.
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

// next takes the right to write when there is reason to. Without one it says until
// when to wait; end is the end of all work.
func (c *committer) next() (ready, end bool, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target, c.look = 1, time.Time{}
	switch {
	case c.busy: // whoever is will say when he has done
		return false, false, time.Time{}
	case c.urgent > 0, c.closed && len(c.waiting) > 0, !c.due.IsZero() && !time.Now().Before(c.due):
		c.busy = true
		return true, false, time.Time{}
	}
	c.look = c.due
	return false, c.closed, c.due
}

// claim takes the right to write, if nobody has it.
func (c *committer) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy {
		return false
	}
	c.busy = true
	return true
}

// release gives the right to write back, and reports whether run has to know.
func (c *committer) release(heavy bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy, c.heavy = false, heavy
	return c.urgent > 0 || c.closed || !c.due.IsZero() && c.look.IsZero()
}

// load gives how many urgent units wait, and sets at how many to wake up.
func (c *committer) load(target int) (urgent int, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target = target
	return c.urgent, c.closed
}

// take gives the units of the next batch, in the order they came.
func (c *committer) take() []*unit {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target, c.demand, c.due = 0, 0, time.Time{}
	n, size := 0, 0
	for n < len(c.waiting) && n < maxBatch && (n == 0 || size+c.waiting[n].size <= maxBatchBytes) {
		size += c.waiting[n].size
		if !c.waiting[n].lazy {
			c.urgent--
			c.demand++
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

// answered takes note that a batch is done, which began at some time.
func (c *committer) answered(start time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
	c.took = c.last.Sub(start)
	switch {
	case c.appends > fewAppends:
		c.told = time.Time{}
	case c.appends > 0:
		c.told = c.last
		if by := c.told.Add(rideWait); !c.due.IsZero() && c.due.Before(by) {
			c.due = by
		}
	}
	c.appends, c.target = 0, 1
	c.demand += c.urgent
}

// commitWaiting commits what waits, as the one who has the right to write. A panic
// ends the process whoever that is: no session may recover from it and go on.
func (s *Spool) commitWaiting() {
	defer func() {
		if p := recover(); p != nil {
			go panic(fmt.Sprintf("%v\n%s", p, debug.Stack()))
			select {}
		}
	}()
	units := s.commits.take()
	start := time.Now()
	s.process(units)
	s.commits.answered(start)
	s.metrics.batch(len(units), s.commits.took)
}

// run waits for work, lingers for as much as the last round brought, and commits,
// until the spool is closed and nothing waits.
func (s *Spool) run() {
	c := &s.commits
	defer close(c.ended)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-tick.C: // await does not look at it while there is work
			s.tick(tick)
		default:
		}
		if !s.await(tick, timer) {
			return
		}
		s.linger(timer)
		s.commitWaiting()
		if s.heavy() && s.Err() == nil {
			s.settleJournal() // when those are answered whom it would keep waiting
		}
		c.release(false)
	}
}

// await waits for work, and for the right to do it; false ends run.
func (s *Spool) await(tick *time.Ticker, timer *time.Timer) bool {
	for {
		ready, end, until := s.commits.next()
		if ready || end {
			return ready
		}
		var due <-chan time.Time
		if !until.IsZero() {
			timer.Reset(time.Until(until))
			due = timer.C
		}
		select {
		case <-s.commits.wake:
		case <-due:
		case <-tick.C:
			s.tick(tick)
		}
	}
}

// tick does what has to be done from time to time, also under load: less often when
// there is none.
func (s *Spool) tick(next *time.Ticker) {
	next.Reset(tickEvery)
	if s.Err() != nil {
		return
	}
	s.room.restore()
	if err := forgetPages(s.db); err != nil {
		s.log.Debug("pages not forgotten", "err", err)
	}
	c := &s.commits
	if !c.claim() {
		return
	}
	idle := time.Since(c.last)
	if idle >= idleAfter {
		next.Reset(idleAfter)
		s.settleJournal()
	}
	if idle >= heartbeat {
		s.process(nil)
		c.last = time.Now()
	}
	c.release(false)
}

// linger waits until as many units wait as the last round brought: callers that
// were just answered come back at once, and half of them would miss the batch.
// A single caller never waits.
func (s *Spool) linger(timer *time.Timer) {
	c := &s.commits
	atMost := min(c.took/2, maxLinger)
	urgent, closed := c.load(c.demand)
	if urgent >= c.demand || closed || atMost <= 0 {
		return
	}
	timer.Reset(atMost)
	for {
		select {
		case <-c.wake:
		case <-timer.C:
			return
		}
		if urgent, closed := c.load(c.demand); urgent >= c.demand || closed {
			return
		}
	}
}
