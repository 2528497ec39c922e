package receiving

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/mail/report"
	"github.com/sesame-mta/sesame/queue"
)

// composer writes a mail.
type composer func(id mail.ID, to mail.ForwardPath) (header, body []byte)

// forwards reports whether the sender of a message hears of an event by mail.
func (r *Receiver) forwards(m *queue.Message, t event.Type) bool {
	return r.o.Forwards == nil || r.o.Forwards(t, m)
}

// submit mails the sender of a message, once for each set of recipients.
func (r *Receiver) submit(ctx context.Context, m *queue.Message, t event.Type, about []event.Recipient, write composer) error {
	label := strings.ToLower(t.String())
	for _, rcpt := range about {
		label += fmt.Sprintf(" %d", rcpt.N)
	}
	return r.mail(ctx, m, label, write)
}

// mail hands a mail to the sender of a message in through the one door. The same
// label is the same mail.
func (r *Receiver) mail(ctx context.Context, m *queue.Message, label string, write composer) error {
	id := r.o.Minter.Derive(m.ID, m.Accepted, "returned "+label)
	to := mail.ForwardPath{Address: m.From.Address}
	header, body := write(id, to)
	err := r.o.Submit.SubmitNotice(ctx, event.Notice{ID: id, About: m.ID, Account: m.Account, To: to,
		Header: header, Body: body, Keys: r.keys()})
	if err != nil {
		return fmt.Errorf("forward feedback about %s: %w", m.ID, err)
	}
	r.metrics.forwarded.Inc()
	return nil
}

func (r *Receiver) keys() []string {
	if r.o.Keys == nil {
		return nil
	}
	return r.o.Keys()
}

// passOn mails what came to a reverse-path and is no report to the sender of the
// message (spec section 6.6). Of each recipient one goes through, and one of anybody
// else: an answer can be asked for again, a flood cannot be sent back.
func (r *Receiver) passOn(ctx context.Context, l *letter, in *report.Incoming, m *queue.Message) error {
	label := "answer"
	if n := find(m, in.From); n >= 0 {
		label = fmt.Sprintf("answer %d", n)
	}
	text := "This came back for a message of yours. It is no report of a failure, and may be an answer that no person wrote."
	if in.Kind == report.AutoReply {
		text = "This automatic answer came back for a message of yours."
	}
	err := r.mail(ctx, m, label, func(id mail.ID, to mail.ForwardPath) (header, body []byte) {
		f := report.Forward{ID: id, Date: r.o.Now(), Domain: r.o.Domain, To: to, Subject: in.Subject,
			Text: text + " The message was accepted as " + m.ID.String() + ".", Content: l.content}
		return f.Compose()
	})
	if err != nil {
		return err
	}
	r.o.Log.Info("answer to a message passed on", "id", m.ID, "account", m.Account, "from", l.from, "to", m.From)
	r.metrics.done("answer")
	return nil
}

// toPostmaster mails what came to a role address to the person who reads them.
func (r *Receiver) toPostmaster(ctx context.Context, l *letter, in *report.Incoming, role string) error {
	if r.o.Postmaster.IsZero() {
		return nil
	}
	if l.cut {
		return errTooLong
	}
	at := role + "@" + r.o.Domain
	if looped(l.content, at) {
		r.o.Log.Warn("mail to a role address goes round in circles, dropped", "from", l.from, "to", at)
		r.metrics.done("dropped")
		return nil
	}
	now := r.o.Now()
	if ok, frees := r.people.may(now); !ok {
		r.metrics.done("flood")
		if in.Kind != report.Other {
			// The report is logged and counted; the hundred before it will do.
			return nil
		}
		return errFlood.WithCause(&mail.Limit{Name: mail.LimitRoleMail, Whose: "server", Used: perHour, Max: perHour,
			Unit: "mails an hour to the postmaster", Frees: frees})
	}
	// The same mail again on the same day is the same one.
	sum := sha256.Sum256(append([]byte(role+"\n"+l.from.String()+"\n"), l.content...))
	id := r.o.Minter.Derive(mail.ID{}, now.Truncate(24*time.Hour), hex.EncodeToString(sum[:]))
	f := report.Forward{ID: id, Date: now, Domain: r.o.Domain, To: r.o.Postmaster, Subject: in.Subject,
		Text: "This came for " + at + " from " + l.from.Path() + ".", Content: l.content}
	header, body := f.Compose()
	// The mark by which it is known when it comes round again.
	header = append(message.Field(loopField, at), header...)
	err := r.o.Submit.SubmitNotice(ctx, event.Notice{ID: id, Account: account.SystemID,
		To: r.o.Postmaster, Header: header, Body: body, Keys: r.keys()})
	if err != nil {
		return fmt.Errorf("forward mail for %s: %w", at, err)
	}
	r.o.Log.Info("mail to a role address passed on", "from", l.from, "to", at)
	r.metrics.done("role")
	return nil
}

// loopField marks mail that was passed on to a person, with the address it was for.
const loopField = "X-Loop"

// looped reports whether mail was passed on by us before.
func looped(content []byte, at string) bool {
	for line := range strings.SplitSeq(string(top(content)), "\r\n") {
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, loopField) && strings.EqualFold(strings.TrimSpace(value), at) {
			return true
		}
	}
	return false
}
