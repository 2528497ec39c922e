package admission

import (
	"context"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// The refusals of what a credential is not meant for, in the pattern of SES's
// "Access denied" (spec section 1.5), whose own text is made of Amazon's names.
const (
	mayNotFrom = "Access denied: This credential is not authorized to send from: "
	mayNotTo   = "Access denied: This credential is not authorized to send to: "
)

// credential keeps a credential within the senders and recipients that it was
// made for. Envelope sender (unless null), From and Sender must all be allowed;
// the rules before this one saw to it that they parse.
func credential(_ context.Context, c *Candidate) error {
	terms := c.Credential.Terms
	if len(terms.From) > 0 {
		if denied := senders(c, terms.MayFrom); len(denied) > 0 {
			return mail.Recorded(554, 7, 1, clip(mayNotFrom, denied))
		}
	}
	var denied []string
	for _, to := range c.To {
		if !terms.MayTo(to.Domain()) {
			denied = append(denied, to.String())
		}
	}
	if len(denied) > 0 {
		return mail.Recorded(554, 7, 1, clip(mayNotTo, denied))
	}
	return nil
}

// senders gives whom a message says it is from, but for those that may.
func senders(c *Candidate, may func(mail.Address) bool) []string {
	all := make([]mail.Address, 0, 3)
	if !c.From.Null() {
		all = append(all, c.From.Address)
	}
	for _, name := range []string{"From", "Sender"} {
		for _, field := range c.Header.All(name) {
			// What does not parse is refused by the identity rule.
			addrs, _ := message.Addresses(field.Value())
			all = append(all, addrs...)
		}
	}
	var denied []string
	seen := make(map[mail.Address]bool, len(all))
	for _, a := range all {
		if !seen[a] && !may(a) {
			denied = append(denied, a.String())
		}
		seen[a] = true
	}
	return denied
}
