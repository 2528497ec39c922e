package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/account/reputation"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/account/suppression/imports"
	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/account/topic"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/api/public"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/simulator"
	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/event/contact"
	"github.com/sesame-mta/sesame/event/counters"
	"github.com/sesame-mta/sesame/event/forward"
	"github.com/sesame-mta/sesame/event/publish"
	"github.com/sesame-mta/sesame/event/webhook"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/receiving"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/store/bolt"
	"github.com/sesame-mta/sesame/submission"
	"github.com/sesame-mta/sesame/trace"
)

// stopTime is how long sessions and attempts may take to finish after the order
// to stop.
const stopTime = 20 * time.Second

// Options is what a Daemon is made from.
type Options struct {
	Config *config.Config
	Log    *slog.Logger
	// Carrier replaces delivery to the outside, for sesame dev.
	Carrier delivery.Carrier
	// Version is shown by the status command.
	Version string
}

// Daemon is the whole server. Make it with New, then Run it once.
type Daemon struct {
	o       Options
	cfg     *config.Config
	log     *slog.Logger
	metrics *prometheus.Registry
	ready   atomic.Bool
	started time.Time

	listeners listeners
	cert      *certificate

	keys         *keyfile.File
	spool        *bolt.Spool
	books        *bolt.Books
	accounts     *account.Book
	auth         *auth.Book
	rates        quota.Rates
	identities   *identity.Book
	sets         *configset.Book
	templates    *template.Book
	destinations *destination.Book
	topics       *topic.Book
	suppression  *suppression.Lists
	imports      *imports.Book
	reputation   *reputation.Book
	trace        *trace.Recorder
	checker      *identity.Checker
	minter       *mail.Minter

	simulations simulator.Domains

	queue    *queue.Queue
	desk     *submission.Desk
	carrier  delivery.Carrier
	sources  *egress.Sources // nil: the carrier has none
	dispatch *dispatch.Dispatcher
	receiver *receiving.Receiver
	forward  *forward.Forwarder
	contact  *contact.Mailer

	publisher *publish.Publisher
	counters  *counters.Counters
	hooks     *http.Client
	herald    *webhook.Herald
	signer    *webhook.Signer // nil: no SNS

	smtpd *smtpd.Server
	admin *admin.Server

	owned   []string // folders that bind made, for the configured user
	closers []func() error
}

// New binds every listener, gives up root when the file names a user, opens the
// data directory and builds the rooms. Nothing is accepted before Run.
func New(ctx context.Context, o Options) (_ *Daemon, err error) {
	d := &Daemon{o: o, cfg: o.Config, log: o.Log, metrics: prometheus.NewRegistry(), started: time.Now()}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	d.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	steps := []func(context.Context) error{
		d.bind, d.dropRoot, d.openCertificate, d.openData, d.openBooks, d.buildQueue, d.buildPublisher, d.buildDelivery, d.buildChecker, d.buildDoors,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// logger gives the log of one room.
func (d *Daemon) logger(room string) *slog.Logger { return d.log.With("component", room) }

// Run serves until ctx is cancelled or a room fails for good. Then it stops the
// doors, lets sessions and attempts finish for up to 20 seconds, and returns
// what went wrong, if anything did.
func (d *Daemon) Run(ctx context.Context) error {
	// Rooms that serve what is under way outlive the doors: they end when end is
	// called, the doors when the group's context is.
	inner, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	back, backCtx := errgroup.WithContext(inner)
	back.Go(func() error { return d.queue.Run(backCtx) })
	back.Go(func() error { return d.trace.Run(backCtx) })
	back.Go(func() error { return d.accounts.Run(backCtx) })
	back.Go(func() error { return d.quotaWatch().Run(backCtx) })
	back.Go(func() error { return d.reputation.Run(backCtx) })
	back.Go(func() error { return d.forward.Run(backCtx) })
	back.Go(func() error { return d.publisher.Run(backCtx) })
	back.Go(func() error { return d.herald.Run(backCtx) })
	back.Go(func() error { return d.collector().Run(backCtx) })
	back.Go(func() error { return d.answers().Run(backCtx) })
	back.Go(func() error { return d.suppression.Run(backCtx) })
	back.Go(func() error { return d.imports.Run(backCtx) })
	if l := d.listeners.metrics; l != nil {
		h := healthMux(d.metrics, func() error { return d.spool.Room(0) }, d.ready.Load)
		back.Go(func() error { return serveHTTP(backCtx, l, h) })
	}
	back.Go(func() error { return d.admin.Serve(backCtx, d.listeners.admin) })
	back.Go(func() error { d.cert.watch(backCtx); return nil })

	back.Go(func() error { return d.checker.Run(backCtx) })
	if l := d.listeners.public; l != nil {
		h := public.New(public.Options{Service: d.serviceDomain(), Verifier: verifier{d.identities},
			Unsubscriber: newUnsubscriber(d), Log: d.logger("public")})
		back.Go(func() error { return serveHTTP(backCtx, l, d.withSNS(h)) })
	}

	front, frontCtx := errgroup.WithContext(ctx)
	front.Go(func() error { return d.dispatch.Run(frontCtx) })
	front.Go(func() error { return d.smtpd.Serve(frontCtx) })
	front.Go(func() error { return d.serveAPI(frontCtx) })
	front.Go(func() error {
		// A failure behind stops the doors too.
		select {
		case <-frontCtx.Done():
			return nil
		case <-backCtx.Done():
			return context.Cause(backCtx)
		case <-d.spool.Down():
			return d.spool.Err() // all that is left is to be started anew
		}
	})
	d.ready.Store(true)
	d.tell("READY=1")
	d.log.Info("server started", "text", d.o.Version)

	<-frontCtx.Done()
	d.ready.Store(false)
	d.tell("STOPPING=1")
	d.log.Info("server stopping")
	deadline, cancel := context.WithTimeout(inner, stopTime)
	defer cancel()
	var g errgroup.Group
	g.Go(func() error { return d.smtpd.Shutdown(deadline) })
	g.Go(func() error { return d.dispatch.Shutdown(deadline) })
	stopErr := g.Wait()
	if errors.Is(stopErr, context.DeadlineExceeded) {
		d.log.Warn("stopped before all sessions and attempts had ended")
		stopErr = nil
	}
	err := front.Wait()
	end()
	if backErr := back.Wait(); backErr != nil && err == nil {
		err = backErr
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, stopErr)
}

// Reload reads the certificate again.
func (d *Daemon) Reload() {
	d.tell("RELOADING=1")
	d.cert.reload()
	d.tell("READY=1")
}

// Close releases what New took, in reverse. It is called after Run.
func (d *Daemon) Close() error {
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		if err := d.closers[i](); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	d.closers = nil
	return errors.Join(errs...)
}

func (d *Daemon) onClose(f func() error) { d.closers = append(d.closers, f) }

// tlsVersions are the values of the version keys, which config has checked.
var tlsVersions = map[string]uint16{
	"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
}

// tlsConfig is that of every listener.
func (d *Daemon) tlsConfig() *tls.Config {
	return &tls.Config{GetCertificate: d.cert.get, MinVersion: tlsVersions[d.cfg.TLS.MinVersion]}
}
