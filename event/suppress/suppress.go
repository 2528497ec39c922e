// Package suppress puts addresses that bounced for good, or complained, on the
// suppression lists. It is a branch of event: a consumer of the outbox, so that
// the lists follow from what was settled, survive a crash in between and never
// hold up a delivery. It owns the rule which bounce is hard enough.
// It does not know how lists are kept, nor the queue.
package suppress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
)

// Consumer is the name under which the outbox keeps events for this package.
const Consumer = "suppression"

// batch is how many events share a change of the lists.
const batch = 500

// breath is the least time between two passes, so that bounces that come together
// share a change; putOff that after one that failed.
const (
	breath = 100 * time.Millisecond
	putOff = 10 * time.Second
)

// Lists are the suppression lists; *suppression.Lists.
type Lists interface {
	Rule(accountID, set string) suppression.Rule
	Collect(ctx context.Context, entries []suppression.Entry) error
}

// Options is what a Collector needs. All but Simulated, Log and Metrics must be set.
type Options struct {
	Outbox event.Outbox
	Lists  Lists
	// ConfigSet gives the name of the configuration set of a message;
	// account.ErrNotFound when the message is not kept any more, or cannot be read.
	ConfigSet func(ctx context.Context, id mail.ID) (string, error)
	// Simulated tells the domains of the mailbox simulator; nil is none.
	Simulated func(domain string) bool
	Log       *slog.Logger
	Metrics   prometheus.Registerer
}

// Collector fills the suppression lists.
type Collector struct {
	o     Options
	added *prometheus.CounterVec
}

// New makes a collector.
func New(o Options) *Collector {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	c := &Collector{o: o, added: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sesame_event_suppressed_total",
		Help: "Addresses that joined a suppression list by a bounce or a complaint.",
	}, []string{"list"})}
	c.added.WithLabelValues("account")
	c.added.WithLabelValues("installation")
	if o.Metrics != nil {
		o.Metrics.MustRegister(c.added)
	}
	return c
}

// Interest says whether an event of a type can add to a list under a rule.
func Interest(t event.Type, r suppression.Rule) bool {
	switch t {
	case event.Bounce:
		return r.Share || r.Reasons.Has(suppression.Bounce)
	case event.Complaint:
		return r.Reasons.Has(suppression.Complaint)
	case event.Send, event.Delivery, event.DeliveryDelay, event.Reject, event.RenderingFailure, event.Subscription:
	}
	return false
}

// Run works until ctx is cancelled. What cannot be done now is tried again; an
// event is acknowledged after its addresses are on stable storage.
func (c *Collector) Run(ctx context.Context) error {
	for {
		n, err := c.pass(ctx)
		rest := breath
		if err != nil && ctx.Err() == nil {
			c.o.Log.Warn("suppression list put off", "err", err)
			rest = putOff
		}
		if !pause(ctx, rest) {
			return nil
		}
		if n > 0 || err != nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.o.Outbox.Changed(Consumer):
		}
	}
}

// pause waits, and gives false when ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// pass does one batch and tells how many events it was.
func (c *Collector) pass(ctx context.Context) (int, error) {
	records, err := c.o.Outbox.Read(ctx, Consumer, 0, batch)
	if err != nil || len(records) == 0 {
		return 0, err
	}
	var entries []suppression.Entry
	done := make([]uint64, len(records))
	for i, r := range records {
		done[i] = r.Seq
		more, err := c.entries(ctx, &r.Event)
		if err != nil {
			return 0, err
		}
		entries = append(entries, more...)
	}
	if len(entries) > 0 {
		if err := c.o.Lists.Collect(ctx, entries); err != nil {
			return 0, err
		}
	}
	for _, e := range entries {
		list := "account"
		if e.Owner == suppression.Installation {
			list = "installation"
		}
		c.added.WithLabelValues(list).Inc()
		c.o.Log.Info("address suppressed", "account", e.Owner, "to", e.Address.String(), "id", e.MessageID, "text", e.Reason.String())
	}
	if err := c.o.Outbox.Ack(ctx, Consumer, done...); err != nil {
		return 0, fmt.Errorf("acknowledge: %w", err)
	}
	return len(records), nil
}

// entries gives what an event puts on lists.
func (c *Collector) entries(ctx context.Context, e *event.Event) (out []suppression.Entry, err error) {
	reason := suppression.Bounce
	if e.Type == event.Complaint {
		reason = suppression.Complaint
	}
	var rule *suppression.Rule
	for _, r := range e.Recipients {
		if c.o.Simulated != nil && c.o.Simulated(r.To.Domain()) || !counts(e.Type, r) {
			continue
		}
		if rule == nil {
			set, err := c.o.ConfigSet(ctx, e.Message)
			if err != nil && !errors.Is(err, account.ErrNotFound) {
				return nil, fmt.Errorf("load %s: %w", e.Message, err)
			}
			found := c.o.Lists.Rule(e.Account, set)
			rule = &found
		}
		out = append(out, rule.Adds(suppression.Entry{
			Address: r.To.Address, Reason: reason, Updated: e.Time, MessageID: e.Message.String(),
		})...)
	}
	return out, nil
}

// counts reports whether an event is enough to write to a recipient no more. A
// wrong entry loses mail for ever, so a bounce counts only when the recipient's
// own host said so, about the recipient: not when it disliked the message or us,
// nor when we gave up (spec sections 6.2 and 6.9).
func counts(t event.Type, r event.Recipient) bool {
	switch t {
	case event.Complaint:
		return r.BounceSubType == "" // not one that the list itself made
	case event.Bounce:
		if !r.Remote || class(r.Reply) != 5 {
			return false
		}
		if r.BounceType != "" {
			return r.BounceType == "Permanent"
		}
		return nobody(r.Reply.Status) // nobody has read the reply
	case event.Send, event.Delivery, event.DeliveryDelay, event.Reject, event.RenderingFailure, event.Subscription:
	}
	return false
}

// class is the first digit of a reply; a bounce that came back by mail may have a
// status alone.
func class(r mail.Reply) int {
	if r.Code == 0 {
		return r.Status.Class
	}
	return r.Code / 100
}

// nobody reports whether a status says that a mailbox is not there, or not used
// any more (RFC 3463 sections 3.2 and 3.3).
func nobody(s mail.Status) bool {
	switch s {
	case mail.Status{Class: 5, Subject: 1}, mail.Status{Class: 5, Subject: 1, Detail: 1},
		mail.Status{Class: 5, Subject: 1, Detail: 10}, mail.Status{Class: 5, Subject: 2, Detail: 1}:
		return true
	}
	return false
}
