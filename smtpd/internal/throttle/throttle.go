// Package throttle makes guessing passwords slow, and strangers: it says how long
// the answer to a failed authentication has to wait, and how often a network may do
// something. It owns the tables of the networks, which are bounded. It does not
// wait, and knows nothing of SMTP.
package throttle

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// Entries bounds the table.
	Entries = 10000
	// Forget is how long a network must be without failures to start afresh.
	Forget = 15 * time.Minute
	looks  = 16 // entries looked at to find an old one
)

// Table remembers which networks failed, and how often. It is safe for
// concurrent use.
type Table struct {
	first, most time.Duration

	mu   sync.Mutex
	seen map[netip.Prefix]failures
}

type failures struct {
	count int
	last  time.Time
}

// New makes a table whose first pause is first and whose longest is most.
func New(first, most time.Duration) *Table {
	return &Table{first: first, most: most, seen: make(map[netip.Prefix]failures)}
}

// Failed counts a failure and gives the pause it costs: doubled with each, up to
// the longest.
func (t *Table) Failed(source netip.Prefix, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, known := t.seen[source]
	if !known && len(t.seen) >= Entries {
		t.evict(now)
	}
	if now.Sub(f.last) > Forget {
		f.count = 0
	}
	f.count++
	f.last = now
	t.seen[source] = f
	pause := t.first
	for i := 1; i < f.count && pause < t.most; i++ {
		pause *= 2
	}
	return min(pause, t.most)
}

// Len gives the number of networks in the table.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.seen)
}

// evict makes room for one more: the oldest of a few, which the order of a map
// chooses at random.
func (t *Table) evict(now time.Time) {
	var oldest netip.Prefix
	last, looked := now.Add(time.Second), 0
	for source, f := range t.seen {
		if f.last.Before(last) {
			oldest, last = source, f.last
		}
		if looked++; looked == looks {
			break
		}
	}
	delete(t.seen, oldest)
}
