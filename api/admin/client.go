package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"time"
)

// answerTimeout is how long the server may take until it begins to answer.
const answerTimeout = time.Minute

// Error is a refusal by the server.
type Error struct {
	Code int // HTTP status
	Text string
}

// Error gives the server's words.
func (e *Error) Error() string { return e.Text }

// Client talks to the admin socket of a server. It is safe for concurrent use.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient makes a client for the socket at a path. Nothing is opened yet.
func NewClient(socket string) *Client {
	d := net.Dialer{Timeout: dialTimeout}
	return &Client{socket, &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives:     true,
		DisableCompression:    true,
		ResponseHeaderTimeout: answerTimeout,
		ExpectContinueTimeout: answerTimeout,
	}}}
}

// Queue lists the recipients that wait; empty arguments do not narrow.
func (c *Client) Queue(ctx context.Context, account, domain, state string) iter.Seq2[Entry, error] {
	return many[Entry](ctx, c, "/v1/queue", url.Values{"account": {account}, "domain": {domain}, "state": {state}})
}

// Message gives one message in the queue.
func (c *Client) Message(ctx context.Context, id string) (Message, error) {
	return one[Message](ctx, c, "GET", "/v1/queue/message", url.Values{"id": {id}}, nil)
}

// The things to do with a selection of the queue.
const (
	Hold    = "hold"
	Release = "release"
	Retry   = "retry"
	Cancel  = "cancel"
)

// Change does one of them.
func (c *Client) Change(ctx context.Context, what string, sel Selection) (Changed, error) {
	return one[Changed](ctx, c, "POST", "/v1/queue/"+what, nil, sel)
}

// Status asks how the server is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return one[Status](ctx, c, "GET", "/v1/status", nil, nil)
}

// do sends a request and gives the body of a positive answer, to be closed.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	u := url.URL{Scheme: "http", Host: "sesame", Path: path, RawQuery: query.Encode()}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, err
	}
	return c.send(r)
}

// send gives the body of a positive answer, to be closed.
func (c *Client) send(r *http.Request) (io.ReadCloser, error) {
	resp, err := c.http.Do(r)
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		return nil, fmt.Errorf("no server answers at %s: %w", c.socket, op.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the server at %s: %w", c.socket, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var f failure
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&f); err != nil || f.Error == "" {
		f.Error = "the server answered " + resp.Status
	}
	return nil, &Error{resp.StatusCode, f.Error}
}

func one[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (v T, err error) {
	content, err := c.do(ctx, method, path, query, body)
	if err != nil {
		return v, err
	}
	defer content.Close()
	if err := json.NewDecoder(content).Decode(&v); err != nil {
		return v, fmt.Errorf("read the server's answer: %w", err)
	}
	return v, nil
}

// many gives the objects of a list as they come. An error is the last.
func many[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		content, err := c.do(ctx, http.MethodGet, path, query, nil)
		if err != nil {
			yield(none, err)
			return
		}
		defer content.Close()
		dec := json.NewDecoder(content)
		for {
			var v T
			err := dec.Decode(&v)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(none, fmt.Errorf("read the server's answer: %w", err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}
