package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/mail"
)

// Resolver finds the addresses of a host; *resolver.Resolver is one. Its errors
// are read with resolver.KindOf.
type Resolver interface {
	Addrs(ctx context.Context, host string) ([]netip.Addr, error)
}

// TLSMode is how much TLS a smarthost gets.
type TLSMode int

// The modes. The zero value is as with any other host: TLS where it is offered.
const (
	ClearText   TLSMode = iota + 1 // never
	StartTLS                       // STARTTLS or nothing
	ImplicitTLS                    // from the first octet
)

// Smarthost is how to speak with the host that takes all mail. Which host it is
// stands in the route.
type Smarthost struct {
	TLS            TLSMode
	User, Password string // empty: no AUTH
	// AuthInClear allows the password to be sent without TLS.
	AuthInClear bool
	// RootCAs verifies the certificate where StartTLS or ImplicitTLS asks for
	// TLS; nil is the system's. AnyCertificate takes any.
	RootCAs        *x509.CertPool
	AnyCertificate bool
}

// Options says how SMTP delivers; zero fields take the defaults.
type Options struct {
	Hostname      string // in EHLO, where the source has no name of its own
	Port          uint16 // default 25
	Resolver      Resolver
	Sources       []egress.Source
	AllowNetworks []netip.Prefix // may be delivered to although not public
	TLSMinVersion uint16         // default TLS 1.2

	MessagesPerConnection int           // default 100
	IdleConn              time.Duration // how long a connection is kept; default 5s
	MaxIdleConns          int           // how many are kept in all; default 500
	ConnectTimeout        time.Duration // for each address; default 30s
	// AttemptTimeout bounds a whole attempt, whatever its hosts do; default 1h.
	AttemptTimeout time.Duration
	Timeouts       smtpc.Timeouts
	Send8BitAnyway bool
	Smarthost      *Smarthost

	Log     *slog.Logger          // nil: silent
	Metrics prometheus.Registerer // nil: not registered
}

// SMTP is the Carrier for the outside world. It keeps connections for reuse and
// is safe for concurrent use.
type SMTP struct {
	o       Options
	log     *slog.Logger
	sources *egress.Sources
	guard   *egress.Guard
	tls     *tls.Config
	buffers *smtpc.Buffers
	pool    *pool
	wary    wary
	metrics *metrics

	ctx    context.Context // ends what still runs when Close loses patience
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	work   sync.WaitGroup
}

// New makes a carrier. Close ends it.
func New(o Options) (*SMTP, error) {
	sources, err := egress.NewSources(o.Hostname, o.Sources)
	if err != nil {
		return nil, err
	}
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.IdleConn, 5*time.Second)
	set(&o.ConnectTimeout, 30*time.Second)
	set(&o.AttemptTimeout, time.Hour)
	if o.Port == 0 {
		o.Port = 25
	}
	if o.TLSMinVersion == 0 {
		o.TLSMinVersion = tls.VersionTLS12
	}
	if o.MessagesPerConnection <= 0 {
		o.MessagesPerConnection = 100
	}
	if o.MaxIdleConns <= 0 {
		o.MaxIdleConns = 500
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &SMTP{
		o:       o,
		log:     log,
		sources: sources,
		guard:   egress.NewGuard(o.AllowNetworks, sources.Addrs()),
		tls: &tls.Config{
			MinVersion:         o.TLSMinVersion,
			ClientSessionCache: tls.NewLRUClientSessionCache(1024),
			// Opportunistic TLS takes any certificate: what it would refuse,
			// it would have to send in clear text (RFC 7435 section 3).
			InsecureSkipVerify: true,
		},
		buffers: smtpc.NewBuffers(),
		metrics: newMetrics(o.Metrics),
	}
	s.pool = newPool(o.IdleConn, o.MaxIdleConns, s.retire)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Sources gives the sources that it sends from. Whoever reads what hosts say tells
// them which site refused which.
func (s *SMTP) Sources() *egress.Sources { return s.sources }

// Carry makes one attempt. It gives one outcome per recipient, in order.
func (s *SMTP) Carry(ctx context.Context, r *route.Route, j *Job) []mail.Outcome {
	start := time.Now()
	a := newAttempt(s, r, j)
	if s.begin() {
		defer s.work.Done()
		ctx, cancel := context.WithTimeout(ctx, s.o.AttemptTimeout)
		stop := context.AfterFunc(s.ctx, cancel)
		a.run(ctx)
		stop()
		cancel()
	} else {
		a.settle(*mail.Refuse(421, 3, 2, "Shutting down"))
	}
	dur := time.Since(start)
	for i := range a.out {
		a.out[i].Dur = dur
		s.metrics.outcome(a.out[i].Result)
	}
	s.metrics.dur.Observe(dur.Seconds())
	return a.out
}

// begin counts one piece of work that Close must wait for.
func (s *SMTP) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Add(1)
	}
	return !s.closed
}

// retire ends a connection in good order, without making anyone wait for it.
func (s *SMTP) retire(c *conn) {
	if !s.begin() {
		c.client.Close()
		return
	}
	go func() {
		defer s.work.Done()
		c.client.Quit(s.ctx)
	}()
}

// Close lets attempts finish until ctx is done, then ends them, and waits for
// that. Kept connections are closed in good order.
func (s *SMTP) Close(ctx context.Context) error {
	s.pool.close() // while retire still says QUIT
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.cancel()
	<-done
	return err
}
