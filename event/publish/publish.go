// Package publish tells destinations of the events that wait for them in the
// outbox: one goroutine for each, so that one that hangs holds up neither mail nor
// another. It is a branch of event. It owns the retries, the parking of
// destinations that take nothing for too long, and the lag. It does not know how
// a destination is told.
package publish

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/event"
)

// Options is what a Publisher needs; Log and Metrics may be nil.
type Options struct {
	Outbox event.Outbox
	// Archive keeps what was told for KeepFor, to be told again; nil keeps nothing.
	Archive event.Archive
	KeepFor time.Duration
	// Destinations gives all that there are, now.
	Destinations func() []destination.Destination
	// Open makes the way to one.
	Open func(destination.Destination) (event.Sink, error)
	// Park keeps that a destination is parked.
	Park func(context.Context, destination.Destination) error
	// ParkAfter is how long the oldest event may wait for a destination that
	// refuses it.
	ParkAfter time.Duration
	Log       *slog.Logger
	Metrics   prometheus.Registerer
}

// Publisher tells all destinations. It is safe for concurrent use.
type Publisher struct {
	o       Options
	changed chan struct{} // of capacity one
	metrics metrics

	mu      sync.Mutex
	workers map[string]*worker // by consumer
}

// New makes a publisher.
func New(o Options) *Publisher {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Publisher{o: o, changed: make(chan struct{}, 1), workers: make(map[string]*worker)}
	p.metrics = newMetrics(o.Metrics, p)
	return p
}

// Changed says that destinations were made, changed or deleted. It never waits.
func (p *Publisher) Changed() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Skipped counts an event that was not kept for a destination, since it is parked.
func (p *Publisher) Skipped(d destination.Destination) {
	p.metrics.skipped.WithLabelValues(string(d.Kind)).Inc()
}

// Unreadable logs and counts an event that cannot be written for a destination, each
// time that it is tried.
func (p *Publisher) Unreadable(d destination.Destination, r event.Record, err error) {
	p.metrics.unreadable.WithLabelValues(string(d.Kind)).Inc()
	p.o.Log.Error("event cannot be written, its number alone is told", "account", d.Account, "id", r.Event.Message,
		"text", fmt.Sprintf("%s %d", Consumer(d), r.Seq), "err", err)
}

// Consumer names a destination in the outbox, and each way to one that leads through
// a topic. No name of a destination holds an at sign.
func Consumer(d destination.Destination) string {
	name := d.Name
	if d.Via.Subscription != "" {
		name += "@" + d.Via.Subscription
	}
	return event.DestinationConsumer(d.Account, d.Owner.String(), name)
}

// sweepEvery is how often events are looked for that nobody is told of any more:
// mail that was on its way when its destination was deleted may still leave some.
const sweepEvery = time.Minute

// Run works until ctx is cancelled, and waits for all that it began.
func (p *Publisher) Run(ctx context.Context) error {
	defer p.stop(nil)
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		p.adjust(ctx)
		if err := p.sweep(ctx); err != nil && ctx.Err() == nil {
			p.o.Log.Warn("events of deleted destinations not dropped", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.changed:
		case <-sweep.C:
		}
	}
}

// adjust ends the workers of destinations that changed or went, and begins those
// that are missing.
func (p *Publisher) adjust(ctx context.Context) {
	want := make(map[string]destination.Destination)
	for _, d := range p.o.Destinations() {
		if d.Live() {
			want[Consumer(d)] = d
		}
	}
	p.stop(want)
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, d := range want {
		if p.workers[name] == nil && ctx.Err() == nil {
			w := newWorker(p, name, d)
			p.workers[name] = w
			workerCtx, cancel := context.WithCancel(ctx)
			w.cancel = cancel
			w.wg.Go(func() { w.run(workerCtx) })
		}
	}
}

// stop ends the workers that are not wanted as they are.
func (p *Publisher) stop(want map[string]destination.Destination) {
	p.mu.Lock()
	var ended []*worker
	for name, w := range p.workers {
		if d, ok := want[name]; !ok || !reflect.DeepEqual(d, w.d) {
			ended = append(ended, w)
			delete(p.workers, name)
		}
	}
	p.mu.Unlock()
	for _, w := range ended {
		w.cancel()
	}
	for _, w := range ended {
		w.wg.Wait()
	}
}

// readLimit bounds the events of one destination in memory.
const readLimit = 200

// sweep drops what waits for destinations that were deleted.
func (p *Publisher) sweep(ctx context.Context) error {
	names, err := p.o.Outbox.Consumers(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]bool)
	for _, d := range p.o.Destinations() {
		known[Consumer(d)] = true
	}
	for _, name := range names {
		if !event.IsDestination(name) {
			continue
		}
		if known[name] {
			if err := p.forget(ctx, name, time.Now().Add(-p.o.KeepFor), maxKept); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			continue
		}
		n, err := p.drop(ctx, name)
		if err == nil {
			err = p.forget(ctx, name, time.Now(), 0)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		p.o.Log.Info("events of a deleted destination dropped", "text", name, "to", n)
	}
	return nil
}

// maxKept is about the most events of one destination that are kept after they
// were told.
const maxKept = 100_000

// forget drops what was kept and is old, or too much.
func (p *Publisher) forget(ctx context.Context, name string, before time.Time, most uint64) error {
	if p.o.Archive == nil {
		return nil
	}
	_, err := p.o.Archive.Forget(ctx, name, before, most)
	return err
}

// ack is the end of events that were told.
func (p *Publisher) ack(ctx context.Context, name string, seqs []uint64) error {
	if p.o.Archive == nil || p.o.KeepFor <= 0 {
		return p.o.Outbox.Ack(ctx, name, seqs...)
	}
	return p.o.Archive.Keep(ctx, name, seqs...)
}

func (p *Publisher) drop(ctx context.Context, name string) (n int, err error) {
	for {
		records, err := p.o.Outbox.Read(ctx, name, 0, readLimit)
		if err != nil || len(records) == 0 {
			return n, err
		}
		seqs := make([]uint64, len(records))
		for i, r := range records {
			seqs[i] = r.Seq
		}
		if err := p.o.Outbox.Ack(ctx, name, seqs...); err != nil {
			return n, err
		}
		n += len(seqs)
	}
}
