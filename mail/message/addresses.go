package message

import (
	"errors"
	"io"
	"mime"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// What can be wrong with a list of addresses beside the errors of package mail.
// Texts as there; the first is recorded from SES (spec section 1.5).
var (
	ErrGroup         = errors.New("Illegal semicolon, not in group")
	ErrDisplayName   = errors.New("Display name contains illegal character")
	ErrQuote         = errors.New("Missing '\"'")
	ErrBracket       = errors.New("Missing '>'")
	ErrAfterAddress  = errors.New("Illegal text after address")
	ErrComment       = errors.New("Illegal comment")
	ErrAddressNumber = errors.New("Too many addresses")
)

// Bounds of an address list.
const (
	maxAddresses = 1000
	maxComments  = 8 // nested in one another (RFC 5322 section 3.2.2 has no bound)
)

// Addresses reads the unfolded value of From, Sender, Reply-To, To, Cc or
// Return-Path: mailboxes parted by commas, at least one, each an address alone
// or a display name with the address in angle brackets (RFC 5322 section 3.4).
// The time it takes grows linearly with the value.
//
// It is for deciding whose message it is, so it is stricter than the grammar:
// what two readers could take for different addresses is an error. That are
// groups, the obsolete syntax (but for dots in a display name, which are
// everywhere), blanks and comments inside an address, a second angle address or
// text after one, comments that hold specials, encoded words that hide the end of
// a line or of a string, and local parts that hold an encoded word or, quoted,
// anything that parts addresses. The error is one of package mail or of this
// package, as it is.
func Addresses(value string) ([]mail.Address, error) {
	var list []mail.Address
	r := reader{s: value}
	for {
		a, err := r.mailbox()
		if err != nil {
			return nil, err
		}
		if len(list) == maxAddresses {
			return nil, ErrAddressNumber
		}
		list = append(list, a)
		if r.end() {
			if hidesControl(value) {
				return nil, ErrDisplayName
			}
			return list, nil
		}
		r.at++ // the comma: mailbox stops nowhere else
	}
}

// hidesControl reports whether an encoded word, in quotes too, stands for text
// that a reader which decodes before it parses would cut off or take for a field.
func hidesControl(value string) bool {
	if !strings.Contains(value, "=?") {
		return false
	}
	// The octets are enough, in whatever character set.
	d := mime.WordDecoder{CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil }}
	text, err := d.DecodeHeader(value)
	return err != nil || strings.ContainsAny(text, "\x00\r\n")
}

type reader struct {
	s  string
	at int
}

func (r *reader) end() bool { return r.at == len(r.s) }

// peek gives the next octet, 0 at the end. (A NUL is refused all the same.)
func (r *reader) peek() byte {
	if r.end() {
		return 0
	}
	return r.s[r.at]
}

// mailbox reads one and what stands around it, up to a comma or the end.
func (r *reader) mailbox() (mail.Address, error) {
	if err := r.blanks(); err != nil {
		return mail.Address{}, err
	}
	for words := 0; ; words++ {
		start := r.at
		if err := r.word(); err != nil {
			return mail.Address{}, err
		}
		if r.at == start {
			return r.special(words)
		}
		if r.peek() == '@' && words == 0 {
			return r.addrSpec(start)
		}
		// Words are parted by blanks, so that a quote always begins one.
		switch r.peek() {
		case '"':
			return mail.Address{}, ErrDisplayName
		case '@':
			return mail.Address{}, mail.ErrLocalControl // a blank in the local part
		}
		if c := r.s[r.at-1]; c == '"' && !r.end() && wordByte(r.peek()) {
			return mail.Address{}, ErrDisplayName
		}
		if err := r.blanks(); err != nil {
			return mail.Address{}, err
		}
	}
}

