package smtpc

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// Error is why a step did not succeed: the remote host's refusal or, when Remote
// is false, our own words for what happened, with the cause.
type Error struct {
	Reply  mail.Reply
	Remote bool // Reply came over the wire
}

// Error gives the reply with its cause.
func (e *Error) Error() string { return e.Reply.Error() }

// Unwrap gives the reply, so that errors.As finds a *mail.Reply.
func (e *Error) Unwrap() error { return &e.Reply }

// Causes that a caller may want to tell apart, with errors.Is.
var (
	// ErrHandshake: the TLS handshake failed; the connection is closed.
	ErrHandshake = errors.New("tls handshake failed")
	// ErrInjected: octets in clear text followed the reply to STARTTLS
	// (CVE-2011-0411 seen from the client); the connection is closed.
	ErrInjected = errors.New("clear text after the reply to STARTTLS")
)

// Extensions is what a host offers in its reply to EHLO.
type Extensions struct {
	ESMTP        bool // it answered EHLO, not only HELO
	StartTLS     bool
	Pipelining   bool // RFC 2920
	Chunking     bool // RFC 3030
	EightBitMIME bool // RFC 6152
	Size         bool // RFC 1870
	MaxSize      int64
	Auth         []string // mechanisms, in upper case
}

// Client speaks SMTP over one connection. It is for one goroutine at a time.
// After any failure that leaves the dialogue out of step the connection is
// closed, and Usable reports false.
type Client struct {
	conn net.Conn
	raw  net.Conn // below TLS, for deadlines from another goroutine
	r    *bufio.Reader
	o    Options
	ext  Extensions
	tls  *tls.ConnectionState
	err  *Error // why the connection is no longer usable
	// failed remembers that a write failed: what the host said before it hung
	// up is still worth reading, but not worth waiting for.
	failed error
	// open: a transaction may be open and RSET must come before the next MAIL.
	open bool
	// answered: the host has agreed to something since the last Send began.
	answered bool
	buf      *buffer // lent while sending
	trace    Trace
	line     []byte // for trace: a command that is being put together
	told     mail.Reply
	toldText string // of told, for trace
}

// New makes a client of a connection. Greet and Hello come next.
func New(conn net.Conn, o Options) *Client {
	o.Timeouts = o.Timeouts.withDefaults()
	if o.Buffers == nil {
		o.Buffers = NewBuffers()
	}
	c := &Client{conn: conn, raw: conn, r: bufio.NewReaderSize(conn, 4096), o: o}
	if t, ok := conn.(*tls.Conn); ok {
		c.raw = t.NetConn()
		state := t.ConnectionState()
		c.tls = &state
	}
	return c
}

// Trace has every line of the dialogue from now on told to f; nil ends that. What
// Auth says, and content, are never told.
func (c *Client) Trace(f Trace) { c.trace, c.line = f, c.line[:0] }

// Usable reports whether the connection can take another command.
func (c *Client) Usable() bool { return c.err == nil }

// Stale reports whether the connection ended before the host answered anything
// in the last Send, or with a 421 in place of the first answer. A kept connection
// that ends so was over before, and says nothing about the host.
func (c *Client) Stale() bool { return c.err != nil && !c.answered }

// Extensions gives what the host offered last.
func (c *Client) Extensions() Extensions { return c.ext }

// TLS gives the state of the TLS layer, nil in clear text.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// Greet waits for the greeting. On any error the connection is closed.
func (c *Client) Greet(ctx context.Context) error {
	defer c.watch(ctx)()
	reply, err := c.read(ctx, c.o.Timeouts.Greeting)
	if err == nil && !reply.Positive() {
		err = &Error{Reply: reply, Remote: true}
		c.end(err)
	}
	return asError(err)
}

// Quit says QUIT and closes the connection; it waits shortly for the reply, so
// that the host sees an orderly end.
func (c *Client) Quit(ctx context.Context) {
	if c.err == nil {
		stop := c.watch(ctx)
		if _, err := c.command(ctx, c.o.Timeouts.Quit, "QUIT\r\n"); err == nil && c.tls != nil {
			_ = c.conn.Close() // with the farewell of TLS
		}
		stop()
	}
	c.Close()
}

