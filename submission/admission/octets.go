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

// strictLine is SES's own bound of a line without its CRLF (spec section 1.7, RFC
// 5322 section 2.1.1).
const strictLine = 998

// lineLength lets the default profile pass longer lines, since real mail has
// single-line HTML; limit is in octets without the CRLF.
func lineLength(limit int) func(context.Context, *Candidate) error {
	return func(_ context.Context, c *Candidate) error {
		if c.LongestLine > limit || c.Principal.Strict && c.LongestLine > strictLine {
			return failed(0, "Line too long.")
		}
		return nil
	}
}
