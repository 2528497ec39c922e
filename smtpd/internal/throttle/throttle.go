// Package throttle makes guessing passwords slow, and strangers, and says how much
// of a flood is written down. It owns bounded tables: of the networks and user names
// that failed to authenticate, of how often a network did something, and of those
// that were refused. It does not wait, and knows nothing of SMTP.
package throttle

import (
	"sync"
	"time"
)

const (
	// Entries bounds the table.
	Entries = 10000
	// Forget is how long a key must be without failures to start afresh.
	Forget = 15 * time.Minute
	looks  = 16 // entries looked at to find an old one
)

// Table remembers who failed, by network or user name, and how often. It is safe
// for concurrent use.
type Table[K comparable] struct {
	first, most time.Duration

	mu   sync.Mutex
	seen map[K]failures
}

type failures struct {
	count int
	last  time.Time
}

// New makes a table whose first pause is first and whose longest is most.
func New[K comparable](first, most time.Duration) *Table[K] {
	return &Table[K]{first: first, most: most, seen: make(map[K]failures)}
}

// Failed counts a failure. It gives how many there were without a quiet time, and
// the pause that the last one costs: doubled with each, up to the longest.
func (t *Table[K]) Failed(key K, now time.Time) (count int, pause time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, known := t.seen[key]
	if !known && len(t.seen) >= Entries {
		t.evict(now)
	}
	if now.Sub(f.last) > Forget {
		f.count = 0
	}
	f.count++
	f.last = now
	t.seen[key] = f
	pause = t.first
	for i := 1; i < f.count && pause < t.most; i++ {
		pause *= 2
	}
	return f.count, min(pause, t.most)
}

// Len gives the number of keys in the table.
func (t *Table[K]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.seen)
}

// evict makes room for one more: the oldest of a few, which the order of a map
// chooses at random.
func (t *Table[K]) evict(now time.Time) {
	var oldest K
	last, looked := now.Add(time.Second), 0
	for key, f := range t.seen {
		if f.last.Before(last) {
			oldest, last = key, f.last
		}
		if looked++; looked == looks {
			break
		}
	}
	delete(t.seen, oldest)
}
