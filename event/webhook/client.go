package webhook

import (
	"bytes"
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

	"golang.org/x/sync/errgroup"

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
	var order []mail.ID
	byMessage := make(map[mail.ID][]event.Record)
	for _, r := range records {
		id := r.Event.Message
		if byMessage[id] == nil {
			order = append(order, id)
		}
		byMessage[id] = append(byMessage[id], r)
	}
	var (
		mu       sync.Mutex
		failures int
		g        errgroup.Group
	)
	g.SetLimit(atOnce)
	for _, id := range order {
		g.Go(func() error {
			mu.Lock()
			give := failures >= atOnce && len(told) == 0
			mu.Unlock()
			if give {
				return errDead // so many refused and none taken: the rest is spared
			}
			for _, r := range byMessage[id] {
				if err := send(ctx, r); err != nil {
					mu.Lock()
					failures++
					mu.Unlock()
					return err
				}
				mu.Lock()
				told = append(told, r.Seq)
				mu.Unlock()
			}
			return nil
		})
	}
	err = g.Wait()
	return told, err
}

var errDead = errors.New("nothing is taken")
