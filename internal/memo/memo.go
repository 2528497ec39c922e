// Package memo remembers what was slow to find out: a table bounded in size,
// with an end of validity for each value, in which any number of callers that
// miss the same key wait for one load.
// It does not know what the values are, and imports no room.
package memo

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is what Get gives after Close.
var ErrClosed = errors.New("memo: table is closed")

// Load finds the value of a key and says until when it is good. The old value
// is the one whose validity has ended, if the table still has it: a load that
// fails may give it again. The context ends with the table, not with the caller,
// since other callers may wait for the same load.
type Load[V any] func(ctx context.Context, old *V) (V, time.Time)

// Table is the memory. It is safe for use by many goroutines.
type Table[V any] struct {
	max    int
	ctx    context.Context // ends at Close; loads run under it
	cancel context.CancelFunc
	loads  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	entries map[string]*list.Element // of *entry[V]
	recent  *list.List               // most recently used first
	flights map[string]*flight[V]
}

type entry[V any] struct {
	key   string
	value V
	until time.Time
}

type flight[V any] struct {
	done  chan struct{}
	value V
}

// New gives a table of at most max values; the least recently used goes first.
func New[V any](max int) *Table[V] {
	t := &Table[V]{
		max:     max,
		entries: make(map[string]*list.Element),
		recent:  list.New(),
		flights: make(map[string]*flight[V]),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Get gives the value of a key, from memory while it is good, else from load.
// The error is that of ctx, or ErrClosed.
func (t *Table[V]) Get(ctx context.Context, key string, load Load[V]) (V, error) {
	var zero V
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return zero, ErrClosed
	}
	var old *V
	if el := t.entries[key]; el != nil {
		t.recent.MoveToFront(el)
		e := el.Value.(*entry[V])
		if time.Now().Before(e.until) {
			t.mu.Unlock()
			return e.value, nil
		}
		old = &e.value
	}
	f := t.flights[key]
	if f == nil {
		f = &flight[V]{done: make(chan struct{})}
		t.flights[key] = f
		t.loads.Add(1)
		go t.run(key, f, load, old)
	}
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.value, nil
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

// run makes one load and keeps its value.
func (t *Table[V]) run(key string, f *flight[V], load Load[V], old *V) {
	defer t.loads.Done()
	value, until := load(t.ctx, old)
	f.value = value
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.flights, key)
	close(f.done)
	if el := t.entries[key]; el != nil {
		// A new entry, not a changed one: a reader may hold the old value.
		el.Value = &entry[V]{key, value, until}
		t.recent.MoveToFront(el)
		return
	}
	t.entries[key] = t.recent.PushFront(&entry[V]{key, value, until})
	if t.recent.Len() > t.max {
		last := t.recent.Back()
		t.recent.Remove(last)
		delete(t.entries, last.Value.(*entry[V]).key)
	}
}

// Len gives the number of values held, good or not.
func (t *Table[V]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.recent.Len()
}

// Close ends the loads under way and waits for them.
func (t *Table[V]) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.loads.Wait()
}
