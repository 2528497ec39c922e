package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/account/reputation"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/contact"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Bounds of a request.
const (
	maxBody      = 64 << 10
	maxHeader    = 16 << 10
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second // for each page of a list
	idleTimeout  = 30 * time.Second
	stopTimeout  = 5 * time.Second
)

// Queue is what operators do to the queue; *queue.Queue.
type Queue interface {
	Find(ctx context.Context, f queue.Filter) ([]queue.Entry, error)
	Hold(ctx context.Context, f queue.Filter) (int, error)
	ReleaseHold(ctx context.Context, f queue.Filter) (int, error)
	Retry(ctx context.Context, f queue.Filter) (int, error)
	Cancel(ctx context.Context, f queue.Filter, events func(*queue.Message, []queue.Entry) []event.Event) (int, error)
	Depth() queue.Depth
}

// Spool is what they read past it; queue.Spool.
type Spool interface {
	Lines(ctx context.Context, after queue.Line, limit int) ([]queue.LineDue, error)
	Page(ctx context.Context, line queue.Line, p queue.PageOptions) ([]queue.Entry, error)
	Load(ctx context.Context, id mail.ID, ns []int) (*queue.Message, []queue.Entry, error)
}

// Options is what a Server needs. Those before Cancelled must be set.
type Options struct {
	Hostname   string
	Version    string
	Accounts   *account.Book
	Identities *identity.Book
	Sets       *configset.Book
	Templates  *template.Book
	// Destinations are those of sets and of identities.
	Destinations *destination.Book
	Suppression  *suppression.Lists
	Queue        Queue
	Spool        Spool
	// Cancelled gives the events that tell the sender of recipients that an
	// operator cancelled; nil tells nobody.
	Cancelled func(*queue.Message, []queue.Entry) []event.Event
	// Usage tells how far daily quotas are used, Rates how far rates are; nil
	// leaves it out.
	Usage quota.Ledger
	Rates *quota.Rates
	// NoSandbox makes accounts that begin in production and without limits.
	NoSandbox bool
	// RemoveOwned removes what an account owns beside credentials, before the
	// account goes; nil removes its identities.
	RemoveOwned func(ctx context.Context, accountID string) error
	// TellAgain puts events that a destination was told already back before it, and
	// tells how many; nil refuses.
	TellAgain func(ctx context.Context, d destination.Destination, from uint64, since time.Time) (int, error)
	// Reputation tells how accounts stand; nil tells nothing.
	Reputation *reputation.Book
	// Contact tells the contacts of accounts of pauses; nil tells nobody.
	Contact *contact.Mailer
	// RotateKey puts a new key in the place of that under which secrets lie
	// sealed, and tells how many were sealed again; nil refuses.
	RotateKey func(ctx context.Context) (id string, sealed int, err error)
	// Checker looks at DNS for identities; nil looks at nothing.
	Checker Checker
	// MailLink mails a link to the address that it verifies; nil cannot.
	MailLink func(ctx context.Context, i identity.Identity, link string) error
	// Trace tells the lives of messages; nil tells nothing.
	Trace Tracer
	// Holding tells which site an entry's mail goes to, and which limit holds it; nil
	// leaves it out.
	Holding func(queue.Entry) (site string, l *mail.Limit)
	// InForce tells which sources rest and which senders are stopped, at most so many
	// of each; nil tells nothing.
	InForce func(most int) []*mail.Limit
	Log     *slog.Logger
}

// Server answers the operator's commands. It is an http.Handler.
type Server struct {
	o       Options
	mux     *http.ServeMux
	started time.Time
}

// New makes a server.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, mux: http.NewServeMux(), started: time.Now().UTC()}
	for pattern, h := range map[string]handler{
		"GET /v1/status":         s.status,
		"GET /v1/queue":          s.listQueue,
		"GET /v1/queue/message":  s.showMessage,
		"POST /v1/queue/hold":    s.change(Hold, o.Queue.Hold),
		"POST /v1/queue/release": s.change(Release, o.Queue.ReleaseHold),
		"POST /v1/queue/retry":   s.change(Retry, o.Queue.Retry),
		"POST /v1/queue/cancel":  s.cancel,
	} {
		s.mux.Handle(pattern, s.answer(h))
	}
	for _, nouns := range []map[string]handler{s.accountRoutes(), s.credentialRoutes(), s.identityRoutes(), s.configSetRoutes(), s.destinationRoutes(), s.traceRoutes(),
		s.suppressionRoutes(), s.templateRoutes(), s.reputationRoutes()} {
		for pattern, h := range nouns {
			s.mux.Handle(pattern, s.answer(h))
		}
	}
	s.mux.HandleFunc("POST "+importPath, s.importSuppressed)
	return s
}

// Serve answers on l until ctx ends, then lets requests finish for a moment. It
// closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.o.Log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // whoever has not finished by now is cut off
		}
	})
	err := server.Serve(l)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve admin socket: %w", err)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != importPath {
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit(r.URL.Path))
	}
	s.mux.ServeHTTP(w, r)
}

// handler gives what to answer: an object, a list, or an error.
type handler func(r *http.Request) (any, error)

