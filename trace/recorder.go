package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Bounds in memory, and times.
const (
	maxWaiting = 8192     // records that wait to be written
	maxHeld    = 16 << 20 // octets of them
	blockSize  = 128 << 10
	linger     = time.Second // the longest that a record waits for its block to fill
	// rest is the pause after which what came meanwhile is taken: to be woken up for
	// each record costs as much as to take it, and is paid by who brings it.
	rest       = 20 * time.Millisecond
	sweepEvery = 10 * time.Minute
)

// Options is what a Recorder needs.
type Options struct {
	Dir string // made if it is not there, mode 0700
	// Keep is how long records are kept, 30 days unless given; MaxBytes how much
	// the files may take, 1 GiB unless given. What is too old or too much goes by
	// whole files, oldest first.
	Keep     time.Duration
	MaxBytes int64
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// Recorder takes records and keeps them. A nil Recorder takes nothing, at no cost.
// It is safe for concurrent use.
type Recorder struct {
	o       Options
	log     *slog.Logger
	metrics metrics

	in      chan *Record
	held    atomic.Int64 // octets in the channel
	dropped atomic.Int64 // records not yet told of
	asked   chan chan struct{}
	done    chan struct{} // closed at the end of Run

	// own guards what follows where Run does not run; where it does, they are its
	// goroutine's alone.
	own     sync.Mutex
	running bool
	block   *block
	written time.Time // when the last block was written well
	warned  time.Time

	mu       sync.Mutex
	segments []*segment
	file     *os.File // the last segment, open to append; nil before the first block
	total    int64
}

// segment is one file. It holds what was recorded from start on, until that of the
// next.
type segment struct {
	path  string
	start time.Time
	size  int64
}

// suffix ends the names of segments; before it stands their start in Unix
// milliseconds.
const suffix = ".trace"

// Open makes a recorder. Nothing is written before Run. A tail that a crash left
// torn is cut off.
func Open(o Options) (*Recorder, error) {
	if o.Keep <= 0 {
		o.Keep = 30 * 24 * time.Hour
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b, err := newBlock()
	if err != nil {
		return nil, err
	}
	r := &Recorder{o: o, log: o.Log, metrics: newMetrics(o.Metrics), block: b, written: time.Now(),
		in: make(chan *Record, maxWaiting), asked: make(chan chan struct{}), done: make(chan struct{})}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open trace: %w", err)
	}
	if err := r.list(); err != nil {
		return nil, fmt.Errorf("open trace: %w", err)
	}
	if n := len(r.segments); n > 0 {
		s := r.segments[n-1]
		last, closed, err := mend(s.path)
		if err != nil {
			return nil, fmt.Errorf("open trace: %w", err)
		}
		if info, err := os.Stat(s.path); err == nil {
			r.total += info.Size() - s.size
			s.size = info.Size()
		}
		if last.IsZero() {
			last = s.start
		}
		if !closed {
			r.Add(&Record{Kind: Lost, Time: time.Now(), Since: last, Text: "the server was not stopped in good order"})
		}
	}
	r.sweep(time.Now())
	return r, nil
}

// list reads which segments there are.
func (r *Recorder) list() error {
	entries, err := os.ReadDir(r.o.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		var start int64
		if _, err := fmt.Sscanf(name, "%d", &start); !ok || err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		r.segments = append(r.segments, &segment{filepath.Join(r.o.Dir, e.Name()), time.UnixMilli(start), info.Size()})
		r.total += info.Size()
	}
	slices.SortFunc(r.segments, func(a, b *segment) int { return a.start.Compare(b.start) })
	return nil
}

// On reports whether records are taken: what only a record needs is then worth
// gathering.
func (r *Recorder) On() bool { return r != nil }

// Add takes a record. It never waits: when too much is waiting to be written the
// record is dropped, and a Lost record will say so.
func (r *Recorder) Add(rec *Record) {
	if r == nil {
		return
	}
	rec.bound()
	n := rec.octets()
	if r.held.Add(n) <= maxHeld {
		select {
		case r.in <- rec:
			return
		default:
		}
	}
	r.held.Add(-n)
	r.drop(1)
}

func (r *Recorder) drop(n int64) {
	r.dropped.Add(n)
	r.metrics.dropped.Add(float64(n))
}

// Run writes records until ctx ends. It may be called once.
func (r *Recorder) Run(ctx context.Context) error {
	if r == nil {
		<-ctx.Done()
		return nil
	}
	r.own.Lock()
	r.running = true
	r.own.Unlock()
	defer func() {
		r.own.Lock()
		defer r.own.Unlock()
		r.running = false
		close(r.done)
	}()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	flush := time.NewTimer(linger)
	flush.Stop()
	defer flush.Stop()
	again := time.NewTimer(rest)
	defer again.Stop()
	in := r.in // nil while it rests
	for {
		select {
		case <-ctx.Done():
			return nil
		case rec := <-in:
			if r.block.records == 0 {
				flush.Reset(linger)
			}
			r.take(rec)
			in = nil
			again.Reset(rest)
		case <-again.C:
			in = r.in
			if len(in) == 0 {
				break
			}
			if r.block.records == 0 {
				flush.Reset(linger)
			}
			r.drain()
			in = nil
			again.Reset(rest)
		case <-flush.C:
			r.write(0)
		case answer := <-r.asked:
			r.drain()
			r.write(0)
			close(answer)
		case now := <-sweep.C:
			r.sweep(now)
		}
	}
}

// Close writes what waits. It is called after Run.
func (r *Recorder) Close() error {
	if r == nil {
		return nil
	}
	r.own.Lock()
	defer r.own.Unlock()
	r.drain()
	r.write(flagClosed)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// drain takes what waits now.
func (r *Recorder) drain() {
	for range len(r.in) {
		r.take(<-r.in)
	}
}

func (r *Recorder) take(rec *Record) {
	r.held.Add(-rec.octets())
	if err := r.block.add(rec); err != nil {
		r.log.Warn("record not kept", "id", rec.ID, "err", err)
		r.drop(1)
		return
	}
	if len(r.block.raw) >= blockSize {
		r.write(0)
	}
}

// write puts the block on disk, and says first what was lost since the last time.
func (r *Recorder) write(flags uint32) {
	now := time.Now()
	missing := r.dropped.Swap(0)
	if missing > 0 {
		err := r.block.add(&Record{Kind: Lost, Time: now, Since: r.written, Missing: missing, Text: "the trace could not keep up"})
		if err != nil {
			r.log.Warn("record not kept", "err", err)
		}
	}
	n := int64(r.block.records)
	if n == 0 && flags == 0 {
		return
	}
	p, err := r.block.seal(flags)
	if err == nil {
		err = r.append(p, now)
	}
	if err != nil {
		r.dropped.Add(missing)
		r.drop(n)
		r.metrics.failed.Inc()
		if now.Sub(r.warned) > time.Minute {
			r.log.Warn("trace not written", "err", err)
			r.warned = now
		}
		return
	}
	r.written = now
	r.metrics.records.Add(float64(n))
	r.metrics.octets.Add(float64(len(p)))
}

// append writes one block to the last segment, or begins another. Nothing is
// synced: what a crash of the machine costs, the trace may lose.
func (r *Recorder) append(p []byte, now time.Time) error {
	r.mu.Lock()
	full := r.file == nil
	if n := len(r.segments); !full {
		last := r.segments[n-1]
		full = last.size+int64(len(p)) > r.segmentSize() || now.Sub(last.start) > r.o.Keep/16
	}
	r.mu.Unlock()
	if full {
		if err := r.begin(now); err != nil {
			return err
		}
	}
	s := r.segments[len(r.segments)-1]
	if _, err := r.file.WriteAt(p, s.size); err != nil {
		return errors.Join(err, r.file.Truncate(s.size))
	}
	r.mu.Lock()
	s.size += int64(len(p))
	r.total += int64(len(p))
	over := r.total > r.o.MaxBytes
	r.mu.Unlock()
	if over {
		r.sweep(now)
	}
	return nil
}

func (r *Recorder) segmentSize() int64 { return min(max(r.o.MaxBytes/16, 64<<10), 64<<20) }

// begin makes a new segment.
func (r *Recorder) begin(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	start := now.Truncate(time.Millisecond)
	if n := len(r.segments); n > 0 && !start.After(r.segments[n-1].start) {
		start = r.segments[n-1].start.Add(time.Millisecond) // the clock went back; names may not
	}
	path := filepath.Join(r.o.Dir, fmt.Sprintf("%013d", start.UnixMilli())+suffix)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if r.file != nil {
		_ = r.file.Close() // each write has told of its own errors
	}
	r.file = f
	r.segments = append(r.segments, &segment{path: path, start: start})
	return nil
}

// sweep removes the segments that are too old, and the oldest while there is too
// much. The one that is written to stays.
func (r *Recorder) sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.segments) > 1 {
		first, end := r.segments[0], r.segments[1].start
		if now.Sub(end) <= r.o.Keep && r.total <= r.o.MaxBytes {
			return
		}
		if err := os.Remove(first.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			r.log.Warn("old trace not removed", "err", err)
			return
		}
		r.total -= first.size
		r.segments = r.segments[1:]
	}
}

// files gives the segments as they are now, all that was added before included.
func (r *Recorder) files(ctx context.Context) ([]segment, error) {
	r.own.Lock()
	running := r.running
	if !running {
		r.drain()
		r.write(0)
	}
	r.own.Unlock()
	if running {
		answer := make(chan struct{})
		select {
		case r.asked <- answer:
			<-answer
		case <-r.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]segment, len(r.segments))
	for i, s := range r.segments {
		list[i] = *s
	}
	return list, nil
}
