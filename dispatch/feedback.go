package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	reading "github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/trace"
)

// ErrNoRecipient says that feedback is about nobody to whom the message went.
var ErrNoRecipient = errors.New("no recipient of the message")

// Feedback is what became known of a message after it had left: a bounce or a
// complaint that came back by mail, or a recipient's wish.
type Feedback struct {
	ID   mail.ID
	Type event.Type // Bounce, Complaint or Subscription
	Time time.Time  // now, when zero
	// Recipients are those that it is about. Their numbers are found by their
	// addresses, and who is no recipient of the message is left out. A bounce's types
	// and class are read from its reply unless they are given.
	Recipients   []event.Recipient
	ReportingMTA string // of a bounce
	Report       *event.Report
	Change       *event.Change
	// Key names what was said, so that it is told once however often it comes. Empty:
	// the same type, recipients and words are the same.
	Key string
}

// Feedback tells of what came back, once and durably: to those whom Late names,
// the observer, the log and the trace. Feedback that was told before is no error.
// Errors are queue.ErrNotFound for a message that is not known, or not any more,
// ErrNoRecipient, and those of the spool: then nothing was told.
func (d *Dispatcher) Feedback(ctx context.Context, f Feedback) error {
	switch f.Type {
	case event.Bounce, event.Complaint, event.Subscription:
	default:
		return fmt.Errorf("feedback of type %s", f.Type)
	}
	m, err := d.o.Queue.Kept(ctx, f.ID)
	if err != nil {
		return fmt.Errorf("feedback about %s: %w", f.ID, err)
	}
	if f.Time.IsZero() {
		f.Time = d.o.Queue.Now()
	}
	f.Recipients = recipientsOf(m, &f)
	if len(f.Recipients) == 0 {
		return fmt.Errorf("feedback about %s: %w", f.ID, ErrNoRecipient)
	}
	for _, part := range f.parts() {
		err := d.o.Queue.Tell(ctx, f.ID, part.key(), d.feedbackEvents(m, part))
		if errors.Is(err, queue.ErrRepeated) {
			continue
		}
		if err != nil {
			return fmt.Errorf("feedback about %s: %w", f.ID, err)
		}
		d.metrics.feedback.WithLabelValues(f.Type.String()).Inc()
		if d.o.Observe != nil {
			d.o.Observe(m, f.Type, part.Recipients, true)
		}
		d.tellFeedback(ctx, m, part)
		d.traceFeedback(m, part)
	}
	return nil
}

// parts gives what is told in one. Bounces are told one by one: a host may name the
// recipients of a message in as many combinations as it likes, and each is to count
// once. Who complained is one of all that are named.
func (f *Feedback) parts() []*Feedback {
	if f.Type != event.Bounce {
		return []*Feedback{f}
	}
	parts := make([]*Feedback, len(f.Recipients))
	for i := range f.Recipients {
		one := *f
		one.Recipients = f.Recipients[i : i+1]
		parts[i] = &one
	}
	return parts
}

// recipientsOf gives those of a feedback who are recipients of the message, each
// once, under the names and numbers that they have there.
func recipientsOf(m *queue.Message, f *Feedback) (rs []event.Recipient) {
	taken := make(map[int]bool)
	for _, r := range f.Recipients {
		n := numberOf(m, r.To)
		if n < 0 || taken[n] {
			continue
		}
		taken[n] = true
		r.N, r.To = n, m.To[n]
		if f.Type == event.Bounce {
			r.Remote = true
			if r.BounceType == "" {
				v := reading.Of(&r.Reply, true, r.Host)
				r.Class, r.BounceType, r.BounceSubType = v.Class.String(), v.BounceType, v.BounceSubType
			}
		}
		rs = append(rs, r)
	}
	return rs
}

// numberOf finds a recipient. Hosts change the case of letters in what they return.
func numberOf(m *queue.Message, to mail.ForwardPath) int {
	folded := -1
	for n, p := range m.To {
		if p == to {
			return n
		}
		if folded < 0 && strings.EqualFold(p.String(), to.String()) {
			folded = n
		}
	}
	return folded
}

// key names what was said in 16 octets.
func (f *Feedback) key() string {
	h := sha256.New()
	say := func(v any) {
		// A hash takes all, and what is encoded has no parts that cannot be.
		_ = json.NewEncoder(h).Encode(v)
	}
	say(f.Type)
	for _, r := range f.Recipients {
		say(r.N)
		say(r.BounceType)
	}
	if f.Key != "" {
		say(f.Key)
		return string(h.Sum(nil)[:16])
	}
	if f.Report != nil {
		say(f.Report.FeedbackType)
	}
	if f.Change != nil {
		say(f.Change)
		say(f.Time.UnixMilli())
	}
	return string(h.Sum(nil)[:16])
}

func (d *Dispatcher) feedbackEvents(m *queue.Message, f *Feedback) []event.Event {
	if d.o.Late == nil {
		return nil
	}
	consumers := d.o.Late(f.Type, m)
	if len(consumers) == 0 {
		return nil
	}
	return []event.Event{{
		Type: f.Type, Message: m.ID, Account: m.Account, Time: f.Time, Recipients: f.Recipients,
		ReportingMTA: f.ReportingMTA, Report: f.Report, Change: f.Change, Consumers: consumers,
	}}
}

func (d *Dispatcher) tellFeedback(ctx context.Context, m *queue.Message, f *Feedback) {
	if !d.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	for _, r := range f.Recipients {
		facts := []any{"id", m.ID, "account", m.Account, "from", m.From, "to", r.To, "domain", r.To.Domain()}
		switch f.Type {
		case event.Bounce:
			facts = append(facts, "mx", r.Host, "code", r.Reply.Code, "status", r.Reply.Status.String(), "text", r.Reply.Text)
			d.log.InfoContext(ctx, "bounce came back", facts...)
		case event.Complaint:
			if f.Report != nil {
				facts = append(facts, "text", f.Report.FeedbackType)
			}
			d.log.InfoContext(ctx, "complaint came back", facts...)
		default:
			if f.Change != nil {
				facts = append(facts, "text", f.Change.Source)
			}
			d.log.InfoContext(ctx, "subscription changed", facts...)
		}
	}
}

// traceFeedback records it in the life of the message.
func (d *Dispatcher) traceFeedback(m *queue.Message, f *Feedback) {
	if !d.o.Trace.On() {
		return
	}
	r := &trace.Record{Kind: trace.Returned, Time: d.o.Queue.Now(), ID: m.ID, Account: m.Account, From: m.From.String()}
	switch {
	case f.Report != nil && f.Report.UserAgent != "":
		r.Text = f.Report.FeedbackType + " by " + f.Report.UserAgent
	case f.Report != nil:
		r.Text = f.Report.FeedbackType
	case f.Change != nil:
		r.Text = f.Change.Source
	case f.ReportingMTA != "":
		r.Text = f.ReportingMTA
	}
	for _, p := range f.Recipients {
		o := trace.Outcome{To: p.To.String(), Result: f.Type.String(), Host: p.Host, Class: p.Class,
			Event: f.Type.String(), Type: p.BounceType, SubType: p.BounceSubType}
		if f.Report != nil {
			o.Type = f.Report.FeedbackType
		}
		if p.Reply.Code != 0 || !p.Reply.Status.IsZero() {
			o.Reply = p.Reply.String()
		}
		r.To = append(r.To, o.To)
		r.Outcomes = append(r.Outcomes, o)
	}
	d.o.Trace.Add(r)
}
