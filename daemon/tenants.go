package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/auth/sigv4"
	"github.com/sesame-mta/sesame/event/contact"
)

// deriveImported gives the SMTP password of a secret that was made elsewhere.
func deriveImported(secret, region string) string {
	if region == "" {
		return sigv4.SMTPPasswordV2(secret)
	}
	return sigv4.SMTPPassword(secret, region)
}

// endSessions ends those of a credential that is good no more.
func (d *Daemon) endSessions(accessKeyID string) {
	if d.smtpd != nil { // not while the rooms are built
		d.smtpd.EndCredential(accessKeyID)
	}
}

// removeOwned removes what an account owns beside credentials.
func (d *Daemon) removeOwned(ctx context.Context, id string) error {
	for _, i := range d.identities.List(id) {
		if err := d.identities.Remove(ctx, id, i.Name); err != nil && !errors.Is(err, account.ErrNotFound) {
			return err
		}
	}
	for _, s := range d.sets.List(id) {
		if _, err := d.sets.Delete(ctx, id, s.Name); err != nil && !errors.Is(err, account.ErrNotFound) {
			return err
		}
	}
	if err := d.topics.DeleteAll(ctx, id); err != nil {
		return err
	}
	if err := d.templates.DeleteAll(ctx, id); err != nil {
		return err
	}
	if err := d.imports.RemoveAll(ctx, id); err != nil {
		return err
	}
	return d.suppression.RemoveAll(ctx, id)
}

// rotateKey seals everything under a new key.
func (d *Daemon) rotateKey(ctx context.Context) (id string, sealed int, err error) {
	// Begun, it is better ended than broken off with the command.
	ctx = context.WithoutCancel(ctx)
	err = d.keys.Rotate(func() error {
		for _, reseal := range []func(context.Context) (int, error){d.accounts.Reseal, d.identities.Reseal, d.destinations.Reseal, d.resealSigning} {
			n, err := reseal(ctx)
			if err != nil {
				return err
			}
			sealed += n
		}
		return nil
	})
	return d.keys.ID(), sealed, err
}

// quotaWatch tells the contacts of accounts of quotas that are nearly used up.
func (d *Daemon) quotaWatch() *quota.Watch {
	return &quota.Watch{Accounts: d.accounts, Ledger: d.spool, Log: d.logger("account"),
		Warn: func(ctx context.Context, a account.Account, u quota.Usage) error {
			d.logger("account").Info("daily quota nearly used up", "account", a.ID, "to", u.Used)
			n := contact.QuotaNear(a, u.Used, u.Frees)
			n.At = time.Now().Truncate(time.Hour) // one mail an hour, told as often as it may be
			return d.contact.Mail(ctx, a, n)
		}}
}
