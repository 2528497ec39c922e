package egress

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sesame-mta/sesame/internal/memo"
)

// Rest is that a source is not used at a site, since the site refused it by name
// or number: it is on a list, has no PTR record, or sent what was complained of.
type Rest struct {
	Site, Source string
	Until        time.Time
}

// Bounds of what is remembered of sources that were refused. A list keeps an
// address for hours or days, and asking it often makes that longer.
const (
	maxRests = 10_000
	// keepRest is how long after its end a rest still makes the next one longer.
	keepRest = 24 * time.Hour
)

type rests struct {
	count atomic.Int32 // entries of at, to be read without the lock

	mu sync.Mutex
	at map[restKey]rest
}

type restKey struct{ site, source string }

type rest struct {
	level int // rests so far
	until time.Time
}

// Refused has a source rest at a site that does not take it, if the pool has
// another of the same family: 15 minutes, an hour, four, then twelve, each time if
// it is refused again after its rest. It gives the rest, and whether it began with
// this; and whether another source is left that does not rest there. A pool of one
// never rests.
func (s *Sources) Refused(pool, site, source string) (r Rest, began, other bool) {
	p := s.pool(pool)
	if p == nil {
		return Rest{}, false, false
	}
	list := p.v4
	named := func(src Source) bool { return src.Name == source }
	if slices.ContainsFunc(p.v6, named) {
		list = p.v6
	} else if !slices.ContainsFunc(list, named) {
		return Rest{}, false, false
	}
	if len(list) == 1 {
		return Rest{}, false, false
	}
	now := time.Now()
	r = Rest{Site: site, Source: source}
	r.Until, began = s.rests.begin(restKey{site, source}, now)
	other = slices.ContainsFunc(list, func(src Source) bool { return s.rests.until(site, src.Name, now).IsZero() })
	return r, began, other
}

// Return ends the rest of a source at a site, and all memory of it: the site took mail
// from it, or no other one gets there.
func (s *Sources) Return(site, source string) {
	if s.rests.none() {
		return
	}
	s.rests.mu.Lock()
	defer s.rests.mu.Unlock()
	delete(s.rests.at, restKey{site, source})
	s.rests.counted()
}

// Wake ends all rests at a site, and with the empty name all that there are.
func (s *Sources) Wake(site string) {
	s.rests.mu.Lock()
	defer s.rests.mu.Unlock()
	for k := range s.rests.at {
		if site == "" || k.site == site {
			delete(s.rests.at, k)
		}
	}
	s.rests.counted()
}

// Resting gives the rests that have not ended, the soonest to end first.
func (s *Sources) Resting() []Rest {
	s.rests.mu.Lock()
	defer s.rests.mu.Unlock()
	now := time.Now()
	var list []Rest
	for k, r := range s.rests.at {
		if now.Before(r.until) {
			list = append(list, Rest{k.site, k.source, r.until})
		}
	}
	slices.SortFunc(list, func(a, b Rest) int {
		if c := a.Until.Compare(b.Until); c != 0 {
			return c
		}
		return strings.Compare(a.Site+" "+a.Source, b.Site+" "+b.Source)
	})
	return list
}

// none spares those who pick a source the lock, as long as nothing rests.
func (r *rests) none() bool { return r.count.Load() == 0 }

func (r *rests) counted() { r.count.Store(int32(len(r.at))) }

// until gives when the rest of a source ends; zero if it does not rest.
func (r *rests) until(site, source string, now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.at[restKey{site, source}]; now.Before(e.until) {
		return e.until
	}
	return time.Time{}
}

// begin begins a rest unless one runs: what attempts tell that were under way when
// it began has been acted on.
func (r *rests) begin(k restKey, now time.Time) (until time.Time, began bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.at[k]
	if now.Before(e.until) {
		return e.until, false
	}
	if now.Sub(e.until) > keepRest {
		e.level = 0
	}
	if r.at == nil {
		r.at = make(map[restKey]rest)
	}
	// What is forgotten is learnt again at the price of one attempt.
	memo.MakeRoom(r.at, maxRests, func(e rest) bool { return now.Sub(e.until) > keepRest })
	times := [...]time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour}
	e.until = now.Add(jitter(times[min(e.level, len(times)-1)]))
	e.level++
	r.at[k] = e
	r.counted()
	return e.until, true
}
