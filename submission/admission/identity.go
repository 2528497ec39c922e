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
func identities(ids Identities, region string, paused func(string, mail.Address) (string, bool)) func(context.Context, *Candidate) error {
	return func(_ context.Context, c *Candidate) error {
		addrs, several, err := claimed(c)
		if err != nil {
			return err
		}
		var missing []string
		for _, a := range addrs {
			if !ids.Covered(c.Principal.Account, a) {
				missing = append(missing, a.String())
			}
		}
		if len(missing) > 0 {
			return notVerified(region, missing)
		}
		if several && c.Header.Count("Sender") == 0 {
			// RFC 5322 section 3.6.2: who sent it must be said then.
			return failed(0, "Missing required header 'Sender'.")
		}
		for _, a := range addrs {
			if paused == nil {
				break
			}
			if name, is := paused(c.Principal.Account, a); is {
				return mail.Recorded(554, 7, 1, "Message rejected: Sending paused for identity "+name+".")
			}
		}
		return nil
	}
}

// notVerified is the refusal that lists the identities in question.
func notVerified(region string, names []string) *mail.Reply {
	return mail.Recorded(554, 7, 1, clip("Message rejected: Email address is not verified. "+
		"The following identities failed the check in region "+strings.ToUpper(region)+": ", names))
}

// claimed gives every address that a message claims to come from, each once. The
// error is the refusal of a field that cannot be read in one way only. It also
// tells whether From has several.
func claimed(c *Candidate) (all []mail.Address, several bool, err error) {
	seen := make(map[mail.Address]bool, 4)
	note := func(a mail.Address) {
		if !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	if !c.From.Null() {
		note(c.From.Address)
	}
	for _, name := range once {
		for _, field := range c.Header.All(name) {
			value := field.Value()
			if name == "Return-Path" && value == "<>" {
				continue
			}
			addrs, err := message.Addresses(value)
			if err != nil {
				return nil, false, failed(0, sentence(err))
			}
			if len(addrs) > 1 && name != "From" {
				return nil, false, failed(0, "Header '"+name+"' must hold one address.")
			}
			several = several || len(addrs) > 1
			for _, a := range addrs {
				note(a)
			}
		}
	}
	return all, several, nil
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
