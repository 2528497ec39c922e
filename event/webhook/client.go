package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
)

// Bounds of a request.
const (
	dialTime    = 10 * time.Second
	requestTime = 15 * time.Second // that of SNS (spec section 8.8)
	maxResponse = 64 << 10
	atOnce      = 8 // requests to one destination
)

// NewClient makes the client for all webhooks. It connects to an address only when
// check, which judges it right before the connection, gives nil; it follows no
// redirect and uses no proxy. It has no time limit, since post gives one to each
// request. Close its idle connections in the end.
func NewClient(check func(netip.Addr) error) *http.Client {
	dialer := &net.Dialer{Timeout: dialTime, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return check(at.Addr().Unmap())
	}}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: dialTime, MaxIdleConnsPerHost: atOnce, MaxIdleConns: 256, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: maxResponse, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// StatusError says that a destination answered with something but 2xx.
type StatusError int

// Error implements error.
func (e StatusError) Error() string { return fmt.Sprintf("answered with status %d", int(e)) }

// post makes one request.
func post(ctx context.Context, c *http.Client, target string, header http.Header, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = header
	r.Header.Set("User-Agent", "sesame")
	resp, err := c.Do(r)
	if err != nil {
		// Without the URL, whose query may hold what is nobody's business in a log.
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err
		}
		return err
	}
	defer resp.Body.Close()
	// Read to the end, within bounds, so that the connection can be used again.
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxResponse)); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return StatusError(resp.StatusCode)
	}
	return nil
}

// each calls send for the records, those of one message in order and up to the
// first that fails, several messages at once. It gives what was taken and the
// first error.
func each(ctx context.Context, records []event.Record, send func(context.Context, event.Record) error) (told []uint64, err error) {
	var waiting [][]event.Record // by message, in order
	place := make(map[mail.ID]int)
	for _, r := range records {
		i, ok := place[r.Event.Message]
		if !ok {
			i = len(waiting)
			place[r.Event.Message] = i
			waiting = append(waiting, nil)
		}
		waiting[i] = append(waiting[i], r)
	}
	var (
		mu       sync.Mutex
		wg       sync.WaitGroup
		failures int
	)
	next := func() (rs []event.Record) {
		mu.Lock()
		defer mu.Unlock()
		// When so many refused and none was taken, the rest is spared.
		if len(waiting) > 0 && (failures < atOnce || len(told) > 0) {
			rs, waiting = waiting[0], waiting[1:]
		}
		return rs
	}
	// It reports whether what comes after may be sent.
	sent := func(seq uint64, cause error) bool {
		mu.Lock()
		defer mu.Unlock()
		if cause == nil {
			told = append(told, seq)
			return true
		}
		failures++
		err = cmp.Or(err, cause)
		return false
	}
	for range min(atOnce, len(waiting)) {
		wg.Go(func() {
			for rs := next(); rs != nil; rs = next() {
				for _, r := range rs {
					if !sent(r.Seq, send(ctx, r)) {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	return told, err
}
