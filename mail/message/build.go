package message

import (
	"strings"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// Lengths of a line without its CRLF (RFC 5322 section 2.1.1).
const (
	foldAt  = 78
	maxLine = 998
)

// Field makes a header field, ended by CRLF. It is folded at white space before
// a line passes 78 octets; a word that no line of 998 can hold is cut. The value
// cannot add a field or a line of its own: white space and control characters
// become spaces, octets outside ASCII become question marks. An invalid name is
// a bug in the caller and panics: check foreign names with ValidName.
func Field(name, value string) []byte {
	if !ValidName(name) || len(name) > maxLine/2 {
		panic("message: invalid field name")
	}
	value = clean(value)
	out := make([]byte, 0, len(name)+len(value)+len(value)/foldAt*3+6)
	out = append(out, name...)
	out = append(out, ':')
	line := len(out)
	for i := 0; i < len(value); {
		// One word with the blanks before it; the first has the one of "Name: ".
		word := len(value) - i
		for j := i + 1; j < len(value); j++ {
			if value[j] == ' ' && value[j-1] != ' ' {
				word = j - i
				break
			}
		}
		if line+word > foldAt && i > 0 {
			out = append(out, '\r', '\n')
			line = 0
		}
		for line+word > maxLine {
			n := maxLine - line
			out = append(out, value[i:i+n]...)
			out = append(out, '\r', '\n', ' ')
			i, word, line = i+n, word-n, 1
		}
		out = append(out, value[i:i+word]...)
		i, line = i+word, line+word
	}
	return append(out, '\r', '\n')
}

// clean gives value with one space in front and nothing but printable ASCII,
// no blanks at its end, and no run of blanks that could fill a line.
func clean(value string) string {
	var b strings.Builder
	b.Grow(len(value) + 1)
	blanks := 1
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c <= ' ' || c == 0x7f {
			blanks++
			continue
		}
		if b.Len() == 0 {
			blanks = 1
		}
		b.WriteString(strings.Repeat(" ", min(blanks, foldAt/2)))
		blanks = 0
		if c > '~' {
			c = '?'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Date gives a date-time in the form that SES uses (spec section 3.2), in UTC:
// the day of the month has no leading zero (RFC 5322 section 3.3 allows both).
func Date(t time.Time) string {
	return t.UTC().Format("Mon, 2 Jan 2006 15:04:05 -0700")
}

// NewMessageID gives the value of a Message-ID field for our message id and a
// domain (RFC 5322 section 3.6.4).
func NewMessageID(id mail.ID, domain string) string {
	return "<" + id.String() + "@" + domain + ">"
}
