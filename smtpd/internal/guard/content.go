package guard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/submission"
)

// ErrAborted says that the content ended before its true end: the client left,
// was too slow, or gave the message up between two chunks.
var ErrAborted = errors.New("content ended before its end")

// Content is the content of the message in hand. It gives the octets that the
// client sent, dot-stuffing undone, and io.EOF only after the true end: CRLF "."
// CRLF, octet for octet, or the last octet of the last chunk. What SMTP forbids
// in it is an error that is a *mail.Reply.
type Content struct {
	g       *Conn
	facts   submission.Facts
	span    []byte // ready for the reader; lies in the connection's buffer
	err     error  // what the reader gets after span
	chunked bool   // BDAT, not DATA
	left    int64  // octets of the chunk still to come
	final   bool   // the chunk is the last
	bol     bool   // the last octets were CRLF, or there were none
	cr      bool   // the last octet was CR
	line    int    // octets of the line so far
	done    bool   // the true end was seen
	eof     bool   // and the reader was told so
	refused int64  // octets taken after a refusal
	started time.Time
}

// begin makes the content of the transaction.
func (g *Conn) begin(chunked bool) {
	g.content = &Content{g: g, chunked: chunked, bol: true}
}

// expect begins a chunk. One that is too large is refused before it is read.
func (c *Content) expect(size int64, last bool) {
	c.left, c.final = size, last
	if c.err == nil && size > c.g.cfg.Limits.MessageBytes-c.facts.Size {
		c.err = replyTooLong
	}
}

// Content gives the content of the message in hand.
func (g *Conn) Content() *Content { return g.content }

// Facts tells what was seen so far.
func (c *Content) Facts() submission.Facts { return c.facts }

// Read implements io.Reader.
func (c *Content) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(c.span) == 0 {
		if c.err != nil {
			c.eof = c.eof || errors.Is(c.err, io.EOF)
			return 0, c.err
		}
		c.next()
	}
	n := copy(p, c.span)
	c.span = c.span[n:]
	return n, nil
}

// Finish reads to the true end, so that what follows is a command again, and
// says what the content came to: nil, the *mail.Reply that refuses it, or
// ErrAborted. Of a chunked message only the chunk in hand is read: the
// transaction is over, and later chunks are refused one by one.
func (c *Content) Finish() error {
	c.span = nil
	for !c.done && !c.g.dead && !errors.Is(c.err, ErrAborted) && (!c.chunked || c.left > 0) {
		c.next()
		c.span = nil
	}
	err := c.err
	c.err = ErrAborted // whoever still holds c reads nothing of what follows
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	if !errors.Is(err, ErrAborted) {
		// By all that was seen, so that it does not hang on how the octets were
		// cut into packets.
		if r := c.verdict(); r != nil {
			return r
		}
	}
	return err
}

// next sets span, done or err, from one stretch of the buffer.
func (c *Content) next() {
	if c.chunked {
		c.nextChunk()
		return
	}
	g := c.g
	b := g.buf[g.r:g.w]
	if c.bol && len(b) > 0 && b[0] == '.' {
		switch {
		case len(b) < 3 && bytes.HasPrefix([]byte(".\r\n"), b):
			c.fill()
			return
		case len(b) >= 3 && b[1] == '\r' && b[2] == '\n':
			g.r += 3
			c.end()
			return
		}
		// RFC 5321 section 4.5.2: the first period of a line goes.
		g.r++
		b = b[1:]
		c.bol = false
	}
	if len(b) == 0 {
		c.fill()
		return
	}
	n := c.scan(b)
	g.r += n
	c.take(b[:n])
}

// fill reads more content, with a deadline for the next octets and one for all
// of it, by the least rate.
func (c *Content) fill() {
	g, l := c.g, &c.g.cfg.Limits
	now := time.Now()
	if c.started.IsZero() {
		c.started = now
	}
	deadline := now.Add(l.DataTimeout)
	all := time.Duration(c.facts.Size / l.MinRate * int64(time.Second))
	if total := c.started.Add(l.DataTimeout + all); total.Before(deadline) {
		deadline = total
	}
	if !g.fill(deadline, false) {
		c.err = ErrAborted
	}
}

// take offers a stretch to the reader, unless the content is refused.
func (c *Content) take(b []byte) {
	if c.err == nil {
		if r := c.verdict(); r != nil {
			c.err = r
		} else {
			c.span = b
			return
		}
	}
	c.refused += int64(len(b))
	if c.refused > max(c.g.cfg.Limits.MessageBytes, 1<<20) {
		// Too much to read for the sake of a reply.
		var r *mail.Reply
		if errors.As(c.err, &r) {
			c.g.out = r.Wire(c.g.out) // the reader was told already
		}
		c.g.bye(nil, true)
		c.err = ErrAborted
	}
}

// verdict gives the refusal of what was seen so far.
func (c *Content) verdict() *mail.Reply {
	limit := c.g.cfg.Limits.LineOctets
	if c.g.strictly() {
		limit = strictLine
	}
	switch f := &c.facts; {
	case f.Size > c.g.cfg.Limits.MessageBytes:
		return replyTooLong
	case f.BareLF:
		return replyHasBareLF
	case f.BareCR:
		return replyHasBareCR
	case f.NUL:
		return replyHasNUL
	case f.LongestLine > limit:
		return longLine(limit)
	}
	return nil
}

// end is the true end.
func (c *Content) end() {
	c.done = true
	if c.g.held {
		// The client of an earlier message does not wait for this one's commit.
		c.g.flush()
	}
	if c.err == nil {
		c.err = io.EOF
	}
}

// scan takes content off the front of b, up to a period that opens a line of
// DATA, gathers the facts about it, and gives its length.
func (c *Content) scan(b []byte) int {
	pos, pairs := 0, 0
	for pos < len(b) {
		if c.bol && !c.chunked && b[pos] == '.' {
			break // never the first octet: next has seen to that
		}
		c.bol = false
		i := bytes.IndexByte(b[pos:], '\n')
		if i < 0 {
			c.line += len(b) - pos
			pos = len(b)
			break
		}
		end := pos + i
		length := c.line + i
		if i > 0 && b[end-1] == '\r' || end == 0 && c.cr {
			pairs++
			length--
			c.bol = true
		} else {
			c.facts.BareLF = true
		}
		c.facts.LongestLine = max(c.facts.LongestLine, length)
		c.line = 0
		pos = end + 1
	}
	c.note(b[:pos], pairs)
	return pos
}

// note gathers the facts that need no lines. A CR is bare unless it is the first
// half of one of the pairs, or the last octet so far.
func (c *Content) note(b []byte, pairs int) {
	crs := bytes.Count(b, []byte{'\r'})
	if c.cr {
		crs++
	}
	c.cr = b[len(b)-1] == '\r'
	if c.cr {
		crs--
	}
	f := &c.facts
	f.Size += int64(len(b))
	f.BareCR = f.BareCR || crs > pairs
	f.NUL = f.NUL || bytes.IndexByte(b, 0) >= 0
	f.EightBit = f.EightBit || eightBit(b)
	partial := c.line
	if c.cr {
		partial-- // half of a line end, as it seems
	}
	f.LongestLine = max(f.LongestLine, partial)
}

func eightBit(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return true
		}
		b = b[8:]
	}
	for _, x := range b {
		if x > 0x7f {
			return true
		}
	}
	return false
}

// Whole reports whether the reader was told of the true end.
func (c *Content) Whole() bool { return c.eof }
