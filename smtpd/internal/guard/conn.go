package guard

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// op is the command that go-smtp is working on.
type op int

const (
	opNone op = iota
	opGreet
	opHello
	opAuth
	opMail
	opRcpt
	opData // DATA, or BDAT shown to go-smtp as one DATA
	opReset
	opQuit
)

// Kind is what a connection is from its first octet on.
type Kind struct {
	Implicit bool // TLS from the first octet
	Trusted  bool // may send without TLS and AUTH
	Strict   bool // the profile that rules until AUTH
	// Open: strangers may begin a message too, and each recipient decides.
	Open bool
}

// Conn is one connection, as go-smtp sees it. The zero value is not usable.
type Conn struct {
	cfg     *Config
	raw     net.Conn
	rw      io.ReadWriter // raw, or the TLS connection above it
	tls     *tls.Conn
	client  netip.Addr
	session string
	onClose func()
	once    sync.Once

	kind      Kind
	strict    bool
	authed    bool
	account   string // who sends, once that is known
	known     string // by which credential
	version   string // of TLS
	cipher    string
	helo      string
	esmtp     bool
	helloNext string // from a greeting that go-smtp has not answered yet
	esmtpNext bool
	mail      bool // a sender was accepted
	over      int  // recipients refused for their number
	from      mail.ReversePath
	size      int64
	to        mail.ForwardPath
	rcpts     []mail.ForwardPath // accepted
	messages  int
	errors    int
	junk      int
	op        op
	exchange  bool // between a 334 and the client's response
	quiet     bool // go-smtp's next final reply answers nobody
	answer    *mail.Reply
	last      *mail.Reply // the word with which to close after the next reply
	content   *Content
	feed      []byte // what go-smtp is to read next
	feedBuf   []byte
	dead      bool

	small    *[smallBuffer]byte // lent by cfg, as large is
	large    *[largeBuffer]byte
	buf      []byte // what is read into; nil while there is nothing to keep
	first    [1]byte
	r, w     int    // what is unread in buf
	out      []byte // replies not yet written
	held     bool   // out has the final reply of a message
	deadline time.Time

	mu       sync.Mutex // guards what follows
	idle     bool       // blocked in a read, nothing begun
	draining bool
}

// New guards a fresh connection. onClose is called once, when it is closed.
func New(raw net.Conn, client netip.Addr, kind Kind, cfg *Config, onClose func()) *Conn {
	return &Conn{
		cfg: cfg, raw: raw, rw: raw, client: client, onClose: onClose,
		session: rand.Text()[:20],
		kind:    kind, strict: kind.Strict, op: opGreet,
	}
}

// Client gives the network address of the client.
func (g *Conn) Client() netip.Addr { return g.client }

// Session gives the id of the session.
func (g *Conn) Session() string { return g.session }

// Trusted reports whether the client may send without TLS and AUTH.
func (g *Conn) Trusted() bool { return g.kind.Trusted }

// Stranger reports whether the client may send to the addresses only that take
// mail from anybody.
func (g *Conn) Stranger() bool { return g.kind.Open && !g.kind.Trusted && !g.authed }

// strictly reports whether the strict profile binds the client: it is for those
// who submit mail.
func (g *Conn) strictly() bool { return g.strict && !g.Stranger() }

// Strict reports whether the strict profile rules.
func (g *Conn) Strict() bool { return g.strict }

// SetStrict changes the profile: after AUTH it is the account's own.
func (g *Conn) SetStrict(strict bool) { g.strict = strict }

// SetOwner says for which account the client sends, and by which credential.
func (g *Conn) SetOwner(account, credential string) { g.account, g.known = account, credential }

// Owner gives what SetOwner was told.
func (g *Conn) Owner() (account, credential string) { return g.account, g.known }

// Sender gives the reverse-path of the transaction, if there is one.
func (g *Conn) Sender() (from mail.ReversePath, ok bool) { return g.from, g.mail }

// TLS gives the version and the name of the cipher suite, empty in clear text.
func (g *Conn) TLS() (version, cipher string) { return g.version, g.cipher }

// Helo gives the argument of EHLO or HELO, cleaned for use in a header field.
func (g *Conn) Helo() string { return g.helo }

// From gives the reverse-path of the MAIL in hand and its SIZE, 0 without one.
func (g *Conn) From() (mail.ReversePath, int64) { return g.from, g.size }

// To gives the forward-path of the RCPT in hand.
func (g *Conn) To() mail.ForwardPath { return g.to }

// Protocol gives the word for "with" in a Received field (RFC 3848). The words
// with S and A are made for ESMTP alone.
func (g *Conn) Protocol() string {
	switch {
	case !g.esmtp:
		return "SMTP"
	case g.tls != nil && g.authed:
		return "ESMTPSA"
	case g.tls != nil:
		return "ESMTPS"
	case g.authed:
		return "ESMTPA"
	}
	return "ESMTP"
}

// Recipients gives the forward-paths of the transaction. The list is not used again.
func (g *Conn) Recipients() []mail.ForwardPath { return g.rcpts }

// Answer sets what the client will read in the place of go-smtp's next final
// reply.
func (g *Conn) Answer(r *mail.Reply) { g.answer = r }

