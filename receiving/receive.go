package receiving

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/report"
	"github.com/sesame-mta/sesame/mail/verp"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
)

// maxHops is how many hosts a message may have passed (RFC 5321 section 6.3).
const maxHops = 50

// Receive implements smtpd.Inbound. A crash before it returns leaves the message
// with the host that sends it; what was done is not done again when it comes once
// more.
func (r *Receiver) Receive(ctx context.Context, q *submission.Request) error {
	content, cut, done, err := r.read(q.Content)
	defer done()
	if err != nil {
		return err
	}
	return r.take(ctx, &letter{from: q.From, to: q.To, content: content, cut: cut})
}

// take does what there is to do about a letter.
func (r *Receiver) take(ctx context.Context, l *letter) error {
	header := top(l.content)
	if countField(header, "Received") > maxHops {
		return errLoop
	}
	in, err := report.Read(l.content)
	if err != nil {
		in = &report.Incoming{Kind: report.Other} // not even a header field
	}
	ids, role := r.addressed(l)
	r.metrics.received(in.Kind)
	if len(ids) == 0 {
		return r.toRole(ctx, l, in, role)
	}
	for _, id := range ids {
		if err := r.about(ctx, l, in, id, true); err != nil {
			return err
		}
	}
	return nil
}

// addressed gives the messages whose reverse-paths a letter is to, or the first
// role that it is to.
func (r *Receiver) addressed(l *letter) (ids []mail.ID, role string) {
	for _, to := range l.to {
		if id, ok := r.message(to.Address); ok {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		} else if name, ok := r.role(to.Address); ok && role == "" {
			role = name
		}
	}
	return ids, role
}

// about handles a letter about one message. Returned says that it was sent to the
// reverse-path of it.
func (r *Receiver) about(ctx context.Context, l *letter, in *report.Incoming, id mail.ID, returned bool) error {
	m, err := r.o.Messages.Kept(ctx, id)
	if errors.Is(err, queue.ErrNotFound) {
		// 250 all the same: it is true that it was ours, and that it is too late.
		r.o.Log.Info("feedback about a message that is not remembered", "id", id, "from", l.from)
		r.metrics.done("unknown")
		return nil
	}
	if err != nil {
		return err
	}
	if m.Notice || m.From.Null() {
		// What we wrote ourselves is never answered (RFC 5321 section 4.5.5).
		r.o.Log.Info("feedback about a notice dropped", "id", id, "from", l.from)
		r.metrics.done("dropped")
		return nil
	}
	switch in.Kind {
	case report.Bounced:
		return r.bounce(ctx, in, m)
	case report.Complaint:
		return r.complaint(ctx, l, in, m)
	case report.AutoReply, report.Other:
		if !returned {
			r.metrics.done("dropped")
			return nil
		}
		if in.Kind == report.Other && l.from.Null() {
			return r.unread(ctx, l, in, m)
		}
		return r.passOn(ctx, l, in, m)
	}
	return nil
}

// toRole handles a letter to a role address.
func (r *Receiver) toRole(ctx context.Context, l *letter, in *report.Incoming, role string) error {
	switch in.Kind {
	case report.Bounced, report.Complaint:
		if id, ok := r.original(in); ok {
			return r.about(ctx, l, in, id, false)
		}
		r.o.Log.Info("feedback about no message of ours", "from", l.from, "to", role, "text", in.Subject)
		r.metrics.done("unmatched")
		if in.Kind == report.Bounced {
			return nil // of mail that was forged in our name
		}
		return r.toPostmaster(ctx, l, in, role)
	case report.AutoReply:
		r.o.Log.Info("automatic answer to a role address dropped", "from", l.from, "to", role)
		r.metrics.done("dropped")
		return nil
	case report.Other:
	}
	if r.o.Postmaster.IsZero() {
		return errNobody
	}
	return r.toPostmaster(ctx, l, in, role)
}

// maxIDs bounds the ids of a returned original that are looked at.
const maxIDs = 20

// original finds the message that a report is about in what it returns (spec section
// 6.9). An id of ours that stands anywhere in it is proof: the reverse-path, the
// Message-ID that we made, or the Received field that we added. A client's own
// Message-ID is none, since anybody may write it.
func (r *Receiver) original(in *report.Incoming) (mail.ID, bool) {
	o := &in.Original
	for _, text := range []string{in.Feedback.MailFrom, o.ReturnPath, o.MessageID, string(o.Header)} {
		for _, id := range verp.Find([]byte(text), maxIDs) {
			if r.o.Minter.Verify(id) {
				return id, true
			}
		}
	}
	return mail.ID{}, false
}

// top gives the header section of a message, as far as it goes.
func top(content []byte) []byte {
	if i := bytes.Index(content, []byte("\r\n\r\n")); i >= 0 {
		return content[:i+2]
	}
	return content
}

// countField counts the fields of a name in a header section.
func countField(header []byte, name string) (n int) {
	for line := range bytes.SplitSeq(header, []byte("\r\n")) {
		if field, _, found := bytes.Cut(line, []byte(":")); found && strings.EqualFold(string(bytes.TrimRight(field, " \t")), name) {
			n++
		}
	}
	return n
}