// errRequest marks what is the client's mistake.
var errRequest = errors.New("bad request")

func (s *Server) answer(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := h(r)
		if l, ok := body.(list); ok && err == nil {
			var begun bool
			if begun, err = stream(w, r, l); err == nil {
				return
			}
			if begun {
				s.failed(r, err)
				panic(http.ErrAbortHandler) // the way to break off an answer
			}
		}
		code := http.StatusOK
		if err != nil {
			code, body = codeOf(err), failure{err.Error()}
			if code == http.StatusInternalServerError {
				s.failed(r, err)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(body) // a client that is gone needs no answer
	})
}

// failed logs an error of ours; that a client went away is none.
func (s *Server) failed(r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.o.Log.Error("admin request failed", "text", r.URL.Path, "err", err)
	}
}

// list writes objects one by one until it ends or write fails.
type list func(ctx context.Context, write func(any) error) error

// each lists what there is, as it is shown.
func each[T, V any](all []T, show func(T) V) list {
	return func(_ context.Context, write func(any) error) error {
		for _, v := range all {
			if err := write(show(v)); err != nil {
				return err
			}
		}
		return nil
	}
}

// stream sends a list and tells whether anything of it may be on its way.
func stream(w http.ResponseWriter, r *http.Request, l list) (begun bool, err error) {
	enc, control := json.NewEncoder(w), http.NewResponseController(w)
	err = l(r.Context(), func(v any) error {
		if !begun {
			w.Header().Set("Content-Type", "application/jsonl")
			begun = true
		}
		if err := control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		return enc.Encode(v)
	})
	return begun, err
}

func codeOf(err error) int {
	for _, known := range []struct {
		err  error
		code int
	}{
		{errRequest, http.StatusBadRequest},
		{account.ErrName, http.StatusBadRequest},
		{account.ErrProfile, http.StatusBadRequest},
		{account.ErrThrottle, http.StatusBadRequest},
		{account.ErrSuppress, http.StatusBadRequest},
		{suppression.ErrAddress, http.StatusBadRequest},
		{suppression.ErrReason, http.StatusBadRequest},
		{suppression.ErrList, http.StatusBadRequest},
		{suppression.ErrForm, http.StatusBadRequest},
		{suppression.ErrSandbox, http.StatusForbidden},
		{account.ErrLimit, http.StatusBadRequest},
		{account.ErrContact, http.StatusBadRequest},
		{account.ErrTerms, http.StatusBadRequest},
		{account.ErrKeyID, http.StatusBadRequest},
		{account.ErrSecret, http.StatusBadRequest},
		{account.ErrRegion, http.StatusBadRequest},
		{account.ErrPasswordForm, http.StatusBadRequest},
		{account.ErrDefault, http.StatusConflict},
		{errMailWaits, http.StatusConflict},
		{errNotAsked, http.StatusConflict},
		{identity.ErrName, http.StatusBadRequest},
		{template.ErrName, http.StatusBadRequest},
		{template.ErrSubject, http.StatusBadRequest},
		{template.ErrSize, http.StatusBadRequest},
		{template.ErrSyntax, http.StatusBadRequest},
		{template.ErrTooMany, http.StatusConflict},
		{errNotRendered, http.StatusBadRequest},
		{configset.ErrName, http.StatusBadRequest},
		{configset.ErrTLS, http.StatusBadRequest},
		{configset.ErrDelivery, http.StatusBadRequest},
		{configset.ErrSuppression, http.StatusBadRequest},
		{configset.ErrPool, http.StatusBadRequest},
		{configset.ErrUnsubscribe, http.StatusBadRequest},
		{configset.ErrServer, http.StatusConflict},
		{configset.ErrTooMany, http.StatusConflict},
		{destination.ErrBad, http.StatusBadRequest},
		{destination.ErrName, http.StatusBadRequest},
		{destination.ErrCount, http.StatusConflict},
		{identity.ErrSetting, http.StatusBadRequest},
		{identity.ErrLimit, http.StatusConflict},
		{account.ErrNotFound, http.StatusNotFound},
		{queue.ErrNotFound, http.StatusNotFound},
		{account.ErrExists, http.StatusConflict},
		{account.ErrConflict, http.StatusConflict},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return http.StatusInternalServerError
}

// read decodes the body of a request.
func read[T any](r *http.Request) (T, error) {
	var v T
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return v, fmt.Errorf("%w: %w", errRequest, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return v, fmt.Errorf("%w: something follows the object", errRequest)
	}
	return v, nil
}

func (s *Server) status(r *http.Request) (any, error) {
	due, err := s.countDue(r.Context())
	if err != nil {
		return nil, err
	}
	d := s.o.Queue.Depth()
	var limits []*mail.Limit
	if s.o.InForce != nil {
		limits = s.o.InForce(100)
	}
	return Status{
		Hostname: s.o.Hostname, Version: s.o.Version, Started: s.started.Truncate(time.Second),
		Queue:  QueueStatus{Messages: d.Messages, Recipients: d.Recipients, Due: due, Held: d.Held, Free: d.Free},
		Limits: limits,
	}, nil
}