// CloseWith ends the connection with r after the next reply.
func (g *Conn) CloseWith(r *mail.Reply) { g.last = r }

// Flush writes what is held back. The session calls it before it waits.
func (g *Conn) Flush() { g.flush() }

// LocalAddr gives our end.
func (g *Conn) LocalAddr() net.Addr { return g.raw.LocalAddr() }

// RemoteAddr gives the client's end.
func (g *Conn) RemoteAddr() net.Addr { return g.raw.RemoteAddr() }

// SetDeadline does nothing: the guard has deadlines of its own.
func (g *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (g *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (g *Conn) SetWriteDeadline(time.Time) error { return nil }

// Close closes the socket. It may be called from any goroutine, more than once.
func (g *Conn) Close() error {
	err := g.raw.Close()
	g.once.Do(g.onClose)
	return err
}

// Cut closes the socket under the session's feet, which then ends by itself.
func (g *Conn) Cut() { _ = g.raw.Close() }

// Drain tells the client 421 as soon as it is between two transactions.
func (g *Conn) Drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	if g.idle {
		_ = g.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// Read gives go-smtp its next command, and never more than one. go-smtp asks
// again only when its reply to the last one is written, so its replies and the
// guard's own come in the order of the commands.
func (g *Conn) Read(p []byte) (n int, err error) {
	defer func() {
		// go-smtp recovers in its handlers but not here, where a panic would
		// end the process.
		if v := recover(); v != nil {
			g.cfg.Log.Error("session panicked", "source", g.client, "err", v)
			g.bye(replyClosing, false)
			n, err = 0, io.EOF
		}
	}()
	if len(g.feed) == 0 && !g.dead {
		switch {
		case g.op == opData:
			// The session has read the content already; go-smtp drains what it
			// believes is left of it.
			g.give(".\r\n")
		case g.exchange:
			g.response()
		default:
			g.command()
		}
	}
	if g.dead {
		return 0, io.EOF
	}
	n = copy(p, g.feed)
	g.feed = g.feed[n:]
	return n, nil
}

// fill reads more into the buffer, after writing what is held back: the only
// read of the socket. Between says that nothing is begun, so that the session
// may end here when the server does.
func (g *Conn) fill(deadline time.Time, between bool) bool {
	if g.dead || g.kind.Implicit && g.tls == nil && !g.handshake() || !g.flush() {
		return false
	}
	g.room()
	g.mu.Lock()
	draining := g.draining && between
	g.idle = between
	_ = g.raw.SetReadDeadline(deadline)
	g.mu.Unlock()
	if draining {
		g.bye(replyClosing, false)
		return false
	}
	n, err := g.read()
	g.mu.Lock()
	draining = g.draining && between
	g.idle = false
	g.mu.Unlock()
	g.w += n
	switch {
	case n > 0 || err == nil:
		return true
	case errors.Is(err, os.ErrDeadlineExceeded) && draining:
		g.bye(replyClosing, false)
	case errors.Is(err, os.ErrDeadlineExceeded):
		g.bye(replyTimeout, false)
	default:
		g.dead = true
	}
	return false
}

// flush writes what is held back.
func (g *Conn) flush() bool {
	if g.dead {
		return false
	}
	if len(g.out) == 0 {
		return true
	}
	_ = g.raw.SetWriteDeadline(time.Now().Add(g.cfg.Limits.WriteTimeout))
	_, err := g.rw.Write(g.out)
	g.out, g.held = g.out[:0], false
	g.dead = err != nil
	return !g.dead
}

// say queues a reply.
func (g *Conn) say(r *mail.Reply) {
	switch r {
	case replyOk:
		g.out = append(g.out, wireOk...)
	case replyData:
		g.out = append(g.out, wireData...)
	default:
		g.out = r.Wire(g.out)
	}
	if len(g.out) >= flushAt {
		g.flush()
	}
}

// refuse is turn for what the guard decides.
func (g *Conn) refuse(r *mail.Reply) {
	g.tell(r)
	g.turn(r)
}

// turn queues a reply that counts against the session. Too many of them end it.
func (g *Conn) turn(r *mail.Reply) {
	g.say(r)
	if r.Code == 421 {
		g.bye(nil, true)
		return
	}
	if g.errors++; g.errors > g.cfg.Limits.Errors {
		g.bye(replyErrors, true)
	}
}

// bye says a last word, unless r is nil, and ends the session. With linger it
// takes some of what the client has still under way, since closing a socket with
// unread octets would make the reply vanish.
func (g *Conn) bye(r *mail.Reply, linger bool) {
	if r != nil && !g.dead {
		g.tell(r)
		g.out = r.Wire(g.out)
	}
	g.flush()
	if g.dead {
		return
	}
	g.dead = true
	if g.tls != nil {
		_ = g.tls.CloseWrite()
	}
	if !linger {
		return
	}
	if c, ok := g.raw.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		_ = g.raw.SetReadDeadline(time.Now().Add(lingerTime))
		if g.buf == nil {
			g.borrow()
		}
		for n := 0; n < lingerOctets; {
			m, err := g.raw.Read(g.buf)
			if err != nil {
				return
			}
			n += m
		}
	}
}
