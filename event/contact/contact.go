package contact

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// submitTime bounds the wait for the spool.
const submitTime = time.Minute

// Note is something that the contact of an account is told.
type Note struct {
	Subject string
	Text    string // of plain ASCII, lines parted by "\n"
	// At is when it came to be; zero is now. An account's note with the same time
	// and subject is the same mail, so that who is not sure tells it again.
	At time.Time
}

// Options is what a Mailer needs. Domain, Submit and Minter must be set.
type Options struct {
	Domain string // that the mail comes from
	Submit event.Submitter
	Minter *mail.Minter
	Keys   func() []string // DKIM keys of Domain
	Log    *slog.Logger
}

// Mailer mails contacts. A nil Mailer tells nobody. It is safe for concurrent use.
type Mailer struct{ o Options }

// New makes a mailer.
func New(o Options) *Mailer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Mailer{o}
}

// Tell is Mail for those who tell once: what fails is logged.
func (m *Mailer) Tell(ctx context.Context, a account.Account, n Note) {
	if err := m.Mail(ctx, a, n); err != nil {
		m.o.Log.Warn("contact was not told", "account", a.ID, "text", n.Subject, "err", err)
	}
}

// Mail mails a note to an account's contact, when it has one. The mail is on stable
// storage when it returns nil. What happened is told even when ctx ends.
func (m *Mailer) Mail(ctx context.Context, a account.Account, n Note) error {
	if m == nil || a.Contact == "" {
		return nil
	}
	to, err := mail.ParseForwardPath(a.Contact)
	if err != nil {
		return fmt.Errorf("contact: %w", err)
	}
	if n.At.IsZero() {
		n.At = time.Now()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), submitTime)
	defer cancel()
	return m.o.Submit.SubmitNotice(ctx, m.compose(a.ID, n, to))
}

// compose writes the mail. It is our own, not the account's: it must go out when
// the account may not send.
func (m *Mailer) compose(accountID string, n Note, to mail.ForwardPath) event.Notice {
	id := m.o.Minter.Derive(mail.ID{}, n.At, "contact "+accountID+" "+n.Subject)
	var h []byte
	for _, f := range [][2]string{
		{"From", "no-reply@" + m.o.Domain},
		{"To", to.String()},
		{"Subject", n.Subject},
		{"Date", message.Date(n.At)},
		{"Message-ID", message.NewMessageID(id, m.o.Domain)},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834 section 5
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=us-ascii"},
	} {
		h = append(h, message.Field(f[0], f[1])...)
	}
	text := strings.ReplaceAll(strings.TrimSpace(n.Text), "\n", "\r\n") + "\r\n"
	out := event.Notice{ID: id, Account: account.SystemID, To: to, Header: append(h, "\r\n"...), Body: []byte(text)}
	if m.o.Keys != nil {
		out.Keys = m.o.Keys()
	}
	return out
}
