package receiving

import (
	"context"
	"fmt"
	"strings"

	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/report"
	"github.com/sesame-mta/sesame/queue"
)

// complaint handles a feedback report. One that no provider of the list has signed
// is shown to the postmaster and counts for nothing.
func (r *Receiver) complaint(ctx context.Context, l *letter, in *report.Incoming, m *queue.Message) error {
	by, err := r.provider(ctx, l)
	if err != nil {
		return err
	}
	log := r.o.Log.With("id", m.ID, "account", m.Account, "from", l.from)
	if by == "" {
		log.Info("complaint without the signature of a provider", "text", in.From)
		r.metrics.done("unsigned")
		return r.toPostmaster(ctx, l, in, roles[0])
	}
	who := complainers(in, m, by)
	if len(who) == 0 {
		log.Info("complaint of nobody that the message went to", "domain", by)
		r.metrics.done("unmatched")
		return r.toPostmaster(ctx, l, in, roles[0])
	}
	switch in.Feedback.Type {
	case "not-spam":
		return r.forgive(ctx, m, who)
	case "auth-failure":
		// No recipient's word, but a host's (RFC 6591).
		r.metrics.done("dropped")
		return r.toPostmaster(ctx, l, in, roles[0])
	}
	err = r.o.Dispatch.Feedback(ctx, dispatch.Feedback{ID: m.ID, Type: event.Complaint, Time: r.o.Now(), Recipients: who,
		Report: &event.Report{UserAgent: in.Feedback.UserAgent, FeedbackType: in.Feedback.Type, Arrival: in.Feedback.Arrival}})
	if err := settled(err); err != nil {
		return err
	}
	r.metrics.done("complaint")
	if !r.forwards(m, event.Complaint) {
		return nil
	}
	return r.submit(ctx, m, event.Complaint, who, r.arf(in, m, who))
}

// forgive takes back complaints (spec section 6.7).
func (r *Receiver) forgive(ctx context.Context, m *queue.Message, who []event.Recipient) error {
	if r.o.Forgive != nil {
		for _, rcpt := range who {
			if err := r.o.Forgive(ctx, m.Account, rcpt.To.Address); err != nil {
				return fmt.Errorf("take back a complaint: %w", err)
			}
			r.o.Log.Info("complaint taken back", "id", m.ID, "account", m.Account, "to", rcpt.To)
		}
	}
	r.metrics.done("not_spam")
	return nil
}

// complainers gives the recipients of a message that a report is about. Most
// providers do not say who it was; then it may be anybody of the message at the
// domains that they name, or at their own (spec section 6.7).
func complainers(in *report.Incoming, m *queue.Message, by string) []event.Recipient {
	named := make(map[int]bool)
	domains := make(map[string]bool)
	for _, text := range in.Feedback.To {
		if n := find(m, text); n >= 0 {
			named[n] = true
		} else if i := strings.LastIndexByte(text, '@'); i >= 0 {
			domains[domain(text[i+1:])] = true
		}
	}
	choose := func(f func(n int, to mail.ForwardPath) bool) (out []event.Recipient) {
		for n, to := range m.To {
			if f(n, to) {
				out = append(out, event.Recipient{N: n, To: to})
			}
		}
		return out
	}
	for _, f := range []func(int, mail.ForwardPath) bool{
		func(n int, _ mail.ForwardPath) bool { return named[n] },
		func(_ int, to mail.ForwardPath) bool { return domains[to.Domain()] },
		func(int, mail.ForwardPath) bool { return len(m.To) == 1 },
		func(_ int, to mail.ForwardPath) bool { return house(to.Domain()) == house(by) },
	} {
		if who := choose(f); len(who) > 0 {
			return who
		}
	}
	return nil
}

// house gives the word that the domains of one provider share: "yahoo" for
// arf.mail.yahoo.com and for yahoo.fr.
func house(domain string) string {
	labels := strings.Split(domain, ".")
	n := len(labels) - 2
	if n > 0 && len(labels[n]) <= 3 {
		n-- // yahoo.co.uk
	}
	return labels[max(n, 0)]
}

// arf writes the complaint mail for a sender (spec section 6.7).
func (r *Receiver) arf(in *report.Incoming, m *queue.Message, who []event.Recipient) composer {
	return func(id mail.ID, to mail.ForwardPath) (header, body []byte) {
		a := report.ARF{ID: id, Date: r.o.Now(), Domain: r.o.Domain, To: to, Feedback: in.Feedback, MailFrom: m.From,
			Reported: m.From.Domain(), About: m.ID, Arrival: m.Accepted, MessageID: m.MessageID,
			Subject: in.Original.Subject, Header: r.returned(in, m)}
		for _, rcpt := range who {
			a.Recipients = append(a.Recipients, rcpt.To)
		}
		if from, err := mail.ParseAddress(in.Original.From); err == nil {
			a.Reported = from.Domain()
		}
		return a.Compose()
	}
}
