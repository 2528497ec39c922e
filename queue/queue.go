package queue

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/internal/steady"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/trace"
)

// Options is what a Queue needs. Spool is required; zero fields have defaults.
type Options struct {
	Spool Spool
	// Window is the most due entries that a line reads into memory, or as many as
	// are on lease if those are more, and the most messages that may wait there when
	// one comes in, 200 unless given; Total the most entries of all lines together,
	// 20,000 unless given.
	Window, Total int
	// Recipients is the most entries in one lease, 100 unless given: what every
	// host takes in one transaction (RFC 5321 section 4.5.3.1.8).
	Recipients int
	// Horizon is how far ahead a due time may lie. What lies beyond it was
	// written under a clock that was wrong, and is due. 28 hours unless given,
	// or more where Extend asks for it.
	Horizon time.Duration
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Ready is told of a site with work, Unrouted of a domain with work that
	// belongs to no site. Both are called without a lock held, may be called
	// often and must return at once.
	Ready    func(site string)
	Unrouted func(domain string)
	// Trace records what operators do; nil is nobody.
	Trace *trace.Recorder
}

// Queue holds the schedule: which entry is due when, and who has it on lease.
// Of what waits on disk it knows, for each line, no more than the time at which
// the first entry falls due. It is safe for concurrent use.
type Queue struct {
	spool      Spool
	window     int
	total      int
	recipients int
	horizon    time.Duration
	log        *slog.Logger
	ready      func(string)
	unrouted   func(string)
	trace      *trace.Recorder

	clock steady.Clock
	// expire is the time of this run before which nothing is given up.
	expire time.Time
	kick   chan struct{} // an earlier timer than the one Run waits for

	mu      sync.Mutex
	lines   map[Line]*line
	domains map[string]*domain
	sites   map[string]*site
	// appending counts appends under way: what a Page shows of them belongs to
	// the append until it returns.
	appending map[mail.ID]int
	timers    timers
	recent    *list.List // of *line with units, most recently used in front
	loaded    int        // entries in units of all lines
}

// Times of the schedule.
const (
	// recheck is the longest sleep of the timer loop.
	recheck = 30 * time.Second
	// spoolPause is how long a line rests after the spool failed to read it.
	spoolPause = 5 * time.Second
	// strangeClock is the gap between two runs that makes the clock suspect,
	// and calm how long such a run gives nothing up.
	strangeClock = 24 * time.Hour
	calm         = time.Hour
)

// New makes a queue on a spool. Nothing is read before Run; Append, Take and
// the others work before it, and without it for what is due at once.
func New(o Options) *Queue {
	q := &Queue{
		spool:      o.Spool,
		window:     orElse(o.Window, 200),
		total:      orElse(o.Total, 20000),
		recipients: orElse(o.Recipients, 100),
		horizon:    o.Horizon,
		log:        o.Log,
		ready:      o.Ready,
		unrouted:   o.Unrouted,
		trace:      o.Trace,
		clock:      steady.Start(),
		kick:       make(chan struct{}, 1),
		lines:      make(map[Line]*line),
		domains:    make(map[string]*domain),
		sites:      make(map[string]*site),
		appending:  make(map[mail.ID]int),
		recent:     list.New(),
	}
	if q.horizon <= 0 {
		q.horizon = 28 * time.Hour
	}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	if q.ready == nil {
		q.ready = func(string) {}
	}
	if q.unrouted == nil {
		q.unrouted = func(string) {}
	}
	q.guardClock()
	q.register(o.Metrics)
	return q
}

func orElse(n, otherwise int) int {
	if n <= 0 {
		return otherwise
	}
	return n
}

// guardClock keeps a machine that woke up with a wrong clock from giving up
// everything at once: the operator gets an hour to see the line in the log.
func (q *Queue) guardClock() {
	seen := q.spool.LastSeen()
	if seen.IsZero() {
		return
	}
	now := q.Now()
	if gap := now.Sub(seen); gap > strangeClock || gap < -strangeClock {
		q.expire = now.Add(calm)
		q.log.Warn("clock is far from the last run, nothing expires for an hour", "dur", gap)
	}
}

// Now gives the queue's time: the wall clock at the start of the run plus the
// time since. Due and expiry times must be reckoned from it.
func (q *Queue) Now() time.Time { return q.clock.Now() }

// Extend makes the horizon at least d. It is for those who set due times, before
// Run: what they mean to be far ahead must not be taken for a mistake.
func (q *Queue) Extend(d time.Duration) { q.horizon = max(q.horizon, d) }

// Expired reports whether an entry is to be given up if an attempt fails now.
func (q *Queue) Expired(e Entry) bool {
	now := q.Now()
	return !e.Expires.IsZero() && !now.Before(e.Expires) && !now.Before(q.expire)
}

