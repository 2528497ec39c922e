package admission

import (
	"context"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// errMailFrom is recorded from SES (spec section 1.5).
var errMailFrom = mail.Recorded(554, 7, 1, "MAIL FROM domain not verified: DNS setup for MAIL FROM domain is invalid.")

// mailFrom refuses mail whose From identity has a MAIL FROM domain that is not
// set up, when its owner wants that (spec section 4.7).
func mailFrom(refused func(account string, from mail.Address) bool) func(context.Context, *Candidate) error {
	return func(_ context.Context, c *Candidate) error {
		if refused == nil {
			return nil
		}
		field, _ := c.Header.Get("From")
		from, err := message.Addresses(field.Value())
		if err != nil || len(from) == 0 {
			return failed(0, "Missing final '@domain'") // the identity rule saw to it already
		}
		if refused(c.Principal.Account, from[0]) {
			return errMailFrom
		}
		return nil
	}
}
