package throttle

import (
	"net/netip"
	"sync"
	"time"
)

// Rates bounds how often each network may do something. It is safe for concurrent
// use.
type Rates struct {
	perMinute float64

	mu   sync.Mutex
	left map[netip.Prefix]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// NewRates lets each network do it so many times a minute, all of them at once if
// it likes.
func NewRates(perMinute int) *Rates {
	return &Rates{perMinute: float64(perMinute), left: make(map[netip.Prefix]bucket)}
}

// Take reports whether a network may do it once more, and counts it.
func (r *Rates) Take(source netip.Prefix, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, known := r.left[source]
	if !known {
		if len(r.left) >= Entries {
			r.evict(now)
		}
		b = bucket{r.perMinute, now}
	}
	if past := now.Sub(b.at); past > 0 {
		b.tokens = min(r.perMinute, b.tokens+past.Minutes()*r.perMinute)
		b.at = now
	}
	may := b.tokens >= 1
	if may {
		b.tokens--
	}
	r.left[source] = b
	return may
}

// Len gives how many networks are remembered.
func (r *Rates) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.left)
}

// evict makes room: of the first few entries it drops the one that was looked at
// longest ago.
func (r *Rates) evict(now time.Time) {
	var oldest netip.Prefix
	at, n := now, 0
	for source, b := range r.left {
		if n == 0 || b.at.Before(at) {
			oldest, at = source, b.at
		}
		if n++; n == looks {
			break
		}
	}
	delete(r.left, oldest)
}