// Depth counts what is in the queue.
func (q *Queue) Depth() Depth { return q.spool.Depth() }

// Run reads which lines the spool has, then tells of every entry that falls due
// until ctx ends. It returns an error only when the lines cannot be read; of a
// spool that breaks down later its owner knows, and ends ctx.
func (q *Queue) Run(ctx context.Context) error {
	if err := q.readLines(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-q.kick:
		case <-timer.C:
		}
		timer.Reset(q.wake())
	}
}

// readLines takes in the lines that the spool has from before.
func (q *Queue) readLines(ctx context.Context) error {
	const page = 1000
	var after Line
	for {
		found, err := q.spool.Lines(ctx, after, page)
		if err != nil {
			return fmt.Errorf("read lines of the queue: %w", err)
		}
		var n notes
		q.mu.Lock()
		now := q.Now()
		for _, d := range found {
			l := q.line(d.Line)
			l.disk = earlier(l.disk, d.Due)
			q.update(l, now, &n)
		}
		q.mu.Unlock()
		q.tell(&n)
		if len(found) < page {
			return nil
		}
		after = found[len(found)-1].Line
	}
}

// wake puts the lines that have fallen due to their sites and gives the time
// until the next, capped: a timer that is looked at again cannot be lost.
func (q *Queue) wake() time.Duration {
	var n notes
	q.mu.Lock()
	now := q.Now()
	for len(q.timers) > 0 && !q.timers[0].at.After(now) {
		q.update(q.timers[0], now, &n)
	}
	d := recheck
	if len(q.timers) > 0 {
		d = min(d, q.timers[0].at.Sub(now))
	}
	q.mu.Unlock()
	q.tell(&n)
	return d
}

// Append makes a message durable and hands its entries to delivery. The id is
// that of the first message when the submission is a repeat.
func (q *Queue) Append(ctx context.Context, s Submission) (mail.ID, error) {
	if s.EventsOnly {
		return q.spool.Append(ctx, s) // nothing of it is ever due
	}
	id := s.Message.ID
	q.mu.Lock()
	q.appending[id]++
	q.mu.Unlock()

	got, err := q.spool.Append(ctx, s)

	var n notes
	q.mu.Lock()
	if q.appending[id]--; q.appending[id] == 0 {
		delete(q.appending, id)
	}
	switch now := q.Now(); {
	case err == nil && got == id:
		q.admit(&s, now, &n)
	case err != nil && (s.Message.Notice || !errors.Is(err, ErrFull) && !errors.Is(err, ErrQuota) && !errors.Is(err, ErrBroken)):
		// It may have been kept after all, now or in a moment. A notice may have
		// been kept before, and a page read meanwhile left it to this append.
		for _, to := range s.Message.To {
			l := q.line(Line{s.Message.Account, to.Domain()})
			l.disk = earlier(l.disk, now.Add(recheck))
			q.update(l, now, &n)
		}
	}
	q.mu.Unlock()
	q.tell(&n)
	return got, err
}

// admit takes the entries of a message that has just become durable straight
// into the windows of their lines, where there is room and nothing older waits.
func (q *Queue) admit(s *Submission, now time.Time, n *notes) {
	m := &s.Message
	// A notice may be a repeat under the same id: only the spool knows whether
	// its entries are still there.
	direct := !m.Notice && q.loaded < q.total && q.due(s.Due, now)
	var touched []*line
	for i, to := range m.To {
		l := q.line(Line{m.Account, to.Domain()})
		k := len(l.units)
		same := direct && k > 0 && l.units[k-1].id == m.ID
		if !same && (!direct || l.paging || len(l.units) >= q.window || l.waits(q, now)) {
			l.disk = earlier(l.disk, s.Due)
		} else {
			e := Entry{ID: m.ID, N: i, Line: l.Line, To: to, State: Queued, Due: s.Due, Expires: m.Accepted.Add(s.MaxAge)}
			q.load(l, m, e)
		}
		if len(touched) == 0 || touched[len(touched)-1] != l {
			touched = append(touched, l)
		}
	}
	for _, l := range touched {
		q.update(l, now, n)
	}
}

// Assign says to which site the lines of a domain belong, until it is said
// anew. The empty site makes the domain ask again.
func (q *Queue) Assign(name, siteName string) {
	var n notes
	q.mu.Lock()
	if d := q.domains[name]; d != nil && (d.site != siteName || siteName == "") {
		now := q.Now()
		for _, l := range d.lines {
			q.leaveRing(l)
		}
		d.site, d.asked = siteName, false
		for i := len(d.lines) - 1; i >= 0; i-- { // backwards: an empty line goes
			q.update(d.lines[i], now, &n)
		}
	}
	q.mu.Unlock()
	q.tell(&n)
}
