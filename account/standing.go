package account

import (
	"context"
	"errors"
	"time"
)

// usedEvery is how often last uses are written.
const usedEvery = time.Minute

// Standing gives an account and a credential as they are now, for one whose
// session began earlier. An empty access key id is a client that needs none, for
// which the credential is empty. ErrPassword when either is good no more.
func (b *Book) Standing(id, accessKeyID string) (Account, Credential, error) {
	b.mu.RLock()
	a, ok := b.byID[id]
	c := b.credentials[accessKeyID]
	b.mu.RUnlock()
	switch {
	case !ok:
		return Account{}, Credential{}, ErrPassword
	case accessKeyID == "":
		return a, Credential{}, nil
	case c == nil || c.Account != id || c.Revoked():
		return Account{}, Credential{}, ErrPassword
	}
	return a, c.Credential, nil
}

// Used notes that a credential was used. It is kept in memory; Run writes it.
func (b *Book) Used(accessKeyID string) {
	if c := b.credential(accessKeyID); c != nil {
		if now := time.Now().Unix(); c.used.Load() != now {
			c.used.Store(now)
		}
	}
}

// Run writes the last uses of credentials, each at most once a minute, until ctx
// ends, and then what is left.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(usedEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return b.writeUsed(context.WithoutCancel(ctx))
		case <-tick.C:
			if err := b.writeUsed(ctx); err != nil && ctx.Err() == nil {
				b.o.Log.Warn("last use of credentials not kept", "err", err)
			}
		}
	}
}

func (b *Book) writeUsed(ctx context.Context) error {
	list, err := b.ListCredentials("")
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range list {
		if c.LastUsed.IsZero() {
			continue
		}
		_, err := b.alter(ctx, c.AccessKeyID, func(_ *Credential, d *credentialData) { d.Used = c.LastUsed })
		if errors.Is(err, ErrNotFound) { // deleted meanwhile
			continue
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
