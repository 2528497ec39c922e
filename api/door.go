package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/auth/sigv4"
	"github.com/sesame-mta/sesame/submission"
)

// Keys knows the secrets and who has them; *auth.Book.
type Keys interface {
	Secret(accessKeyID string) (string, error)
	Signed(accessKeyID string, client netip.Addr) (auth.Standing, error)
}

// Options is what a Door needs; all but Log, Metrics and Now must be set.
type Options struct {
	Region string
	Keys   Keys
	Spool  Spool
	// Query is version 1 of the interface, REST version 2. Topics is SNS.
	Query, REST, Topics Interface
	Log                 *slog.Logger
	Metrics             prometheus.Registerer
	Now                 func() time.Time
}

// Door authenticates calls and hands them to their version. It is an
// http.Handler.
type Door struct {
	o       Options
	metrics metrics
	rates   quota.Rates
	memory  *semaphore.Weighted // octets
	filled  *semaphore.Weighted // templates that become large; asked for last
	bufs    *sync.Pool
}

// New makes a door.
func New(o Options) *Door {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Door{o: o, metrics: newMetrics(o.Metrics), memory: semaphore.NewWeighted(maxLoad),
		filled: semaphore.NewWeighted(maxLargeFilled), bufs: newBufs()}
}

// Every path of version 2 begins so (spec section 10.3), but for one by which older
// SDKs ask for an operation of it.
const restPath, oldRESTPath = "/v2/", "/v1/email/"

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	claim, err := sigv4.Read(r)
	version, iface := "1", d.o.Query
	switch {
	case err == nil && claim.Service() == sigv4.Topics:
		version, iface = "sns", d.o.Topics
	case strings.HasPrefix(r.URL.Path, restPath), strings.HasPrefix(r.URL.Path, oldRESTPath):
		version, iface = "2", d.o.REST
	}
	c := &Call{ID: newID(), Request: r, door: d, Origin: submission.Origin{Protocol: "HTTP", Client: client(r)}}
	c.Origin.Session = c.ID
	if r.TLS != nil {
		c.Origin.Protocol = "HTTPS"
		c.Origin.TLS, c.Origin.Cipher = tlsName(r.TLS)
	}
	var a *Answer
	if err != nil {
		d.turnAway(w, r, strangerBody)
		a = iface.Refuse(c.ID, Explain(err))
	} else {
		a = d.answer(w, r, c, claim, iface)
	}
	d.write(w, c, a)
	d.metrics.call(version, a.Status, time.Since(start))
	d.log(c, a, time.Since(start))
}

// answer gives the answer to any request that claims a signature. A panic is the
// end of one call, not of the server.
func (d *Door) answer(w http.ResponseWriter, r *http.Request, c *Call, claim *sigv4.Claim, iface Interface) (a *Answer) {
	defer func() {
		if p := recover(); p != nil {
			err := fmt.Errorf("panic: %v", p)
			a = iface.Refuse(c.ID, Internal("An internal failure occurred.").WithCause(err))
		}
	}()
	secret, err := d.secret(claim)
	if err != nil {
		d.turnAway(w, r, iface.MaxBody())
		return iface.Refuse(c.ID, Explain(err))
	}
	draft, sum, err := d.receive(w, r, iface.MaxBody())
	if err != nil {
		return iface.Refuse(c.ID, Explain(err))
	}
	defer draft.Discard()
	if err := claim.Verify(r.Context(), r, sum, secret); err != nil {
		return iface.Refuse(c.ID, Explain(err))
	}
	if c.Standing, err = d.o.Keys.Signed(claim.AccessKeyID, c.Origin.Client); err != nil {
		return iface.Refuse(c.ID, Explain(err))
	}
	c.Body = draft
	return iface.Serve(r.Context(), c)
}

// strangerBody is how much is read of the body of a client that signs nothing, for
// the sake of an answer.
const strangerBody = 256 << 10

// secret finds the secret that must have signed a request.
func (d *Door) secret(claim *sigv4.Claim) (string, error) {
	secret, err := d.o.Keys.Secret(claim.AccessKeyID)
	if err != nil {
		return "", err
	}
	return secret, claim.Check(d.o.Now(), d.o.Region)
}

// writeTime is how long a client may take for an answer.
const writeTime = 30 * time.Second

func (d *Door) write(w http.ResponseWriter, c *Call, a *Answer) {
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	h.Set("x-amzn-RequestId", c.ID)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)) // a test's recorder has none
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // a client that is gone needs no answer
}

// log writes one line for each call, and one that asks for help when the trouble
// is ours.
func (d *Door) log(c *Call, a *Answer, took time.Duration) {
	log := d.o.Log.With("id", c.ID, "account", c.Account.ID, "source", c.Origin.Client.String())
	if a.Status >= http.StatusInternalServerError && !errors.Is(a.Cause, context.Canceled) {
		log.Error("call failed", "text", a.Operation, "code", a.Status, "status", a.Code, "err", a.Cause)
		return
	}
	if a.Cause != nil {
		log = log.With("err", a.Cause)
	}
	log.Info("call answered", "text", cmp.Or(a.Operation, "none"), "code", a.Status, "status", a.Code, "dur", took)
}

// failed logs an entry of a call when it failed by a fault of ours; the call
// itself succeeds.
func (d *Door) failed(c *Call, e *Error) {
	if e.Query.Status >= http.StatusInternalServerError {
		d.o.Log.Error("entry of a call failed", "id", c.ID, "account", c.Account.ID, "code", e.Query.Status, "status", e.Query.Code, "err", e.Cause)
	}
}

// newID makes a request id: a random UUID (RFC 9562 section 5.4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// client gives the network address that a request came from.
func client(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
