package api

import (
	"context"
	"time"

	"github.com/sesame-mta/sesame/account"
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
	_, err := r.Accounts.Update(ctx, c.Account.ID, func(a *account.Account) { a.SendingOff = !enabled })
	return err
}

// Reasons gives the reasons for suppression in the words of the API.
func Reasons(s account.Suppress) []string {
	switch s {
	case account.SuppressAll:
		return []string{"BOUNCE", "COMPLAINT"}
	case account.SuppressBounces:
		return []string{"BOUNCE"}
	case account.SuppressComplaints:
		return []string{"COMPLAINT"}
	case account.SuppressNone:
	}
	return []string{}
}
