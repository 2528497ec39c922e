package guard

import (
	"bytes"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// readLine gives the next line without its CRLF, valid until the next read.
// Fault is set for a line that does not count as one; ok is false at the end of
// the connection. Between is passed to fill while nothing of the line is there.
func (g *Conn) readLine(between bool) (line []byte, fault *mail.Reply, ok bool) {
	seen, skipped := 0, 0
	for {
		if i := bytes.IndexByte(g.buf[g.r+seen:g.w], '\n'); i >= 0 {
			line = g.buf[g.r : g.r+seen+i]
			g.r += seen + i + 1
			g.deadline = time.Time{}
			switch n := len(line); {
			case skipped > 0:
				return nil, replyLine, true
			case n == 0 || line[n-1] != '\r':
				return nil, replyBareLF, true
			default:
				return line[:n-1], nil, true
			}
		}
		seen = g.w - g.r
		if seen > g.lineMax() {
			skipped += seen
			g.r, seen = g.w, 0
			if skipped > skipOctets {
				g.bye(replyLine, true)
				return nil, nil, false
			}
		}
		if g.deadline.IsZero() {
			// One deadline for the whole line: octet by octet it gets no longer.
			g.deadline = time.Now().Add(g.patience())
		}
		g.await()
		if !g.fill(g.deadline, between && seen == 0 && skipped == 0) {
			return nil, nil, false
		}
	}
}

// lineMax is how much of a line we hold before we have seen its end. AUTH has no
// length before TLS, where it is refused anyway.
func (g *Conn) lineMax() int {
	if g.exchange || g.tls != nil && g.w-g.r >= 4 && bytes.EqualFold(g.buf[g.r:g.r+4], []byte("AUTH")) {
		return authOctets
	}
	return 2*commandOctets + commandOctets
}

func (g *Conn) patience() time.Duration {
	switch {
	case g.strictly():
		return g.cfg.Limits.IdleStrict
	case g.authed || g.kind.Trusted:
		return g.cfg.Limits.Idle
	}
	return g.cfg.Limits.IdleUnknown
}
