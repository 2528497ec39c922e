package api

import (
	"errors"
	"io"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/submission"
)

// strictLine is the longest line in the strict profile, without its CRLF (spec
// section 1.7).
const strictLine = 998

// contentBuf is the size of one read in octets.
const contentBuf = 16 << 10

// content is a message that came by HTTP on its way to the desk. Programs write
// messages with all sorts of line ends; each becomes CRLF here, so that no two
// readers can see different lines (RFC 5321 section 2.3.8).
type content struct {
	in       io.Reader
	line     int // the longest that is taken
	max      int64
	facts    submission.Facts
	raw      [contentBuf]byte
	out      []byte
	ready    []byte
	err      error
	cr       bool // a CR was read, and not yet what follows it
	now      int  // octets of the line under way
	tooLarge func(int64) error
}

// newContent makes the content of a message of a caller.
func newContent(in io.Reader, c *Call, line int, max int64, tooLarge func(int64) error) *content {
	if c.Principal.Strict {
		line = strictLine
	}
	return &content{in: in, line: line, max: max, tooLarge: tooLarge, out: make([]byte, 0, 2*contentBuf+4)}
}

// Facts implements submission.Content.
func (c *content) Facts() submission.Facts { return c.facts }

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	for len(c.ready) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		c.fill()
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

func (c *content) fill() {
	n, err := c.in.Read(c.raw[:])
	c.out = c.out[:0]
	for _, b := range c.raw[:n] {
		if c.cr || b == '\n' {
			c.end()
			if c.cr = false; b == '\n' {
				continue
			}
		}
		if b == '\r' {
			c.cr = true
			continue
		}
		c.facts.NUL = c.facts.NUL || b == 0
		c.facts.EightBit = c.facts.EightBit || b >= 0x80
		c.out = append(c.out, b)
		c.now++
	}
	if errors.Is(err, io.EOF) && (c.cr || c.now > 0) {
		c.end() // the last line ends, too
		c.cr = false
	}
	c.facts.Size += int64(len(c.out))
	c.facts.LongestLine = max(c.facts.LongestLine, c.now)
	c.ready = c.out
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		c.err = err
	case c.facts.Size > c.max:
		c.err = c.tooLarge(c.facts.Size)
	case c.facts.NUL:
		c.err = errNUL
	case c.facts.LongestLine > c.line:
		c.err = errLine
	case err != nil:
		c.err = io.EOF
	}
}

// end writes the end of a line.
func (c *content) end() {
	c.out = append(c.out, '\r', '\n')
	c.facts.LongestLine = max(c.facts.LongestLine, c.now)
	c.now = 0
}

// The refusals of content that is not mail.
var (
	errNUL  = mail.Refuse(554, 6, 0, "Transaction failed: Message contains a NUL octet.")
	errLine = mail.Refuse(554, 6, 0, "Transaction failed: Message contains a line that is too long.")
)
