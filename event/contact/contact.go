package contact

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

const (
	// waiting bounds the notes that are not mailed yet.
	waiting = 256
	// submitTime bounds the wait for the spool.
	submitTime = time.Minute
)

// Note is something that the contact of an account is told.
type Note struct {
	Subject string
	Text    string // of plain ASCII, lines parted by "\n"
}

// Options is what a Mailer needs. Domain, Submit and Minter must be set.
type Options struct {
	Domain string // that the mail comes from
	Submit event.Submitter
	Minter *mail.Minter
	Keys   func() []string // DKIM keys of Domain
	Log    *slog.Logger
}

// Mailer mails contacts. A nil Mailer tells nobody.
type Mailer struct {
	o     Options
	notes chan note
}

type note struct {
	Note
	account account.Account
	at      time.Time
}

// New makes a mailer.
func New(o Options) *Mailer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Mailer{o: o, notes: make(chan note, waiting)}
}

// Tell puts a note on its way to an account's contact, when it has one. It never
// waits; what is too much at once is left out, and the log says so.
func (m *Mailer) Tell(a account.Account, n Note) {
	if m == nil || a.Contact == "" {
		return
	}
	select {
	case m.notes <- note{n, a, time.Now()}:
	default:
		m.o.Log.Warn("contact was not told, too much is waiting", "account", a.ID, "text", n.Subject)
	}
}

// Run mails what it is told until ctx ends, and then what is left.
func (m *Mailer) Run(ctx context.Context) error {
	for {
		select {
		case n := <-m.notes:
			m.mail(ctx, n)
		case <-ctx.Done():
			for {
				select {
				case n := <-m.notes:
					m.mail(ctx, n)
				default:
					return nil
				}
			}
		}
	}
}

func (m *Mailer) mail(ctx context.Context, n note) {
	to, err := mail.ParseForwardPath(n.account.Contact)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), submitTime)
		defer cancel()
		err = m.o.Submit.SubmitNotice(ctx, m.compose(n, to))
	}
	if err != nil {
		m.o.Log.Warn("contact was not told", "account", n.account.ID, "text", n.Subject, "err", err)
	}
}

// compose writes the mail. It is our own, not the account's: it must go out when
// the account may not send.
func (m *Mailer) compose(n note, to mail.ForwardPath) event.Notice {
	id := m.o.Minter.New(n.at)
	var h []byte
	for _, f := range [][2]string{
		{"From", "no-reply@" + m.o.Domain},
		{"To", to.String()},
		{"Subject", n.Subject},
		{"Date", message.Date(n.at)},
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
