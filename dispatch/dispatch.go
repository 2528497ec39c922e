package dispatch

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/dispatch/scan"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/internal/memo"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/trace"
)

// Signer signs what leaves.
type Signer interface {
	// Sign gives the DKIM-Signature fields, each ended by CRLF, that go in
	// front of header. An error defers the message.
	Sign(ctx context.Context, account string, keys []string, header []byte, body io.Reader, t time.Time) ([]byte, error)
}

// Limiter says how much of us a site bears; delivery/egress has one.
type Limiter interface {
	// Allow gives how many attempts may run at the site, those that run
	// included; for 0, wait is when to ask again.
	Allow(site string, now time.Time) (slots int, wait time.Duration)
	// Report tells how an attempt at the site went.
	Report(site string, now time.Time, s egress.Signal)
}

// Contents opens what the spool keeps.
type Contents interface {
	Open(ctx context.Context, id mail.ID) (queue.Content, error)
}

// Options is what a Dispatcher needs. All from Scanner on may be left out.
type Options struct {
	// Queue must tell this dispatcher what happens: its options Ready and
	// Unrouted are the methods of the same names.
	Queue   *queue.Queue
	Spool   Contents
	Router  route.Router
	Carrier delivery.Carrier
	Signer  Signer
	Limiter Limiter
	// Scanner looks at each message before it leaves; nil is none.
	Scanner scan.Scanner
	// Suppression names the recipients that are left out; nil is none.
	Suppression Suppression
	// Sources are told which site refuses which of them, so that another is used;
	// nil: there is one.
	Sources *egress.Sources
	// IdentityVersion grows with each change of an identity of an account, which
	// ends what the identity waits for; nil: nothing changes.
	IdentityVersion func(account, identity string) uint64
	// Retry is the pause after the first failure, the second and so on; the
	// last repeats. One minute to four hours unless given.
	Retry []time.Duration
	// Concurrency is the most attempts at a time, 500 unless given.
	Concurrency int
	// Interest names the consumers that want an event of this type about a
	// message; nil is none ever.
	Interest func(t event.Type, m *queue.Message) []string
	// Late names those who want what comes back for a message after it has left
	// (Feedback); nil is none ever.
	Late func(t event.Type, m *queue.Message) []string
	// Observe is told what became of recipients once that is on stable storage: a
	// Delivery, DeliveryDelay, Bounce, Complaint or Reject. Late is feedback about
	// recipients whose outcome was observed before. It must not wait, nor keep what
	// it is given. A crash leaves calls out. Nil is nobody.
	Observe func(m *queue.Message, t event.Type, rs []event.Recipient, late bool)
	// Trace records attempts and what they came to; nil is nobody.
	Trace   *trace.Recorder
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Dispatcher delivers what the queue has due. It is safe for concurrent use.
type Dispatcher struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	seen    *memo.Table[*finding] // what the scanner said of a message
	lists   sync.Pool             // of *[]event.Recipient, for the observer
	senders senders

	mu sync.Mutex
	// start begins a worker, ask a resolver; both are nil but during Run.
	start   func(*site)
	ask     func()
	end     context.CancelFunc // of Run
	cancel  context.CancelFunc // of the attempts
	free    int                // attempts that may still begin
	sites   map[string]*site
	waiting lines
	others  int                  // workers at sites that are not proven
	proven  map[string]time.Time // sites that answered, and when last
	targets map[string]*target
	asked   []string // domains to resolve
	askers  int      // goroutines that resolve

	fatal   chan struct{} // closed when the spool is broken
	started chan struct{}
	done    chan struct{} // closed at the end of Run
}

// New makes a dispatcher. Nothing happens before Run.
func New(o Options) *Dispatcher {
	if len(o.Retry) == 0 {
		o.Retry = []time.Duration{
			time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
			time.Hour, 2 * time.Hour, 4 * time.Hour,
		}
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 500
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	// Due times lie no further ahead than the longest pause; with a day more no
	// jitter and no small jump of the clock makes a mistake of one.
	o.Queue.Extend(slices.Max(o.Retry) + 24*time.Hour)
	d := &Dispatcher{
		o:       o,
		log:     o.Log,
		metrics: newMetrics(o.Metrics),
		seen:    memo.New[*finding](maxSeen),
		senders: senders{version: o.IdentityVersion},
		free:    o.Concurrency,
		sites:   make(map[string]*site),
		waiting: newLines(),
		proven:  make(map[string]time.Time),
		targets: make(map[string]*target),
		fatal:   make(chan struct{}),
		started: make(chan struct{}),
		done:    make(chan struct{}),
	}
	d.metrics.inForce(o.Metrics, d)
	return d
}

// Run delivers until ctx ends. Then it takes no new lease and waits for the
// attempts under way, which Shutdown can cut short. It returns queue.ErrBroken
// when outcomes cannot be recorded any more. It may be called once.
func (d *Dispatcher) Run(ctx context.Context) error {
	attempts, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ctx, end := context.WithCancel(ctx)
	defer end()
	var workers sync.WaitGroup
	d.mu.Lock()
	d.end, d.cancel = end, cancel
	d.start = func(s *site) { workers.Go(func() { d.work(ctx, attempts, s) }) }
	d.ask = func() { workers.Go(func() { d.resolveAll(ctx) }) }
	for _, s := range d.sites {
		d.pump(s)
	}
	d.startAskers(len(d.asked))
	d.mu.Unlock()
	close(d.started)
	defer close(d.done)

	sweep := time.NewTicker(time.Minute)
	defer sweep.Stop()
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-d.fatal:
			running = false
		case <-sweep.C:
			d.sweep()
		}
	}
	d.mu.Lock()
	d.start, d.ask = nil, nil
	for _, s := range d.sites {
		if s.timer != nil {
			s.timer.Stop()
		}
	}
	d.mu.Unlock()
	workers.Wait()
	d.seen.Close()
	select {
	case <-d.fatal:
		return queue.ErrBroken
	default:
		return nil
	}
}

// Shutdown ends Run and waits for the attempts under way. When its context ends
// they are cancelled; their entries stay due as if they had not been tried. It
// returns when nothing runs any more.
func (d *Dispatcher) Shutdown(ctx context.Context) error {
	select {
	case <-d.started:
	default:
		return nil
	}
	d.mu.Lock()
	end, cancel := d.end, d.cancel
	d.mu.Unlock()
	end()
	select {
	case <-d.done:
		return nil
	case <-ctx.Done():
	}
	cancel()
	<-d.done
	return ctx.Err()
}

// running reports whether leases may still be taken.
func (d *Dispatcher) running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.start != nil
}

// giveUp ends Run: the spool is broken.
func (d *Dispatcher) giveUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.fatal:
	default:
		d.start, d.ask = nil, nil
		d.cancel() // what cannot be recorded should not be done
		close(d.fatal)
	}
}