// Close closes the connection at once.
func (c *Client) Close() {
	c.end(&Error{Reply: closedReply(net.ErrClosed)})
}

// end closes the connection for a reason; only the first is kept.
func (c *Client) end(reason *Error) {
	if c.err != nil {
		return
	}
	c.err = reason
	// Not through TLS, whose farewell would wait for a peer that does not read.
	_ = c.raw.Close()
}

// watch makes the cancellation of ctx end what is waiting on the connection.
// Deadlines are set before ctx is looked at, and cancelled after ctx is done, so
// one of the two always sees the other.
func (c *Client) watch(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	raw := c.raw
	cancel := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if !cancel() {
			// It has set, or is about to set, a deadline that nobody may inherit.
			c.end(&Error{Reply: closedReply(ctx.Err())})
		}
	}
}

// command writes one command and reads its reply.
func (c *Client) command(ctx context.Context, limit time.Duration, line string) (mail.Reply, *Error) {
	if c.err != nil {
		return mail.Reply{}, c.err
	}
	c.said(line)
	c.write(ctx, []byte(line))
	return c.read(ctx, limit)
}

// write sends octets. A failure shows in the next read, since the host may have
// said why it hung up.
func (c *Client) write(ctx context.Context, p []byte) {
	if c.failed != nil || c.err != nil {
		return
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.o.Timeouts.Block)); err != nil {
		c.failed = err
		return
	}
	if err := ctx.Err(); err != nil {
		c.failed = err
		return
	}
	// All replies have been read when something is written. What lies here
	// nobody asked for, and would be taken for the answer to what follows.
	if c.r.Buffered() > 0 {
		c.failed = errReplySyntax
		c.end(&Error{Reply: closedReply(errReplySyntax)})
		return
	}
	if _, err := c.conn.Write(p); err != nil {
		c.failed = err
	}
}

// lastWords is how long to wait for a reply from a host we cannot write to.
const lastWords = 2 * time.Second

// read reads one reply. A 421 ends the connection, whatever it answers (RFC 5321
// section 3.8): it comes as a reply, and the client is no longer usable.
func (c *Client) read(ctx context.Context, limit time.Duration) (mail.Reply, *Error) {
	if c.err != nil {
		return mail.Reply{}, c.err
	}
	if c.failed != nil {
		limit = min(limit, lastWords)
	}
	var err error
	if !c.answerWaits() {
		err = c.conn.SetReadDeadline(time.Now().Add(limit))
	}
	if cause := ctx.Err(); cause != nil {
		err = cause
	}
	var reply mail.Reply
	if err == nil {
		reply, err = ReadReply(c.r)
	}
	if err != nil {
		if c.failed != nil {
			err = c.failed
		}
		if cause := ctx.Err(); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		c.end(&Error{Reply: closedReply(err)})
		c.note(c.err)
		return mail.Reply{}, c.err
	}
	c.heard(&reply)
	if reply.Code == 421 {
		c.end(&Error{Reply: reply, Remote: true})
	} else {
		c.answered = true
	}
	return reply, nil
}

// answerWaits reports whether a reply of one line lies here whole, as those to a
// group do behind its first, so that nothing will be waited for.
func (c *Client) answerWaits() bool {
	b, _ := c.r.Peek(c.r.Buffered()) // no more than there is: no error
	return len(b) > 3 && b[3] == ' ' && bytes.IndexByte(b, '\n') > 3
}

// closedReply says that a connection ended before its time.
func closedReply(cause error) mail.Reply {
	switch {
	case errors.Is(cause, errReplySyntax), errors.Is(cause, errReplyLength):
		return *mail.Refuse(421, 5, 0, "Remote host sent an unusable reply").WithCause(cause)
	}
	return *mail.Refuse(421, 4, 2, "Connection closed unexpectedly").WithCause(cause)
}

// asError keeps a nil *Error from becoming an error that is not nil.
func asError(err *Error) error {
	if err == nil {
		return nil
	}
	return err
}
