package egress

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/internal/memo"
)

// Signal is what an attempt tells about the site it was made at.
type Signal int

// The signals. The zero value tells nothing.
const (
	Success     Signal = iota + 1 // the site worked, whatever it said of the mail
	Busy                          // it asked for less: 421, 4.7.x
	Unreachable                   // no host of it could be spoken to
)

// LimiterOptions says how a Limiter behaves; zero fields take the defaults.
type LimiterOptions struct {
	Max   int // the most attempts at one site at a time; default 20
	Start int // how many at first; default 5, at most Max
	// DownAfter is how many unreachable attempts in a row make a site down;
	// default 3.
	DownAfter int
	// Pauses is how long a site that is down is left alone, before the first
	// probe, the second and so on; the last repeats. Default 1m, 5m, 15m, 30m.
	Pauses []time.Duration
	// Idle is after how long a site is forgotten; default 1h, and never less
	// than the longest pause, doubled.
	Idle time.Duration
	// MaxSites bounds how many sites are remembered; default 100,000.
	MaxSites int
}

// Limiter says how many attempts may run at one site at a time. It opens slowly
// while a site takes mail, closes fast when it pushes back, and leaves a site
// that is down alone as a whole (RFC 5321 section 4.5.4.1). It is safe for
// concurrent use.
type Limiter struct {
	o LimiterOptions

	mu    sync.Mutex
	sites map[string]*site
	swept time.Time
}

type site struct {
	window int
	won    int // successes since the window last changed
	// grace counts reports of attempts that ran when the window was halved:
	// what they tell has been acted on.
	grace  int
	misses int // unreachable in a row
	level  int // pauses so far; above 0 the site is down
	until  time.Time
	last   time.Time
}

// NewLimiter makes a limiter that knows no site yet.
func NewLimiter(o LimiterOptions) *Limiter {
	if o.Max <= 0 {
		o.Max = 20
	}
	if o.Start <= 0 {
		o.Start = 5
	}
	o.Start = min(o.Start, o.Max)
	if o.DownAfter <= 0 {
		o.DownAfter = 3
	}
	if len(o.Pauses) == 0 {
		o.Pauses = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}
	}
	if o.Idle <= 0 {
		o.Idle = time.Hour
	}
	o.Idle = max(o.Idle, 2*slices.Max(o.Pauses))
	if o.MaxSites <= 0 {
		o.MaxSites = 100_000
	}
	return &Limiter{o: o, sites: map[string]*site{}}
}

// Allow gives how many attempts may run at the site now, those that run already
// included. For a site that is down it gives 0 and how long to wait; after that
// it gives 1, the probe, until a report opens the site or closes it again.
func (l *Limiter) Allow(name string, now time.Time) (slots int, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sites[name]
	switch {
	case s == nil:
		return l.o.Start, 0
	case s.level == 0:
		return s.window, 0
	case now.Before(s.until):
		return 0, s.until.Sub(now)
	}
	return 1, 0
}

// Report tells how an attempt at the site went.
func (l *Limiter) Report(name string, now time.Time, sig Signal) {
	if sig < Success || sig > Unreachable {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sites[name]
	if s == nil {
		l.sweep(now)
		s = &site{window: l.o.Start}
		l.sites[name] = s
	}
	s.last = now
	if sig == Unreachable {
		l.miss(s, now)
		return
	}
	if s.level > 0 {
		// It lives: begin again as with a new site, carefully.
		*s = site{window: l.o.Start, last: now}
	}
	s.misses = 0
	if sig == Busy {
		halve(s)
		return
	}
	s.grace = max(s.grace-1, 0)
	// One more for a full window of successes, so that it takes a round of
	// attempts to grow by one and not one attempt.
	if s.won++; s.won >= s.window {
		s.won = 0
		s.window = min(s.window+1, l.o.Max)
	}
}

func (l *Limiter) miss(s *site, now time.Time) {
	if s.level > 0 && now.Before(s.until) {
		return // an attempt from before the site was known to be down
	}
	halve(s)
	if s.misses++; s.level == 0 && s.misses < l.o.DownAfter {
		return
	}
	pause := l.o.Pauses[min(s.level, len(l.o.Pauses)-1)]
	s.level = min(s.level+1, len(l.o.Pauses))
	s.until = now.Add(jitter(pause))
}

func halve(s *site) {
	if s.grace > 0 {
		s.grace--
		return
	}
	s.grace = s.window - 1
	s.window = max(s.window/2, 1)
	s.won = 0
}

// jitter spreads a pause over ±20 %, so that sites that went down together do
// not come back together.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.4*float64(d))
}

// sweep forgets idle sites, and arbitrary ones when there are too many.
func (l *Limiter) sweep(now time.Time) {
	if len(l.sites) < l.o.MaxSites && now.Sub(l.swept) < l.o.Idle/4 {
		return
	}
	l.swept = now
	idle := func(s *site) bool { return now.Sub(s.last) >= l.o.Idle }
	maps.DeleteFunc(l.sites, func(_ string, s *site) bool { return idle(s) })
	memo.MakeRoom(l.sites, l.o.MaxSites, idle)
}

// Sites gives how many sites are remembered, and how many of them are down.
func (l *Limiter) Sites() (known, down int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sites {
		if s.level > 0 {
			down++
		}
	}
	return len(l.sites), down
}
