package guard

import (
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// Limits bound one connection. All of them must be set.
type Limits struct {
	MessageBytes int64 // content, in octets
	Recipients   int   // accepted recipients of one message
	Messages     int   // messages of one connection
	Errors       int   // refused commands of one connection
	Junk         int   // commands that bring no message any nearer, between two messages
	LineOctets   int   // a line of content, without its CRLF
	MinRate      int64 // octets a second that content must arrive with

	Idle         time.Duration // for the next command, once the client is known
	IdleUnknown  time.Duration // before that
	IdleStrict   time.Duration // in the strict profile
	DataTimeout  time.Duration // for the next octets of content
	WriteTimeout time.Duration // for the client to take our replies
	Handshake    time.Duration // for a TLS handshake
}

// Bounds that are not for the operator to set.
const (
	commandOctets  = 512                 // RFC 5321 section 4.5.3.1.4, CRLF included
	mailOctets     = 512 + 26 + 17 + 500 // RFC 1870, 6152 and 4954 add to MAIL
	authOctets     = 12288 + 32          // RFC 4954 section 4
	skipOctets     = 1 << 16             // of a line that is too long already
	strictLine     = 998                 // RFC 5321 section 4.5.3.1.6, without CRLF
	strictAccepted = 1000                // recipients taken in the strict profile
	// A report is to one address; an honest host sends to no more of ours at once.
	strangerAccepted = 10
	maxRefusedRcpt   = 1000 // RCPTs of one message over the limit
	smallBuffer      = 8 << 10
	authBuffer       = 16 << 10 // holds authOctets
	largeBuffer      = 64 << 10
	flushAt          = 4 << 10
	lingerOctets     = 256 << 10
	lingerTime       = 500 * time.Millisecond
)

// Config is what all connections of a server share. It is not changed once the
// first connection is made.
type Config struct {
	Hostname string
	TLS      *tls.Config // nil offers no STARTTLS
	// OpenTLS is what open connections have instead.
	OpenTLS *tls.Config
	Limits  Limits
	Log     *slog.Logger
	// Refused is told of refusals that the guard decides; the cause of the reply is
	// the *mail.Limit behind it, if there is one. Nil is nobody.
	Refused func(c *Conn, r *mail.Reply)

	instance string
	size     string
	small    sync.Pool
	large    sync.Pool
}

// NewConfig fills in what a Config derives.
func NewConfig(hostname string, t *tls.Config, l Limits, log *slog.Logger) *Config {
	return &Config{
		Hostname: hostname, TLS: t, Limits: l, Log: log,
		instance: rand.Text()[:9],
		size:     strconv.FormatInt(l.MessageBytes, 10),
		small:    sync.Pool{New: func() any { return new([smallBuffer]byte) }},
		large:    sync.Pool{New: func() any { return new([largeBuffer]byte) }},
	}
}

// greeting is the first line. The strict one has the shape that SES shows: a
// token of the instance and the id of the session.
func (c *Config) greeting(buf []byte, strict bool, session string) []byte {
	buf = append(buf, "220 "...)
	buf = append(buf, c.Hostname...)
	if !strict {
		return append(buf, " ESMTP sesame\r\n"...)
	}
	buf = append(buf, " ESMTP SimpleEmailService-d-"...)
	buf = append(buf, c.instance...)
	buf = append(buf, ' ')
	buf = append(buf, session...)
	return append(buf, "\r\n"...)
}

// extensions is the reply to EHLO. AUTH is offered in clear text by the strict
// profile alone, since SES does; a client that believed it would show its
// password (RFC 4954 section 4).
func (c *Config) extensions(buf []byte, strict, secured bool) []byte {
	line := func(last bool, words ...string) {
		sep := byte('-')
		if last {
			sep = ' '
		}
		buf = append(buf, '2', '5', '0', sep)
		for _, w := range words {
			buf = append(buf, w...)
		}
		buf = append(buf, '\r', '\n')
	}
	line(false, c.Hostname)
	if strict {
		line(false, "8BITMIME")
		line(false, "SIZE ", c.size)
		if !secured && c.TLS != nil {
			line(false, "STARTTLS")
		}
		line(false, "AUTH PLAIN LOGIN")
		line(true, "Ok")
		return buf
	}
	line(false, "PIPELINING")
	line(false, "SIZE ", c.size)
	if !secured && c.TLS != nil {
		line(false, "STARTTLS")
	}
	if secured {
		line(false, "AUTH PLAIN LOGIN")
	}
	line(false, "8BITMIME")
	line(true, "CHUNKING")
	return buf
}
