package admission

import (
	"context"

	"github.com/sesame-mta/sesame/mail"
)

// octets refuses what other servers read differently: a bare CR or LF is how
// messages are smuggled, NUL is not allowed at all (RFC 5321 section 2.3.8, RFC
// 5322 section 2.2).
func octets(_ context.Context, c *Candidate) error {
	switch {
	case c.BareCR:
		return mail.Refuse(554, 6, 0, "Message contains a bare CR; lines end in CR LF")
	case c.BareLF:
		return mail.Refuse(554, 6, 0, "Message contains a bare LF; lines end in CR LF")
	case c.NUL:
		return mail.Refuse(554, 6, 0, "Message contains a NUL octet")
	}
	return nil
}

// The longest lines, without their CRLF: SES's own bound (spec section 1.7, RFC
// 5322 section 2.1.1) and the kinder one of the default profile, since real mail
// has single-line HTML.
const (
	strictLine  = 998
	defaultLine = 64 << 10
)

func lineLength(_ context.Context, c *Candidate) error {
	limit := defaultLine
	if c.Principal.Strict {
		limit = strictLine
	}
	if c.LongestLine > limit {
		return failed(0, "Line too long.")
	}
	return nil
}
