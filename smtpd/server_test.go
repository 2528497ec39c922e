package smtpd_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/submission"
)

// certificate makes a self-signed certificate for tests.
func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example.org"},
		DNSNames: []string{"mx.example.org"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

// users authenticates "user" by "secret"; "strict" has the strict profile.
type users struct{}

func (users) Authenticate(_ context.Context, username, password string, _ netip.Addr) (*auth.Principal, error) {
	switch {
	case username == "trouble":
		return nil, auth.ErrTemporary
	case username == "bug":
		return nil, errors.New("open /var/lib/secret: no such file")
	case password != "secret" || username != "user" && username != "strict":
		return nil, auth.ErrInvalid
	}
	return &auth.Principal{Account: "000000000001", Name: "default", Credential: username, Strict: username == "strict"}, nil
}

// message is what a desk took.
type message struct {
	submission.Request
	Facts submission.Facts
	Body  string
}

// desk keeps what it is given. A mode makes it misbehave.
type desk struct {
	room   error
	submit func(*submission.Request) error // before reading
	after  func(*submission.Request) error // after reading
	unread bool

	minter *mail.Minter
	mu     sync.Mutex
	got    []message
	ids    []mail.ID
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	m, err := mail.NewMinter(make([]byte, 32), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &desk{minter: m}
}

func (d *desk) Room(context.Context, mail.ReversePath, int64) error { return d.room }

func (d *desk) Submit(_ context.Context, r *submission.Request) (mail.ID, error) {
	if d.submit != nil {
		if err := d.submit(r); err != nil {
			return mail.ID{}, err
		}
	}
	var body []byte
	if !d.unread {
		var err error
		if body, err = io.ReadAll(r.Content); err != nil {
			return mail.ID{}, fmt.Errorf("read content: %w", err)
		}
	}
	if d.after != nil {
		if err := d.after(r); err != nil {
			return mail.ID{}, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.minter.New(time.Now())
	d.got = append(d.got, message{*r, r.Content.Facts(), string(body)})
	d.ids = append(d.ids, id)
	return id, nil
}

func (d *desk) messages() []message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]message(nil), d.got...)
}

func (d *desk) id(n int) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n >= len(d.ids) {
		return "no such message"
	}
	return d.ids[n].String()
}

// running is a server under test.
type running struct {
	*smtpd.Server
	desk     *desk
	starttls string // addresses
	implicit string
	done     chan error
	cancel   context.CancelFunc
}

// start runs a server on loopback until the test ends.
func start(t testing.TB, change func(*smtpd.Options)) *running {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	plain, implicit := listen(), listen()
	d := newDesk(t)
	o := smtpd.Options{
		Hostname: "mx.example.org", TLS: certificate(t), Auth: users{}, Desk: d,
		Starttls: []net.Listener{plain}, ImplicitTLS: []net.Listener{implicit},
		TrustedPrincipal: &auth.Principal{Account: "000000000001", Name: "default"},
		Limits:           smtpd.Limits{AuthDelay: time.Millisecond, AuthDelayMax: 10 * time.Millisecond},
	}
	if change != nil {
		change(&o)
	}
	s, err := smtpd.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{s, d, plain.Addr().String(), implicit.Addr().String(), make(chan error, 1), cancel}
	go func() { r.done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		cut, stop := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer stop()
		_ = s.Shutdown(cut)
	})
	return r
}

// client is the other end of a dialogue.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) startTLS() {
	c.t.Helper()
	tc := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if err := tc.Handshake(); err != nil {
		c.t.Fatalf("handshake: %v", err)
	}
	c.conn, c.in = tc, bufio.NewReader(tc)
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// line reads one line; "EOF" at the end of the connection.
func (c *client) line() string {
	c.t.Helper()
	s, err := c.in.ReadString('\n')
	switch {
	case err == nil && strings.HasSuffix(s, "\r\n"):
		return strings.TrimSuffix(s, "\r\n")
	case err == nil:
		return fmt.Sprintf("line without CRLF: %q", s)
	case s == "" && (errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset by peer")):
		return "EOF"
	}
	return fmt.Sprintf("%q, then %v", s, err)
}

// reply reads a whole reply and gives its last line.
func (c *client) reply() string {
	c.t.Helper()
	for {
		if l := c.line(); len(l) < 4 || l[3] != '-' {
			return l
		}
	}
}

func (c *client) want(want string) {
	c.t.Helper()
	if got := c.reply(); got != want {
		c.t.Fatalf("got %q, want %q", got, want)
	}
}

func (c *client) ask(cmd, want string) {
	c.t.Helper()
	c.send(cmd + "\r\n")
	c.want(want)
}

// trusted makes loopback a trusted network.
func trusted(o *smtpd.Options) { o.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
