package admission

import (
	"context"
	"strings"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// Identities tells whose addresses an account may use.
type Identities interface {
	// Covered reports whether a verified identity of the account covers a.
	Covered(account string, a mail.Address) bool
}

// maxRefusal keeps a refusal that lists identities within one reply line of 512
// octets, code and line end counted.
const maxRefusal = mail.MaxReplyLine - len("554 \r\n")

// identities checks the envelope sender (unless null), From, Sender and
// Return-Path (spec section 4.5), each on the parsed address. A field that does
// not parse is refused with the parser's sentence.
func identities(ids Identities, region string) func(context.Context, *Candidate) error {
	return func(_ context.Context, c *Candidate) error {
		var missing []string
		seen := make(map[mail.Address]bool, 4)
		check := func(a mail.Address) {
			if seen[a] {
				return
			}
			seen[a] = true
			if !ids.Covered(c.Principal.Account, a) {
				missing = append(missing, a.String())
			}
		}
		if !c.From.Null() {
			check(c.From.Address)
		}
		for _, name := range once {
			for _, field := range c.Header.All(name) {
				value := field.Value()
				if name == "Return-Path" && value == "<>" {
					continue
				}
				addrs, err := message.Addresses(value)
				if err != nil {
					return failed(0, sentence(err))
				}
				if len(addrs) == 0 || len(addrs) > 1 && name != "From" {
					return failed(0, "Header '"+name+"' must hold one address.")
				}
				for _, a := range addrs {
					check(a)
				}
			}
		}
		if len(missing) == 0 {
			return nil
		}
		return notVerified(region, missing)
	}
}

// notVerified is the refusal that lists the identities in question.
func notVerified(region string, names []string) *mail.Reply {
	return mail.Recorded(554, 7, 1, clip("Message rejected: Email address is not verified. "+
		"The following identities failed the check in region "+strings.ToUpper(region)+": ", names))
}

// clip joins the identities and ends in "..." where the line would be too long.
func clip(prefix string, names []string) string {
	text := prefix + strings.Join(names, ", ")
	if len(text) <= maxRefusal {
		return text
	}
	text = prefix
	for i, n := range names {
		sep := ""
		if i > 0 {
			sep = ", "
		}
		if len(text)+len(sep)+len(n)+len("...") > maxRefusal {
			break
		}
		text += sep + n
	}
	return text + "..."
}

// sentence gives the text of a parser's error. The errors of mail and message
// are sentences of the SES reference and hold nothing private.
func sentence(err error) string { return err.Error() }
