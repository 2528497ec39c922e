package dkim

import (
	"errors"
	"hash"
	"io"

	"github.com/sesame-mta/sesame/mail/message"
)

// relaxedField appends a header field in relaxed form (RFC 6376 section 3.4.2),
// with its CRLF.
func relaxedField(buf []byte, f message.HeaderField) []byte {
	for _, c := range []byte(f.Name) {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf = append(buf, c)
	}
	buf = append(buf, ':')
	buf = relaxedText(buf, f.Raw)
	return append(buf, '\r', '\n')
}

// relaxedText appends text with each run of white space and line ends as one
// space, and none at its ends.
func relaxedText(buf []byte, text string) []byte {
	begin, blank := len(buf), false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t', '\r', '\n':
			blank = true
		default:
			if blank && len(buf) > begin {
				buf = append(buf, ' ')
			}
			blank = false
			buf = append(buf, c)
		}
	}
	return buf
}

// relaxedBody hashes a body in relaxed form (RFC 6376 section 3.4.4) as it is
// written: runs of white space are one space, those at the end of a line and
// empty lines at the end of the body are nothing. Only CRLF ends a line.
type relaxedBody struct {
	sum   hash.Hash
	out   []byte // what is not in sum yet
	lines int    // line ends that count once something follows
	blank bool   // white space that counts once something follows on its line
	cr    bool   // the last octet was a CR
	some  bool   // something other than empty lines was seen
}

const (
	hashChunk = 8 << 10
	// Most bodies fit the small buffer; larger ones are read by the large one.
	bodyBuffer, largeBuffer = 4 << 10, 64 << 10
)

// readAll writes all of r.
func (b *relaxedBody) readAll(r io.Reader) error {
	buf := make([]byte, bodyBuffer)
	for {
		n, err := r.Read(buf)
		_, _ = b.Write(buf[:n]) // it never fails
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n == bodyBuffer && len(buf) == n:
			buf = make([]byte, largeBuffer)
		}
	}
}

// Write takes the next piece of the body. It never fails.
func (b *relaxedBody) Write(p []byte) (int, error) {
	for i := 0; i < len(p); {
		switch c := p[i]; {
		case c == '\n' && b.cr:
			b.cr, b.blank = false, false
			b.lines++
			i++
		case c == '\r':
			if b.cr {
				b.text([]byte{'\r'})
			}
			b.cr = true
			i++
		case b.cr: // the CR before this octet ended no line
			b.cr = false
			b.text([]byte{'\r'})
		case c == ' ' || c == '\t':
			b.blank = true
			i++
		default:
			end := i + 1
			for end < len(p) && p[end] > ' ' {
				end++
			}
			b.text(p[i:end])
			i = end
		}
	}
	return len(p), nil
}

// text hashes octets that stay, and what was pending before them.
func (b *relaxedBody) text(p []byte) {
	for ; b.lines > 0; b.lines-- {
		b.out = append(b.out, '\r', '\n')
		b.flush(hashChunk)
	}
	if b.blank {
		b.out = append(b.out, ' ')
		b.blank = false
	}
	b.out = append(b.out, p...)
	b.some = true
	b.flush(hashChunk)
}

// flush hands on what waits when it is at least so many octets.
func (b *relaxedBody) flush(least int) {
	if len(b.out) >= least {
		b.sum.Write(b.out)
		b.out = b.out[:0]
	}
}

// hash ends the body and gives its hash. A body of nothing but empty lines
// hashes as nothing; any other ends in one CRLF.
func (b *relaxedBody) hash() []byte {
	if b.cr {
		b.text([]byte{'\r'})
	}
	if b.some {
		b.out = append(b.out, '\r', '\n')
	}
	b.flush(0)
	return b.sum.Sum(nil)
}
