package quota

import (
	"math"
	"sync"
	"time"
)

// Burst is how many seconds' worth of its rate a rested account may send at once.
const Burst = 5

// maxBuckets bounds the memory; beyond it full buckets are forgotten, which
// changes nothing.
const maxBuckets = 10_000

// Rates keeps a token bucket for each key, usually an account. A message is
// admitted while there are tokens and then takes one for each recipient, debt
// allowed, so that a large message is not shut out for ever. The zero value is
// ready, and safe for concurrent use.
type Rates struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// Take asks for n recipients at a rate a second, which is positive. When they
// may go now it gives zero. Otherwise it gives how long until one may, and takes
// nothing unless that is within patience: then they are booked, and may go after
// that time.
func (r *Rates) Take(key string, rate float64, n int, now time.Time, patience time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bucket(key, rate, now)
	if b.tokens > 0 {
		b.tokens -= float64(n)
		return 0
	}
	wait := b.wait(rate)
	if wait <= patience {
		b.tokens -= float64(n)
	}
	return wait
}

// Give gives back what Take took for n recipients that were refused after all.
func (r *Rates) Give(key string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b := r.buckets[key]; b != nil {
		b.tokens += float64(n) // bucket keeps it from running over
	}
}

// Look tells how many recipients a key has at hand, negative for debt, and how
// long until one may go.
func (r *Rates) Look(key string, rate float64, now time.Time) (tokens float64, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bucket(key, rate, now)
	if b.tokens > 0 {
		return b.tokens, 0
	}
	return b.tokens, b.wait(rate)
}

// wait is how long until a bucket that is empty or in debt has something. It is
// never zero.
func (b *bucket) wait(rate float64) time.Duration {
	return time.Duration(math.Min(-b.tokens/rate*float64(time.Second), math.MaxInt64/2)) + time.Millisecond
}

// bucket gives a key's bucket, filled up to now.
func (r *Rates) bucket(key string, rate float64, now time.Time) *bucket {
	full := math.Max(1, Burst*rate)
	b := r.buckets[key]
	if b == nil {
		if len(r.buckets) >= maxBuckets {
			r.forget(now)
		}
		b = &bucket{full, now}
		if r.buckets == nil {
			r.buckets = make(map[string]*bucket)
		}
		r.buckets[key] = b
		return b
	}
	// A clock that was set back fills nothing and takes nothing.
	if d := now.Sub(b.at); d > 0 {
		b.tokens += d.Seconds() * rate
	}
	b.tokens, b.at = math.Min(b.tokens, full), now
	return b
}

// forget drops buckets that were not used for an hour and hold no debt.
func (r *Rates) forget(now time.Time) {
	for key, b := range r.buckets {
		if b.tokens >= 0 && now.Sub(b.at) > time.Hour {
			delete(r.buckets, key)
		}
	}
}

// Spent says, for a key that Take sent away, how far its rate is used and when it
// frees. Of what a rested account may send at once, that is Burst seconds' worth,
// used is what has not come back yet.
func (r *Rates) Spent(key string, rate float64, now time.Time) (used, full float64, frees time.Time) {
	tokens, wait := r.Look(key, rate, now)
	full = math.Max(1, Burst*rate)
	return full - tokens, full, now.Add(wait)
}

// Len gives the number of buckets.
func (r *Rates) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.buckets)
}
