package throttle

import (
	"sync"
	"time"
)

// How many refusals are written down: of one key a few at once and then few a
// minute, of all together never so many that a flood could fill a disk (86,400 a
// day).
const (
	KeyBurst = 10
	KeyEvery = 30 * time.Second
	AllBurst = 200
	AllEvery = time.Second
)

// Notes says which refusals are written down and counts those that are not. It is
// safe for concurrent use.
type Notes[K comparable] struct {
	mu   sync.Mutex
	all  allowance
	seen map[K]*allowance
}

// allowance is what is left of a burst.
type allowance struct {
	left   float64
	at     time.Time
	missed int64 // since the last that was written down
}

// NewNotes makes an empty table.
func NewNotes[K comparable]() *Notes[K] { return &Notes[K]{seen: make(map[K]*allowance)} }

// Take reports whether a refusal of a key is to be written down, and then how many
// before it were not.
func (n *Notes[K]) Take(key K, now time.Time) (ok bool, missed int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	own := n.seen[key]
	if own == nil {
		if len(n.seen) >= Entries {
			n.evict(now)
		}
		own = &allowance{}
		n.seen[key] = own
	}
	own.fill(now, KeyBurst, KeyEvery)
	n.all.fill(now, AllBurst, AllEvery)
	if own.left < 1 || n.all.left < 1 {
		own.missed++
		return false, 0
	}
	own.left--
	n.all.left--
	missed, own.missed = own.missed, 0
	return true, missed
}

// fill gives back what time brought.
func (a *allowance) fill(now time.Time, burst float64, every time.Duration) {
	if a.at.IsZero() {
		a.left, a.at = burst, now
		return
	}
	if d := now.Sub(a.at); d > 0 {
		a.left = min(burst, a.left+float64(d)/float64(every))
		a.at = now
	}
}

// Len gives the number of keys in the table.
func (n *Notes[K]) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.seen)
}

// evict makes room for one more: the key that was quiet the longest, of a few.
func (n *Notes[K]) evict(now time.Time) {
	var oldest K
	last, looked := now.Add(time.Second), 0
	for key, a := range n.seen {
		if a.at.Before(last) {
			oldest, last = key, a.at
		}
		if looked++; looked == looks {
			break
		}
	}
	delete(n.seen, oldest)
}
