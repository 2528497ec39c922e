package admission

import (
	"context"
	"io"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// Candidate is a message that asks to be let in, with all that is known of it.
type Candidate struct {
	Principal *auth.Principal
	// Account and Credential as they are now; the latter is empty for a client of
	// a trusted network.
	Account    account.Account
	Credential account.Credential
	From       mail.ReversePath
	To         []mail.ForwardPath
	Header     *message.Section
	// Content is what the client sent, Size its octets, HeaderSize those of its
	// header section with the empty line.
	Content          io.ReaderAt
	Size, HeaderSize int64
	// SetName is the configuration set it goes under; empty is none. Set is nil
	// when there is none of that name.
	SetName string
	Set     *configset.Set
	// Wait, set by the rate rule, puts the first attempt off, and Waits says why.
	Wait  time.Duration
	Waits *mail.Limit

	taken []func() // how to give back what the rate rule took
}

// Refund gives back what the rules took of the rate, for a message that is not
// kept after all.
func (c *Candidate) Refund() {
	for _, give := range c.taken {
		give()
	}
	c.taken = nil
}

// Rule looks at a candidate. Its error is the *mail.Reply that refuses it.
type Rule struct {
	Name  string // of a small closed set: it labels the metric of refusals
	Check func(ctx context.Context, c *Candidate) error
}

// Options is what the rules need to know.
type Options struct {
	Region     string // label in SES's texts, written in capitals
	Identities Identities
	// IsSimulated tells the domains of the mailbox simulator; nil is none.
	IsSimulated func(domain string) bool
	Throttling  Throttling
	// Paused names the identity whose pause stops mail from an address; nil is
	// no pauses.
	Paused func(account string, a mail.Address) (identity string, paused bool)
	// MailFromRefused tells that the MAIL FROM domain of an address' identity is
	// not set up and mail is to be refused for it; nil is never.
	MailFromRefused func(account string, from mail.Address) bool
	// Suppressed gives the recipients that are on a suppression list, for accounts
	// that refuse mail to them; nil is none.
	Suppressed func(ctx context.Context, c *Candidate) ([]mail.Address, error)
	// MIMEParts is the most parts of a message whose attachments are looked at;
	// 500 when 0.
	MIMEParts int
}

// Rules gives the rules in the order in which they are asked. The first refusal
// is the reply, so what is cheap and certain comes first.
func Rules(o Options) []Rule {
	return []Rule{
		{"pause", pause},
		{"hops", hops},
		{"from", oneFrom},
		{"unique", unique},
		{"identity", identities(o.Identities, o.Region, o.Paused)},
		{"mail_from", mailFrom(o.MailFromRefused)},
		{"sandbox", sandbox(o)},
		{"configuration_set", configurationSet},
		{"tags", tags},
		{"attachments", attachments(o.MIMEParts)},
		{"credential", credential},
		{"suppressed", suppressed(o.Suppressed)},
		{"rate", rate(o.Throttling)},
	}
}

// failed is the pattern of SES for a message it cannot parse (spec section 1.5).
func failed(detail int, sentence string) *mail.Reply {
	return mail.Recorded(554, 6, detail, "Transaction failed: "+sentence)
}
