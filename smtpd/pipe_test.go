package smtpd_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/smtpd"
)

// script is a connection whose client says all it has to say at once. Cut
// decides how much of it a read gives; the replies are kept.
type script struct {
	in     []byte
	cut    func(n int) int
	out    bytes.Buffer
	closed chan struct{}
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := s.cut(min(len(p), len(s.in)))
	copy(p, s.in[:n])
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) { return s.out.Write(p) }

func (s *script) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 25} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2525} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// scripts is a listener that accepts them.
type scripts struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *scripts) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *scripts) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *scripts) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 25} }

// player runs scripts against a server that trusts them.
type player struct {
	desk *desk
	l    *scripts
}

func newPlayer(t testing.TB, change func(*smtpd.Options)) *player {
	t.Helper()
	p := &player{newDesk(t), &scripts{make(chan net.Conn), make(chan struct{})}}
	o := smtpd.Options{
		Hostname: "mx.example.org", Auth: users{}, Desk: p.desk, Starttls: []net.Listener{p.l},
		Trusted:          []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		TrustedPrincipal: &auth.Principal{Account: "000000000001", Name: "default"},
		Limits:           smtpd.Limits{MessageBytes: 1 << 20},
	}
	if change != nil {
		change(&o)
	}
	s, err := smtpd.New(o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

var anID = regexp.MustCompile(`[0-9a-f]{16}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-000000`)

// play gives the replies, with "ID" in the place of ids, and the messages that
// were taken.
func (p *player) play(in string, cut func(int) int) (replies string, got []message) {
	s := &script{in: []byte(in), cut: cut, closed: make(chan struct{})}
	p.desk.mu.Lock()
	p.desk.got = nil
	p.desk.mu.Unlock()
	p.l.conns <- s
	<-s.closed
	return anID.ReplaceAllString(s.out.String(), "ID"), p.desk.messages()
}

func whole(n int) int { return n }

func octet(int) int { return 1 }

// pieces cuts at random.
func pieces(seed uint64) func(int) int {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(n int) int { return 1 + r.IntN(min(n, 1+r.IntN(100))) }
}
