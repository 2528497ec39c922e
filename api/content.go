package api

import (
	"bytes"
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
	raw      []byte
	out      []byte
	ready    []byte
	err      error
	cr       bool // a CR was read, and not yet what follows it
	now      int  // octets of the line under way
	tooLarge func(int64) error
}

// newContent makes the content of a message of a caller, of about size octets.
func newContent(in io.Reader, c *Call, size int64, line int, max int64, tooLarge func(int64) error) *content {
	if c.Principal.Strict {
		line = strictLine
	}
	n := contentBuf
	if size < contentBuf {
		n = int(size) + 64
	}
	return &content{in: in, line: line, max: max, tooLarge: tooLarge, raw: make([]byte, n), out: make([]byte, 0, n+n/8)}
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
	n, err := c.in.Read(c.raw)
	c.out = c.out[:0]
	rest := c.raw[:n]
	c.facts.NUL = c.facts.NUL || bytes.IndexByte(rest, 0) >= 0
	c.facts.EightBit = c.facts.EightBit || eightBit(rest)
	if c.cr && n > 0 {
		c.cr = false
		c.end()
		rest = bytes.TrimPrefix(rest, []byte{'\n'})
	}
	for len(rest) > 0 {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		for {
			part, next, cr := bytes.Cut(line, []byte{'\r'})
			c.out = append(c.out, part...)
			c.now += len(part)
			if !cr {
				break
			}
			if len(next) == 0 {
				// What follows decides whose end it is: the next octet.
				c.cr = !ended
				break
			}
			c.end()
			line = next
		}
		if ended {
			c.end()
		}
		rest = after
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

func eightBit(text []byte) bool {
	for _, b := range text {
		if b >= 0x80 {
			return true
		}
	}
	return false
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
