package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/public"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/contact"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// buildChecker makes what looks after identities. It asks DNS through a resolver
// of its own that remembers next to nothing: what an owner published a moment
// ago must be seen, and the absence of it was remembered for hours elsewhere.
func (d *Daemon) buildChecker(context.Context) error {
	o := identity.CheckerOptions{Book: d.identities, Log: d.logger("identity"), OnRequest: d.o.Carrier != nil}
	dns, err := resolver.New(resolver.Options{Servers: d.cfg.DNS.Resolvers, MaxCache: 1, Log: d.logger("resolver")})
	if err != nil {
		return err
	}
	d.onClose(func() error { dns.Close(); return nil })
	o.DNS = dns
	d.checker = identity.NewChecker(o)
	return nil
}

// verifier shows the public pages the links.
type verifier struct{ book *identity.Book }

func (v verifier) Linked(link string) (string, error) {
	i, err := v.book.Linked(link)
	return i.Name, plainLink(err)
}

func (v verifier) Confirm(ctx context.Context, link string) (string, error) {
	i, err := v.book.Confirm(ctx, link)
	return i.Name, plainLink(err)
}

// plainLink says that a link is not good in the words of package public.
func plainLink(err error) error {
	if errors.Is(err, identity.ErrLink) || errors.Is(err, account.ErrNotFound) {
		return public.ErrLink
	}
	return err
}

// mailsLinks reports whether links can be mailed: somebody must be able to open
// them.
func (d *Daemon) mailsLinks() bool {
	return d.cfg.Service.PublicURL != "" && d.cfg.Listen.Public != ""
}

// mailLink mails a link to the address that it verifies. The mail is our own: it
// needs no identity and is charged to nobody.
func (d *Daemon) mailLink(ctx context.Context, i identity.Identity, link string) error {
	to, err := mail.ParseForwardPath(i.Name)
	if err != nil {
		return err
	}
	now := time.Now()
	id := d.minter.New(now)
	domain := d.serviceDomain()
	var header []byte
	for _, f := range [][2]string{
		{"From", "no-reply@" + domain}, {"To", to.String()}, {"Subject", "Verify your address for " + domain},
		{"Date", message.Date(now)}, {"Message-ID", message.NewMessageID(id, domain)},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834 section 5
		{"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=us-ascii"},
	} {
		header = append(header, message.Field(f[0], f[1])...)
	}
	at := strings.TrimSuffix(d.cfg.Service.PublicURL, "/") + public.Path + "?link=" + url.QueryEscape(link)
	body := fmt.Sprintf("Somebody asks to send mail as %s through %s.\r\n\r\n"+
		"If that was you, open this page and press the button:\r\n\r\n%s\r\n\r\n"+
		"The link is good for 24 hours. If it was not you, do nothing.\r\n", i.Name, domain, at)
	return d.desk.SubmitNotice(ctx, event.Notice{
		ID: id, Account: account.SystemID, To: to, Header: append(header, "\r\n"...), Body: []byte(body), Keys: d.systemKeys(),
	})
}

// identityChanged tells the contact of an account of every new state of its
// identities, but for the server's own.
func (d *Daemon) identityChanged(c identity.Change) {
	a, err := d.accounts.Lookup(c.Identity.Account)
	if err != nil {
		return
	}
	d.contact.Tell(context.Background(), a, identityNote(c))
}

// effect says what a state means, by what it is the state of.
var effect = map[string]map[identity.State]string{
	"verification": {
		identity.Success:          "Mail may be sent as it.",
		identity.TemporaryFailure: "What verified it was lost. Mail may be sent as it for 72 hours from the loss, and not after.",
		identity.Failed:           "Mail cannot be sent as it. Begin the verification anew once all is in place.",
	},
	"dkim": {
		identity.Success:          "Mail is signed with its keys.",
		identity.TemporaryFailure: "Its keys are not in DNS any more. Mail is still sent, without its signatures.",
		identity.Failed:           "Its keys are not in DNS. Mail is sent without its signatures until they are.",
	},
	"mail from": {
		identity.Success:          "The MAIL FROM domain is set up.",
		identity.TemporaryFailure: "The MAIL FROM domain is not set up any more.",
		identity.Failed:           "The MAIL FROM domain is not set up as it must be.",
	},
}

func identityNote(c identity.Change) contact.Note {
	n := contact.Note{
		Subject: fmt.Sprintf("Identity %s: %s is %s", c.Identity.Name, c.What, c.To),
		Text: fmt.Sprintf("The state of %s of the identity %s was %s and is %s now.\n%s\n",
			c.What, c.Identity.Name, c.From, c.To, effect[c.What][c.To]),
	}
	if len(c.Why) > 0 {
		n.Text += "\nWhat DNS lacks:\n" + strings.Join(c.Why, "\n") + "\n"
	}
	return n
}
