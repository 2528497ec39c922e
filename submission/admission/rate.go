package admission

import (
	"context"
	"fmt"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/mail"
)

// The refusals of mail that comes too fast (spec section 1.5, recorded).
var (
	errRate  = mail.Recorded(454, 7, 0, "Throttling failure: Maximum sending rate exceeded.")
	errSigV2 = mail.Recorded(454, 7, 0, "Throttling failure: Maximum SigV2 SMTP sending rate exceeded.")
)

// patience is how far ahead mail is taken of an account that queues what is
// beyond its rate; what would wait longer is refused.
const patience = time.Hour

// Throttling is what the rate rule goes by.
type Throttling struct {
	// Rates is where accounts stand. Nil keeps no rate at all.
	Rates *quota.Rates
	// SigV2 is the budget of each account for credentials of the old form, in
	// recipients a second, beside that of the account; 0 is none.
	SigV2 float64
	// Queue takes what is beyond the rate and lets it wait, for accounts that do
	// not say which.
	Queue bool
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

// rate takes the recipients of a message from the account's tokens, simulator
// ones among them (spec section 9). It comes last of all rules, so that what
// another refuses costs nothing.
func rate(t Throttling) func(context.Context, *Candidate) error {
	if t.Now == nil {
		t.Now = time.Now
	}
	return func(_ context.Context, c *Candidate) error {
		if t.Rates == nil {
			return nil
		}
		now, id := t.Now(), c.Principal.Account
		if c.Principal.SigV2 && t.SigV2 > 0 {
			key := "sigv2 " + id
			if wait := t.Rates.Take(key, t.SigV2, len(c.To), now, 0); wait > 0 {
				return errSigV2.WithCause(t.spent(mail.LimitSigV2Rate, key, id, t.SigV2, now))
			}
			c.taken = append(c.taken, func() { t.Rates.Give(key, len(c.To)) })
		}
		if c.Account.MaxRate <= 0 {
			return nil
		}
		may := time.Duration(0)
		if c.Account.Throttle == account.ThrottleQueue || c.Account.Throttle == account.ThrottleFile && t.Queue {
			may = patience
		}
		wait := t.Rates.Take(id, c.Account.MaxRate, len(c.To), now, may)
		if wait > may {
			return errRate.WithCause(t.spent(mail.LimitRate, id, id, c.Account.MaxRate, now))
		}
		c.taken = append(c.taken, func() { t.Rates.Give(id, len(c.To)) })
		if c.Wait = wait; wait > 0 {
			c.Waits = t.spent(mail.LimitQueueOnThrottle, id, id, c.Account.MaxRate, now)
			c.Waits.Frees = now.Add(wait)
		}
		return nil
	}
}

// spent says how far the rate of an account is used.
func (t *Throttling) spent(name mail.LimitName, key, account string, rate float64, now time.Time) *mail.Limit {
	used, full, frees := t.Rates.Spent(key, rate, now)
	return &mail.Limit{Name: name, Whose: "account " + account, Used: used, Max: full, Frees: frees,
		Unit: fmt.Sprintf("recipients at once, by a rate of %g a second", rate)}
}
