package rewrite

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/sesame-mta/sesame/mail/message"
)

// The placeholders: that of SES, of which it replaces the first two (spec section
// 3.7), and ours, of which a message may have more.
const (
	SESPlaceholder = "{{amazonSESUnsubscribeUrl}}"
	Placeholder    = "{{sesameUnsubscribeUrl}}"

	maxSES = 2
	// maxOwn keeps a short message from becoming a long one.
	maxOwn = 100
)

// MaxURL is the most octets of an address that is put in: it must find room in a
// line of text.
const MaxURL = 998

// Signed reports whether the sender has signed the content, so that nothing may be
// added or edited (spec section 3.7). S/MIME and PGP/MIME show in the content's type,
// and Body leaves them alone.
func Signed(s *message.Section) bool {
	return s.Count("DKIM-Signature") > 0 || s.Count("ARC-Message-Signature") > 0
}

// Body copies the body of a message with this header section, with the address in
// the place of the placeholders in its texts, and tells how many there were. What is
// no text, is attached, signed, encrypted, or in an encoding unknown to it, it copies
// as it is; so it does with every octet that is no placeholder, but for line breaks
// beside the address where a line would be too long, and for base64 from the first
// placeholder on, which holds the same octets in lines of 76. The memory it takes
// does not grow with the body. An address may have ASCII letters, digits, and the
// other octets of an address in an HTML attribute.
func Body(w io.Writer, s *message.Section, body io.Reader, address string) (int, error) {
	if address == "" || len(address) > MaxURL {
		return 0, fmt.Errorf("unsubscribe address has %d octets", len(address))
	}
	out := bufio.NewWriterSize(w, 32<<10)
	f := &filler{address: []byte(address), left: [...]int{maxSES, maxOwn}}
	p := &parts{out: out, filler: f}
	p.enter(s)
	if err := p.copy(body); err != nil {
		return f.filled, err
	}
	return f.filled, out.Flush()
}

// names are the placeholders by their number.
var names = [...][]byte{[]byte(SESPlaceholder), []byte(Placeholder)}

// filler knows the address, and how often it may still be put in.
type filler struct {
	address []byte
	left    [len(names)]int
	filled  int
}

// take asks for the place of a placeholder.
func (f *filler) take(n int) bool {
	if f.left[n] == 0 {
		return false
	}
	f.left[n]--
	f.filled++
	return true
}

// find gives the first placeholder in a text that is to be replaced; at is negative
// when there is none.
func (f *filler) find(text []byte) (at, size int) {
	for from := 0; ; {
		i := bytes.Index(text[from:], []byte("{{"))
		if i < 0 {
			return -1, 0
		}
		from += i
		for n, name := range names {
			if bytes.HasPrefix(text[from:], name) && f.take(n) {
				return from, len(name)
			}
		}
		from++
	}
}

// editor edits the text of one part in its transfer encoding.
type editor interface {
	// feed takes the next octets: a whole line with its end, or a piece of one that
	// is longer than the reader holds.
	feed(p []byte, whole bool)
	// end says that the part is over.
	end()
}
