package api_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/queue"
)

func TestConnectionsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := api.Bound(l, 3, 2)
	defer b.Close()
	taken := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := b.Accept()
			if err != nil {
				return
			}
			taken <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	dial()
	first := <-taken
	<-taken
	third := dial()
	if err := third.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := third.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the third connection of an address: %v", err)
	}
	_ = first.Close()
	_ = first.Close() // counts once
	dial()
	<-taken
}

// pipe is a listener of one connection in memory, whose time is that of a bubble.
type pipe struct {
	conns chan net.Conn
	once  sync.Once
}

func (p *pipe) Accept() (net.Conn, error) {
	c, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p *pipe) Close() error   { p.once.Do(func() { close(p.conns) }); return nil }
func (p *pipe) Addr() net.Addr { return &net.TCPAddr{} }

// memory is a spool in memory.
type memory struct{}

type draft struct{ bytes.Buffer }

func (d *draft) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.Bytes()).ReadAt(p, off)
}
func (d *draft) Size() int64                              { return int64(d.Len()) }
func (d *draft) Discard()                                 {}
func (memory) Draft(context.Context) (queue.Draft, error) { return &draft{}, nil }
func (memory) Room(int64) error                           { return nil }

// TestASlowClientIsLeft: whoever sends a body drop by drop is answered or cut off
// within minutes, and a fast one is not.
func TestASlowClientIsLeft(t *testing.T) {
	h := newHouse(t, func(o *api.Options) { o.Spool, o.Log = memory{}, nil })
	for _, tt := range []struct {
		about string
		piece int
		pause time.Duration
		left  bool
	}{
		{"fast", 1000, time.Millisecond, false},
		{"slow", 10, 20 * time.Second, true},
		{"silent", 1, time.Hour, true},
	} {
		t.Run(tt.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				client, server := net.Pipe()
				l := &pipe{conns: make(chan net.Conn, 1)}
				l.conns <- server
				ended := make(chan error)
				go func() { ended <- api.Serve(ctx, l, nil, h.door, time.Second, slog.New(slog.DiscardHandler)) }()
				body := strings.Repeat("x", 10_000)
				r, err := http.NewRequest(http.MethodPost, "http://email.example.org/", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				here := *h
				here.t = t
				sign(t, r, []byte(body), time.Now())
				var head bytes.Buffer
				if err := r.Write(&head); err != nil {
					t.Fatal(err)
				}
				text := head.Bytes()
				answered := make(chan int, 1)
				var took time.Duration
				start := time.Now()
				go func() {
					resp, err := http.ReadResponse(bufio.NewReader(client), r)
					took = time.Since(start)
					if err != nil {
						answered <- 0
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					answered <- resp.StatusCode
				}()
				at := len(text) - len(body)
				_, err = client.Write(text[:at])
				for ; err == nil && at < len(text); at += tt.piece {
					time.Sleep(tt.pause)
					_, err = client.Write(text[at:min(at+tt.piece, len(text))])
				}
				status := <-answered
				if tt.left && (took > 2*time.Minute || status == http.StatusNotFound) || !tt.left && status != http.StatusNotFound {
					t.Errorf("status %d after %s", status, took)
				}
				_ = client.Close()
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
