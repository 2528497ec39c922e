package publish

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
)

// Pauses after a failure: the first, doubled up to the last, with jitter.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
)

// worker tells one destination.
type worker struct {
	p        *Publisher
	consumer string
	d        destination.Destination
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	oldest atomic.Int64 // time of the oldest event that waits, in milliseconds; 0: none

	// held are the events that were refused, and when to try again. Others of the
	// same message wait behind them.
	held     map[uint64]hold
	failures int // in a row, of everything
}

type hold struct {
	tries int
	until time.Time
}

func newWorker(p *Publisher, consumer string, d destination.Destination) *worker {
	return &worker{p: p, consumer: consumer, d: d, held: make(map[uint64]hold)}
}

var errNothingTaken = errors.New("destination took nothing and did not say why")

// run tells the destination until ctx ends or it is parked.
func (w *worker) run(ctx context.Context) {
	log := w.p.o.Log.With("account", w.d.Account, "text", w.consumer)
	var sink event.Sink
	defer func() {
		if sink != nil {
			if err := sink.Close(); err != nil {
				log.Warn("destination not closed", "err", err)
			}
		}
	}()
	for {
		if sink == nil {
			var err error
			if sink, err = w.p.o.Open(w.d); err != nil {
				sink = nil
				if !w.failed(ctx, err) {
					return
				}
				continue
			}
		}
		wait, err := w.pass(ctx, sink)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if !w.failed(ctx, err) {
				return
			}
			continue
		}
		w.failures = 0
		if wait == 0 {
			continue
		}
		if !w.rest(ctx, wait, true) {
			return
		}
	}
}

// forever is a wait that only an event ends.
const forever = 24 * time.Hour

// pass tells what may be told now and gives how long there is nothing to do. An
// error means that the destination took nothing at all.
func (w *worker) pass(ctx context.Context, sink event.Sink) (time.Duration, error) {
	records, err := w.p.o.Outbox.Read(ctx, w.consumer, 0, readLimit)
	if err != nil {
		return 0, err
	}
	w.note(records)
	if err := sink.Ready(ctx); err != nil {
		return 0, err
	}
	due, next := w.due(records, time.Now())
	if len(due) == 0 {
		return next, nil
	}
	told, err := sink.Tell(ctx, due)
	if len(told) > 0 {
		// What was told is acknowledged even when the run ends.
		if err := w.p.ack(context.WithoutCancel(ctx), w.consumer, told); err != nil {
			return 0, err
		}
		w.p.metrics.told.WithLabelValues(string(w.d.Kind)).Add(float64(len(told)))
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	taken := make(map[uint64]bool, len(told))
	for _, seq := range told {
		taken[seq] = true
		delete(w.held, seq)
	}
	if err == nil && len(told) < len(due) {
		err = errNothingTaken
	}
	if len(told) == 0 {
		return 0, err
	}
	// It lives, and refused some: they step aside for a while.
	w.hold(due, taken)
	if err != nil {
		w.p.metrics.failures.WithLabelValues(string(w.d.Kind)).Inc()
		if w.parks(ctx, err) {
			return 0, err
		}
	}
	return 0, nil
}

// note remembers how old the oldest event is that waits.
func (w *worker) note(records []event.Record) {
	oldest := int64(0)
	if len(records) > 0 {
		oldest = records[0].Event.Time.UnixMilli()
	}
	w.oldest.Store(oldest)
}

// due gives the records that may be told now: those that are not held, and whose
// message has none before them that is. If there is none, next is when one may be.
func (w *worker) due(records []event.Record, now time.Time) (due []event.Record, next time.Duration) {
	next = forever
	behind := make(map[mail.ID]bool)
	for _, r := range records {
		h, held := w.held[r.Seq]
		if held && h.until.After(now) {
			behind[r.Event.Message] = true
			next = min(next, h.until.Sub(now))
			continue
		}
		if !behind[r.Event.Message] {
			due = append(due, r)
		}
	}
	return due, next
}

// hold sets the refused aside: of each message the first, which holds the others.
func (w *worker) hold(due []event.Record, taken map[uint64]bool) {
	seen := make(map[mail.ID]bool)
	for _, r := range due {
		if taken[r.Seq] || seen[r.Event.Message] {
			continue
		}
		seen[r.Event.Message] = true
		h := w.held[r.Seq]
		h.tries++
		h.until = time.Now().Add(pause(h.tries))
		w.held[r.Seq] = h
	}
}

// pause gives the time after so many failures: 1 s, 2 s, … 5 minutes, 20 % more or
// less.
func pause(failures int) time.Duration {
	d := min(firstPause<<min(failures-1, 20), lastPause)
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// failed counts a failure and waits. It gives false when the worker must end.
func (w *worker) failed(ctx context.Context, err error) bool {
	if ctx.Err() != nil || w.parks(ctx, err) {
		return false
	}
	w.failures++
	w.p.metrics.failures.WithLabelValues(string(w.d.Kind)).Inc()
	wait := pause(w.failures)
	w.p.o.Log.Warn("destination took no events", "account", w.d.Account, "text", w.consumer,
		"attempt", w.failures, "dur", wait, "err", err)
	return w.rest(ctx, wait, false)
}

// rest waits for a time, or with wake for a new event. It gives false when ctx ended.
func (w *worker) rest(ctx context.Context, wait time.Duration, wake bool) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	var changed <-chan struct{}
	if wake {
		changed = w.p.o.Outbox.Changed(w.consumer)
	}
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-t.C:
	}
	return true
}

// parks parks a destination whose oldest event has waited for too long.
func (w *worker) parks(ctx context.Context, cause error) bool {
	oldest := w.oldest.Load()
	if oldest == 0 {
		return false
	}
	since := time.UnixMilli(oldest)
	if w.d.Resumed.After(since) {
		since = w.d.Resumed
	}
	if time.Since(since) < w.p.o.ParkAfter {
		return false
	}
	if err := w.p.o.Park(ctx, w.d); err != nil {
		w.p.o.Log.Error("destination not parked", "account", w.d.Account, "text", w.consumer, "err", err)
		return false
	}
	w.p.metrics.parked.WithLabelValues(string(w.d.Kind)).Inc()
	w.p.o.Log.Error("destination parked: its events wait for sesame destination replay, new ones are not kept",
		"account", w.d.Account, "text", w.consumer, "dur", time.Since(since).Truncate(time.Second), "err", cause)
	w.cancel() // nothing is told until it is resumed
	return true
}