// special decides at the octet that ended a display name of so many words.
func (r *reader) special(words int) (mail.Address, error) {
	if r.end() {
		return mail.Address{}, mail.ErrMissingAt
	}
	switch c := r.s[r.at]; {
	case c == '<':
		return r.angle()
	case c == ',':
		// Also an encoded word in place of an address, and an empty place in the
		// list (RFC 5322 section 4.4, obsolete).
		return mail.Address{}, mail.ErrMissingAt
	case c == ':', c == ';':
		return mail.Address{}, ErrGroup
	case c == '@' && words == 0:
		return mail.Address{}, mail.ErrMissingLocal
	case c == '@', c < ' ', c == 0x7f:
		return mail.Address{}, mail.ErrLocalControl
	case strings.IndexByte(r.s[r.at:], '<') < 0:
		return mail.Address{}, mail.ErrBadLocal
	}
	return mail.Address{}, ErrDisplayName
}

// word passes over an atom, dots taken for part of it, or a quoted string.
// Without either it stays where it is.
func (r *reader) word() error {
	if r.peek() != '"' {
		for !r.end() && wordByte(r.s[r.at]) {
			r.at++
		}
		return nil
	}
	for i := r.at + 1; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case c == '"':
			r.at = i + 1
			return nil
		case c == '\\' && i+1 < len(r.s) && printable(r.s[i+1]):
			i++
		case c == '\\' || !printable(c):
			return ErrDisplayName
		}
	}
	return ErrQuote
}

// addrSpec reads an address without brackets that began at start; r is at its @.
func (r *reader) addrSpec(start int) (mail.Address, error) {
	for !r.end() && strings.IndexByte(" \t(,;<>", r.s[r.at]) < 0 {
		r.at++
	}
	a, err := address(r.s[start:r.at])
	if err != nil {
		return mail.Address{}, err
	}
	return a, r.after()
}

// angle reads an address in brackets; r is at the left one.
func (r *reader) angle() (mail.Address, error) {
	inner, _, found := strings.Cut(r.s[r.at+1:], ">")
	if !found {
		return mail.Address{}, ErrBracket
	}
	a, err := address(inner)
	if err != nil {
		return mail.Address{}, err
	}
	r.at += len(inner) + 2
	return a, r.after()
}

// after checks what follows an address: blanks, then a comma or the end.
func (r *reader) after() error {
	if err := r.blanks(); err != nil {
		return err
	}
	switch {
	case r.end() || r.s[r.at] == ',':
		return nil
	case r.s[r.at] == ';':
		return ErrGroup
	}
	return ErrAfterAddress
}

// blanks passes over white space and comments (RFC 5322 section 3.2.2). A comment
// holds no specials: a reader that knows no comments would act on them.
func (r *reader) blanks() error {
	depth := 0
	for ; !r.end(); r.at++ {
		switch c := r.s[r.at]; {
		case c == ' ' || c == '\t':
		case c == '(':
			if depth++; depth > maxComments {
				return ErrComment
			}
		case depth == 0:
			return nil
		case c == ')':
			depth--
		case !printable(c) || strings.IndexByte(`<>[]:;@\,"`, c) >= 0:
			return ErrComment
		}
	}
	if depth > 0 {
		return ErrComment
	}
	return nil
}

// address reads what stands between brackets or alone, more strictly than a
// path: many readers split at the first @, unquote too early or decode encoded
// words before they parse.
func address(s string) (mail.Address, error) {
	if len(s) > 2*mail.MaxPath {
		return mail.Address{}, mail.ErrAddressLength
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		return mail.Address{}, err
	}
	if strings.ContainsAny(a.Local(), `()<>[]:;@\,"`) || strings.Contains(a.Local(), "=?") {
		return mail.Address{}, mail.ErrBadLocal
	}
	return a, nil
}

// wordByte reports whether c may stand in an atom (RFC 5322 section 3.2.3) or
// is a dot.
func wordByte(c byte) bool {
	return c > ' ' && c <= '~' && strings.IndexByte(`()<>[]:;@\,"`, c) < 0
}

// printable takes what may stand in quotes and comments.
func printable(c byte) bool { return c >= ' ' && c <= '~' || c == '\t' }
