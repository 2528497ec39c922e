package smtpd

import (
	"net/netip"
	"sync"
	"time"
)

const (
	throttleEntries = 10000
	throttleForget  = 15 * time.Minute
)

// throttle remembers which networks failed to authenticate, and how often.
type throttle struct {
	first, most time.Duration

	mu   sync.Mutex
	seen map[netip.Prefix]failures
}

type failures struct {
	count int
	last  time.Time
}

func newThrottle(first, most time.Duration) *throttle {
	return &throttle{first: first, most: most, seen: make(map[netip.Prefix]failures)}
}

// failed counts a failure and gives the pause it costs: doubled with each, up to
// the most. A network is forgotten after a while without failures.
func (t *throttle) failed(source netip.Prefix, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, known := t.seen[source]
	if !known && len(t.seen) >= throttleEntries {
		t.evict(now)
	}
	if now.Sub(f.last) > throttleForget {
		f.count = 0
	}
	f.count++
	f.last = now
	t.seen[source] = f
	if shift := f.count - 1; shift < 16 {
		return min(t.first<<shift, t.most)
	}
	return t.most
}

// evict makes room for one more: the oldest of a few, which Go's order of maps
// chooses at random.
func (t *throttle) evict(now time.Time) {
	var oldest netip.Prefix
	last, looked := now.Add(time.Second), 0
	for source, f := range t.seen {
		if f.last.Before(last) {
			oldest, last = source, f.last
		}
		if looked++; looked == 16 {
			break
		}
	}
	delete(t.seen, oldest)
}
