package mail

import (
	"errors"
	"net/netip"
	"strings"
)

// Bounds of an address in octets (RFC 5321 section 4.5.3.1).
const (
	MaxLocal  = 64
	MaxDomain = 255
	MaxPath   = 256 // with the angle brackets
)

// What can be wrong with an address. The texts are those of the SES reference
// (spec section 1.5), so that a refusal can quote them as they are.
var (
	ErrMissingAt     = errors.New("Missing final '@domain'")
	ErrMissingLocal  = errors.New("Missing local name")
	ErrMissingDomain = errors.New("Missing domain")
	ErrBadDomain     = errors.New("Domain contains illegal character")
	ErrBadLocal      = errors.New("Local address contains illegal character")
	ErrLocalControl  = errors.New("Local address contains control or whitespace")
	ErrAddressLength = errors.New("Address is too long")
)

// Address is a mailbox: a local part and a domain, both 7-bit ASCII (RFC 5321
// section 4.1.2). It is kept as it is written on the wire, the local part with quotes only
// where it needs them, so that `"a@b"@c` can never be read as an address at b, and
// two that mean the same mailbox are equal. The domain is kept in lower case. The
// zero value is no address.
type Address struct {
	wire string
	at   uint8 // where the domain's @ stands
}

// ParseAddress reads a mailbox as it stands between the angle brackets of a
// path. It takes no source route, comment, display name or white space, and
// nothing outside 7-bit ASCII. The error is one of the values above.
func ParseAddress(s string) (Address, error) {
	local, rest, err := cutLocal(s)
	if err != nil {
		return Address{}, err
	}
	domain, err := parseDomain(rest)
	if err != nil {
		return Address{}, err
	}
	if len(local) > MaxLocal || len(domain) > MaxDomain {
		return Address{}, ErrAddressLength
	}
	wire := s
	if s[0] == '"' || len(s) != len(local)+1+len(domain) || s[len(local)+1:] != domain {
		wire = local + "@" + domain
		if !dotString(local) {
			wire = quoted(local, domain)
		}
	}
	if len(wire) > MaxPath-2 {
		return Address{}, ErrAddressLength
	}
	return Address{wire: wire, at: uint8(len(wire) - len(domain) - 1)}, nil
}

// cutLocal takes the local part off the front of s and gives what follows the @.
func cutLocal(s string) (local, domain string, err error) {
	if strings.HasPrefix(s, `"`) {
		return cutQuoted(s)
	}
	local, domain, found := strings.Cut(s, "@")
	for i := 0; i < len(local); i++ {
		c := local[i]
		switch {
		case c <= ' ' || c == 0x7f:
			return "", "", ErrLocalControl
		case c == '.':
			if i == 0 || i == len(local)-1 || local[i-1] == '.' {
				return "", "", ErrBadLocal
			}
		case !atext(c):
			return "", "", ErrBadLocal
		}
	}
	if !found {
		return "", "", ErrMissingAt
	}
	if local == "" {
		return "", "", ErrMissingLocal
	}
	return local, domain, nil
}

// cutQuoted reads a Quoted-string: qtextSMTP is 32 to 126 but for the quote and
// the backslash, a quoted pair is a backslash and 32 to 126 (RFC 5321 section
// 4.1.2). Tabs, line ends and other controls have no place in it.
func cutQuoted(s string) (local, domain string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			switch {
			case i+1 == len(s) || s[i+1] != '@':
				return "", "", ErrMissingAt
			case b.Len() == 0:
				return "", "", ErrMissingLocal
			}
			return b.String(), s[i+2:], nil
		}
		if c == '\\' && i+1 < len(s) {
			i++
			c = s[i]
		}
		if c < ' ' || c == 0x7f {
			return "", "", ErrLocalControl
		}
		if c > 0x7f {
			return "", "", ErrBadLocal
		}
		b.WriteByte(c)
	}
	return "", "", ErrMissingAt
}

// atext reports whether c may stand in an atom (RFC 5322 section 3.2.3).
func atext(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func parseDomain(s string) (string, error) {
	if s == "" {
		return "", ErrMissingDomain
	}
	if s[0] == '[' {
		return parseLiteral(s)
	}
	return ParseDomain(s)
}

// ParseDomain checks a domain name by RFC 5321 section 4.1.2 (letters, digits,
// hyphens; labels of 1 to 63 octets) and gives it in lower case. An
// internationalised name must come in its ASCII form. A name whose last label is
// a number is none: it could be taken for an IPv4 address (RFC 1123 section 2.1).
func ParseDomain(s string) (string, error) {
	if s == "" {
		return "", ErrMissingDomain
	}
	if len(s) > MaxDomain {
		return "", ErrAddressLength
	}
	label := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.':
			if label == 0 || s[i-1] == '-' {
				return "", ErrBadDomain
			}
			label = 0
			continue
		case c == '-':
			if label == 0 {
				return "", ErrBadDomain
			}
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
			// The underscore is not RFC 5321, but hosts with one exist and get mail.
		default:
			return "", ErrBadDomain
		}
		if label++; label > 63 {
			return "", ErrBadDomain
		}
	}
	if label == 0 || s[len(s)-1] == '-' || strings.Trim(s[len(s)-label:], "0123456789") == "" {
		return "", ErrBadDomain
	}
	return strings.ToLower(s), nil
}

// parseLiteral reads an address literal (RFC 5321 section 4.1.3).
func parseLiteral(s string) (string, error) {
	if !strings.HasSuffix(s, "]") {
		return "", ErrBadDomain
	}
	inner := s[1 : len(s)-1]
	v6 := len(inner) > 5 && strings.EqualFold(inner[:5], "IPv6:")
	if v6 {
		inner = inner[5:]
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || ip.Zone() != "" || ip.Is4() == v6 {
		return "", ErrBadDomain
	}
	if v6 {
		return "[ipv6:" + ip.String() + "]", nil
	}
	return "[" + ip.String() + "]", nil
}

// Local gives the local part without quoting, case kept.
func (a Address) Local() string {
	if strings.HasPrefix(a.wire, `"`) {
		local, _, _ := cutQuoted(a.wire) // it was read before
		return local
	}
	return a.wire[:a.at]
}

// Domain gives the domain in lower case, or an address literal in brackets.
func (a Address) Domain() string {
	if a.IsZero() {
		return ""
	}
	return a.wire[a.at+1:]
}

// IsZero reports whether a is no address at all.
func (a Address) IsZero() bool { return a.wire == "" }

// Literal gives the network address when the domain is an address literal.
func (a Address) Literal() (netip.Addr, bool) {
	d, ok := strings.CutPrefix(a.Domain(), "[")
	if !ok {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(strings.TrimPrefix(strings.TrimSuffix(d, "]"), "ipv6:"))
	return ip, err == nil
}

// String gives the address in wire form, the local part quoted where it must be.
func (a Address) String() string { return a.wire }

// quoted writes an address whose local part is no dot-string.
func quoted(local, domain string) string {
	var b strings.Builder
	b.Grow(len(local) + len(domain) + 4)
	b.WriteByte('"')
	for i := 0; i < len(local); i++ {
		if c := local[i]; c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(local[i])
	}
	b.WriteString(`"@`)
	b.WriteString(domain)
	return b.String()
}

func dotString(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			if i == 0 || i == len(s)-1 || s[i-1] == '.' {
				return false
			}
		} else if !atext(s[i]) {
			return false
		}
	}
	return s != ""
}

// MarshalText gives the wire form.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the wire form; empty text is the zero value.
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = Address{}
		return nil
	}
	parsed, err := ParseAddress(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}
