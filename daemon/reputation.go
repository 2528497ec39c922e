package daemon

import (
	"context"
	"path/filepath"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/reputation"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/contact"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// openReputation reads how accounts stand.
func (d *Daemon) openReputation(context.Context) (err error) {
	d.reputation, err = reputation.Open(reputation.Options{
		Dir: filepath.Join(d.cfg.DataDir, "reputation"), Accounts: d.accounts, Strict: d.strict(),
		Own: func(accountID string, to mail.Address) bool {
			_, ok := d.identities.Covers(accountID, to)
			return ok
		},
		Simulated: d.simulated().Contains,
		Changed: func(ctx context.Context, a account.Account, changes []reputation.Change) error {
			return d.contact.Mail(ctx, a, contact.Reputation(a, changes))
		},
		Log: d.logger("account"), Metrics: d.metrics,
	})
	return err
}

// observe is told of each outcome.
func (d *Daemon) observe(m *queue.Message, t event.Type, rs []event.Recipient, late bool) {
	if m.Notice {
		return // mail of our own is nobody's
	}
	if t == event.RenderingFailure {
		d.count(m, event.Send, len(rs)) // it was accepted, but is no mail for a rate
	}
	d.count(m, t, len(rs))
	if o := outcomes[t]; o != 0 {
		facts := []reputation.Fact{{Outcome: o, N: len(rs)}}
		if o != reputation.Sent { // else it does not matter to whom
			facts = make([]reputation.Fact, len(rs))
			for i := range rs {
				r := &rs[i]
				facts[i] = reputation.Fact{Outcome: o, To: r.To.Address, BounceType: r.BounceType, SubType: r.BounceSubType, Late: late}
			}
		}
		d.reputation.Observe(reputation.Sender{
			Account: m.Account, Identity: m.Identity, ConfigSet: m.ConfigSet, Accepted: m.Accepted}, facts...)
	}
}

// observeSend is told of each message that was accepted.
func (d *Daemon) observeSend(m *queue.Message, t event.Type, rs []event.Recipient) {
	d.observe(m, t, rs, false)
}

// outcomes are the types of event that reputation and statistics count.
var outcomes = map[event.Type]reputation.Outcome{
	event.Send: reputation.Sent, event.Delivery: reputation.Delivered, event.Bounce: reputation.Bounced,
	event.Complaint: reputation.Complained, event.Reject: reputation.Rejected,
}
