package smtpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// Hello says EHLO, and HELO to a host that refuses it for good (RFC 5321 section
// 3.2). On any error the connection is closed.
func (c *Client) Hello(ctx context.Context) error {
	defer c.watch(ctx)()
	// What was offered before is forgotten, above all by STARTTLS (RFC 3207
	// section 4.2).
	c.ext = Extensions{}
	reply, err := c.command(ctx, c.o.Timeouts.Hello, "EHLO "+c.o.Hostname+"\r\n")
	if err != nil {
		return err
	}
	if reply.Positive() {
		c.ext = parseExtensions(reply.Text)
		return nil
	}
	if reply.Code/100 == 5 {
		if reply, err = c.command(ctx, c.o.Timeouts.Hello, "HELO "+c.o.Hostname+"\r\n"); err != nil {
			return err
		}
		if reply.Positive() {
			return nil
		}
	}
	err = &Error{Reply: reply, Remote: true}
	c.end(err)
	return err
}

// parseExtensions reads the lines after the first of a reply to EHLO. Keywords
// are compared without regard to case (RFC 5321 section 2.4).
func parseExtensions(text string) Extensions {
	x := Extensions{ESMTP: true}
	_, text, _ = strings.Cut(text, "\n")
	for line := range strings.Lines(text) {
		word, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.ToUpper(word) {
		case "STARTTLS":
			x.StartTLS = true
		case "PIPELINING":
			x.Pipelining = true
		case "CHUNKING":
			x.Chunking = true
		case "8BITMIME":
			x.EightBitMIME = true
		case "SIZE":
			x.Size = true
			// No number, or 0, is no known limit (RFC 1870 section 4).
			if n, err := strconv.ParseInt(strings.TrimSpace(args), 10, 64); err == nil && n > 0 {
				x.MaxSize = n
			}
		case "AUTH":
			x.Auth = strings.Fields(strings.ToUpper(args))
		}
	}
	return x
}

// StartTLS asks for TLS and makes the handshake; Hello must follow. When the
// host refuses, the error is Remote and the connection goes on in clear text;
// any other failure closes it, with ErrHandshake or ErrInjected as the cause.
func (c *Client) StartTLS(ctx context.Context, cfg *tls.Config) error {
	stop := c.watch(ctx)
	reply, err := c.command(ctx, c.o.Timeouts.Hello, "STARTTLS\r\n")
	stop()
	switch {
	case err != nil:
		return err
	case reply.Code != 220:
		return &Error{Reply: reply, Remote: true}
	case c.r.Buffered() > 0:
		// Whoever sits on the line could have put words into the host's mouth.
		err := &Error{Reply: *mail.Refuse(421, 7, 0, "Remote host broke the TLS negotiation").WithCause(ErrInjected)}
		c.end(err)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeouts.TLS)
	defer cancel()
	// The handshake is bounded by its context; old deadlines must not cut in.
	_ = c.conn.SetDeadline(time.Time{})
	conn := tls.Client(c.conn, cfg)
	if cause := conn.HandshakeContext(ctx); cause != nil {
		err := &Error{Reply: *mail.Refuse(454, 7, 5, "TLS handshake failed").WithCause(fmt.Errorf("%w: %w", ErrHandshake, cause))}
		c.end(err)
		return err
	}
	state := conn.ConnectionState()
	c.conn, c.tls, c.ext = conn, &state, Extensions{}
	c.r.Reset(conn)
	return nil
}
