package dispatch

import (
	"context"

	"github.com/sesame-mta/sesame/account/suppression"
	reading "github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Suppression tells which recipients are not sent to; *suppression.Lists.
type Suppression interface {
	Rule(accountID, set string) suppression.Rule
	Find(ctx context.Context, r suppression.Rule, to ...mail.Address) (map[mail.Address]*suppression.Match, error)
}

func unlisted() mail.Reply {
	return *mail.Refuse(451, 3, 0, "Suppression list could not be read, will be tried again")
}

// suppress settles the recipients of a lease that are on a suppression list, and
// reports whether the lease has ended. Those that are on none are due still, and
// come back with the next lease. Mail of our own is never left out.
func (d *Dispatcher) suppress(ctx context.Context, lease *queue.Lease) bool {
	m := lease.Message
	if d.o.Suppression == nil || m.Notice {
		return false
	}
	rule := d.o.Suppression.Rule(m.Account, m.ConfigSet)
	if rule.Off() {
		return false
	}
	to := make([]mail.Address, len(lease.Entries))
	for i := range lease.Entries {
		to[i] = lease.Entries[i].To.Address
	}
	matches, err := d.o.Suppression.Find(ctx, rule, to...)
	if err != nil {
		d.failed(ctx, "read suppression list", lease, err)
		d.settle(ctx, lease, ours(unlisted(), len(lease.Entries)))
		return true
	}
	if len(matches) == 0 {
		return false
	}
	var verdicts []verdict
	for i := range lease.Entries {
		e := &lease.Entries[i]
		if match := matches[e.To.Address]; match != nil {
			verdicts = append(verdicts, verdict{
				entry: e, outcome: &mail.Outcome{Result: mail.Failed, Reply: match.Reply}, match: match, read: listed(match),
				settled: queue.Settled{N: e.N, Result: mail.Failed},
			})
		}
	}
	d.metrics.suppressed.Add(float64(len(verdicts)))
	now := d.o.Queue.Now()
	d.trace(m, verdicts, now, nil)
	d.record(ctx, lease, verdicts, now)
	return true
}

// listed is what is read from a reply that speaks of a list.
func listed(m *suppression.Match) reading.Verdict {
	v := reading.Verdict{Permanent: true, Class: reading.AccountSuppressed, Action: reading.GiveUp,
		BounceType: reading.Permanent, BounceSubType: m.SubType}
	if m.SubType == suppression.Suppressed {
		v.Class = reading.Suppressed
	}
	return v
}
