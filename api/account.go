package api

import (
	"context"
	"errors"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/event/contact"
)

// Quota is what GetSendQuota and GetAccount tell of the limits of an account.
type Quota struct{ MaxDay, MaxRate, Used float64 }

// What stands for no limit: for a day as at SES (spec section 5.1); for a rate a
// number that programs can divide by.
const (
	noDayLimit = -1
	noRate     = 1_000_000
)

// Quota tells the limits of the caller's account and how far they are used.
func (r *Rooms) Quota(ctx context.Context, c *Call) (Quota, error) {
	q := Quota{MaxDay: noDayLimit, MaxRate: noRate}
	if c.Account.MaxDay > 0 {
		q.MaxDay = float64(c.Account.MaxDay)
	}
	if c.Account.MaxRate > 0 {
		q.MaxRate = c.Account.MaxRate
	}
	u, err := r.Usage.Usage(ctx, c.Account.ID, time.Now(), c.Account.MaxDay)
	q.Used = float64(u.Used)
	return q, err
}

// SetSending lets the caller's account send, or pauses it in its owner's name.
func (r *Rooms) SetSending(ctx context.Context, c *Call, enabled bool) error {
	var old account.Account
	a, err := r.Accounts.Update(ctx, c.Account.ID, func(a *account.Account) {
		old = *a
		a.SendingOff = !enabled
	})
	switch {
	case err != nil:
		return err
	case a.SendingOff && !old.SendingOff:
		r.Contact.Tell(ctx, a, contact.Paused(a, true))
	case !a.SendingOff && old.SendingOff && !a.Paused:
		r.Contact.Tell(ctx, a, contact.Resumed(a))
	}
	return nil
}

// Describe keeps what the caller tells of the account's mail, or answers Conflict
// while the operator looks at what was told before. What asks for production is the
// operator's to grant.
func (r *Rooms) Describe(ctx context.Context, c *Call, d account.Details) error {
	pending := false
	_, err := r.Accounts.Update(ctx, c.Account.ID, func(a *account.Account) {
		if pending = a.Review() == account.ReviewPending; !pending {
			a.Details = &d
		}
	})
	switch {
	case errors.Is(err, account.ErrDetails):
		return BadParameter(err.Error())
	case pending:
		return Conflict("The details of the account are under review.")
	}
	return err
}
