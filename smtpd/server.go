package smtpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sesame-mta/sesame/smtpd/internal/guard"
	"github.com/sesame-mta/sesame/smtpd/internal/throttle"
)

// Server serves all SMTP listeners.
type Server struct {
	opts      Options
	limits    Limits
	log       *slog.Logger
	metrics   *metrics
	guard     *guard.Config
	smtp      *smtp.Server
	networks  *throttle.Table[netip.Prefix] // that failed to authenticate
	users     *throttle.Table[string]       // and for whom
	notes     *throttle.Notes[noteKey]
	door      *door
	rates     *throttle.Rates
	listeners []*listener

	base    context.Context // of all sessions; cancelled by cut
	cancel  context.CancelFunc
	stopped chan struct{} // closed by stop
	once    sync.Once
	mu      sync.Mutex
	ended   chan struct{} // closed when Serve is done; nil before Serve
}

// New makes a server for listeners that are bound already.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	l := o.Limits.withDefaults()
	if o.TLS != nil && len(o.TLS.NextProtos) == 0 {
		// A browser that was led here asks for "h2" or "http/1.1" and ends in the
		// handshake (ALPACA); mail clients ask for nothing.
		o.TLS = o.TLS.Clone()
		o.TLS.NextProtos = []string{"smtp"}
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		opts: o, limits: l, log: log,
		metrics:  newMetrics(o.Metrics),
		networks: throttle.New[netip.Prefix](l.AuthDelay, l.AuthDelayMax),
		users:    throttle.New[string](0, 0),
		notes:    throttle.NewNotes[noteKey](),
		door:     newDoor(l.Connections, l.ConnectionsPerIP),
		rates:    throttle.NewRates(l.StrangerMessages),
		stopped:  make(chan struct{}),
		guard: guard.NewConfig(o.Hostname, o.TLS, guard.Limits{
			MessageBytes: l.MessageBytes,
			Recipients:   l.Recipients,
			Messages:     l.MessagesPerConnection,
			Errors:       l.Errors,
			Junk:         l.Junk,
			LineOctets:   l.LineOctets,
			MinRate:      l.DataRate,
			Idle:         l.IdleTimeout,
			IdleUnknown:  l.IdleTimeoutUnknown,
			IdleStrict:   l.IdleTimeoutStrict,
			DataTimeout:  l.DataTimeout,
			WriteTimeout: l.WriteTimeout,
			Handshake:    l.HandshakeTimeout,
		}, log),
	}
	s.guard.Refused = s.refusedCommand
	s.base, s.cancel = context.WithCancel(context.Background())
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.newSession))
	s.smtp.Domain = o.Hostname
	s.smtp.AllowInsecureAuth = true // the guard decides, and has the TLS
	s.smtp.MaxLineLength = 0        // as it has all limits
	s.smtp.ErrorLog = errorLog{log}
	if o.TLS != nil && len(o.Feedback) > 0 {
		s.guard.OpenTLS = o.TLS.Clone()
		s.guard.OpenTLS.SessionTicketsDisabled = true
	}
	for _, raw := range o.Feedback {
		s.listeners = append(s.listeners, &listener{Listener: raw, server: s, open: true})
	}
	for _, raw := range o.Starttls {
		s.listeners = append(s.listeners, &listener{Listener: raw, server: s})
	}
	for _, raw := range o.ImplicitTLS {
		s.listeners = append(s.listeners, &listener{Listener: raw, server: s, implicit: true})
	}
	return s, nil
}

// Serve accepts connections until ctx is cancelled, Shutdown is called or a
// listener fails, which is the error it returns. It comes back when the last
// session has ended: those between two transactions are told 421, the others may
// finish within Limits.Grace or Shutdown's deadline, whichever is first.
func (s *Server) Serve(ctx context.Context) error {
	s.mu.Lock()
	if s.ended != nil {
		s.mu.Unlock()
		return errors.New("smtpd: served already")
	}
	s.ended = make(chan struct{})
	s.mu.Unlock()
	defer close(s.ended)

	failed := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { failed <- s.smtp.Serve(l) }()
	}
	running := len(s.listeners)
	var err error
	select {
	case <-ctx.Done():
	case <-s.stopped:
	case err = <-failed:
		running--
	}
	s.stop()
	for ; running > 0; running-- {
		if late := <-failed; err == nil {
			err = late // net.ErrClosed, by our own hand, or worse
		}
	}
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		_ = s.smtp.Shutdown(context.Background()) // waits for the sessions; the listeners are closed
	}()
	grace := time.NewTimer(s.limits.Grace)
	defer grace.Stop()
	select {
	case <-quiet:
	case <-grace.C:
		s.cut()
		<-quiet
	}
	s.cancel()
	if err == nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("smtpd: %w", err)
}

// Shutdown makes Serve end and waits for it. When ctx ends first, the sessions
// that are left are cut off, and the error is that of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	if ended == nil {
		return nil
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		s.cut()
		<-ended
		return ctx.Err()
	}
}

// stop closes the listeners and tells the sessions to end.
func (s *Server) stop() {
	s.once.Do(func() {
		close(s.stopped)
		for _, l := range s.listeners {
			_ = l.Close()
		}
		for _, c := range s.door.shut() {
			c.Drain()
		}
	})
}

// EndCredential tells the sessions that speak by a credential 421, at once or,
// inside a transaction, after it.
func (s *Server) EndCredential(accessKeyID string) {
	if accessKeyID == "" {
		return
	}
	for _, c := range s.door.of(accessKeyID) {
		c.Drain()
	}
}

// cut ends the sessions that are left.
func (s *Server) cut() {
	s.cancel()
	for _, c := range s.door.shut() {
		c.Cut()
	}
}

// errorLog takes go-smtp's own lines: panics of a session, and failures to
// accept.
type errorLog struct{ log *slog.Logger }

// Printf implements smtp.Logger.
func (l errorLog) Printf(format string, v ...any) {
	if strings.HasPrefix(format, "panic") {
		l.log.Error("session panicked", "err", fmt.Sprintf(format, v...))
		return
	}
	l.log.Warn("connection failed", "err", fmt.Sprintf(format, v...))
}

// Println implements smtp.Logger.
func (l errorLog) Println(v ...any) {
	l.log.Warn("connection failed", "err", fmt.Sprint(v...))
}
