package receiving

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/mail/report"
	"github.com/sesame-mta/sesame/queue"
)

// bounce handles a DSN: each recipient of the message that it says was given up is
// told of once, and the sender hears of each by a mail.
func (r *Receiver) bounce(ctx context.Context, in *report.Incoming, m *queue.Message) error {
	failed := r.failed(in, m)
	if len(failed) == 0 {
		r.o.Log.Info("report of no failure dropped", "id", m.ID, "account", m.Account, "text", in.Subject)
		r.metrics.done("dropped")
		return nil
	}
	for _, rcpt := range failed {
		// One at a time: whatever others a second report names, each is told of once.
		err := r.o.Dispatch.Feedback(ctx, dispatch.Feedback{ID: m.ID, Type: event.Bounce, Time: r.o.Now(),
			Recipients: []event.Recipient{rcpt}, ReportingMTA: domain(in.ReportingMTA), Key: fmt.Sprintf("bounce %d", rcpt.N)})
		if err := settled(err); err != nil {
			return err
		}
	}
	r.metrics.done("bounce")
	if !r.forwards(m, event.Bounce) {
		return nil
	}
	for i := range failed {
		// A mail for each: whoever got one message could name its recipients in as many
		// combinations as he likes.
		one := failed[i : i+1]
		if err := r.submit(ctx, m, event.Bounce, one, r.dsn(in, m, one)); err != nil {
			return err
		}
	}
	return nil
}

// settled takes for done what can never be.
func settled(err error) error {
	if errors.Is(err, queue.ErrNotFound) || errors.Is(err, dispatch.ErrNoRecipient) {
		return nil
	}
	return err
}

// failed gives the recipients of the message that a DSN says were given up.
func (r *Receiver) failed(in *report.Incoming, m *queue.Message) (out []event.Recipient) {
	seen := make(map[int]bool)
	add := func(n int, rcpt event.Recipient) {
		if n >= 0 && !seen[n] {
			seen[n] = true
			rcpt.N, rcpt.To, rcpt.Remote = n, m.To[n], true
			out = append(out, rcpt)
		}
	}
	var other *report.Returned
	for i := range in.Recipients {
		back := &in.Recipients[i]
		if back.Action == report.Delayed || back.Action == report.Passed {
			continue
		}
		n := find(m, back.To)
		if n < 0 {
			n = find(m, back.Original)
		}
		if n < 0 {
			other = back
		}
		add(n, said(back))
	}
	// Mail to one recipient that bounced somewhere behind it, or without a name: that
	// is all we know of it, and nobody is suppressed for it.
	if len(out) == 0 && len(m.To) == 1 && (other != nil || len(in.Recipients) == 0) {
		rcpt := undetermined()
		if other != nil {
			rcpt.Reply = said(other).Reply
		}
		add(0, rcpt)
	}
	return out
}

// find gives the number of a recipient, -1 for somebody else.
func find(m *queue.Message, text string) int {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return -1
	}
	for n, to := range m.To {
		if to.Domain() == a.Domain() && strings.EqualFold(to.Local(), a.Local()) {
			return n
		}
	}
	return -1
}

// said gives what a host said of a recipient. Its class is read from that.
func said(back *report.Returned) event.Recipient {
	reply := back.Reply
	if reply.Status.IsZero() {
		reply.Status = back.Status
	}
	rcpt := event.Recipient{Reply: reply, Host: domain(back.Host)}
	if k := reply.Code / 100; k != 4 && k != 5 && reply.Status.Class != 4 && reply.Status.Class != 5 {
		u := undetermined()
		u.Reply, u.Host = mail.Reply{Text: reply.Text}, rcpt.Host
		return u
	}
	return rcpt
}

// undetermined is a bounce for no reason that we know.
func undetermined() event.Recipient {
	return event.Recipient{Class: verdict.Unknown.String(), BounceType: verdict.Undetermined, BounceSubType: verdict.Undetermined}
}

// domain gives the name of a host that a stranger wrote, nothing for what is none.
func domain(text string) string {
	d, err := mail.ParseDomain(text)
	if err != nil {
		return ""
	}
	return d
}

// unread handles what came to a reverse-path from a null one and is no report that
// can be read: some bounce it must be.
func (r *Receiver) unread(ctx context.Context, l *letter, in *report.Incoming, m *queue.Message) error {
	if err := r.bounceOf(ctx, m); err != nil {
		return err
	}
	return r.passOn(ctx, l, in, m)
}

// bounceOf tells that a message to one recipient bounced for a reason that is not
// known. Of several nobody knows whose it was.
func (r *Receiver) bounceOf(ctx context.Context, m *queue.Message) error {
	if len(m.To) != 1 {
		return nil
	}
	rcpt := undetermined()
	rcpt.To, rcpt.Remote = m.To[0], true
	err := r.o.Dispatch.Feedback(ctx, dispatch.Feedback{ID: m.ID, Type: event.Bounce, Time: r.o.Now(),
		Recipients: []event.Recipient{rcpt}, Key: "bounce 0"})
	r.metrics.done("bounce")
	return settled(err)
}

// dsn writes the bounce mail for a sender (spec section 6.4).
func (r *Receiver) dsn(in *report.Incoming, m *queue.Message, failed []event.Recipient) composer {
	return func(id mail.ID, to mail.ForwardPath) (header, body []byte) {
		d := report.DSN{ID: id, Date: r.o.Now(), Domain: r.o.Domain, ReportingMTA: r.o.Hostname, To: to,
			Failed: m.ID, Arrival: m.Accepted, MessageID: m.MessageID, Header: r.returned(in, m)}
		for _, f := range failed {
			d.Recipients = append(d.Recipients, report.Recipient{To: f.To, Reply: f.Reply, Remote: true, Host: f.Host})
		}
		return d.Compose()
	}
}

// returned gives the header section to show to a sender: what came back of it, if
// it is his message that came back.
func (r *Receiver) returned(in *report.Incoming, m *queue.Message) []byte {
	if id, ok := r.original(in); ok && id == m.ID {
		return in.Original.Header
	}
	return append(message.Field("Message-ID", m.MessageID), "\r\n"...)
}
