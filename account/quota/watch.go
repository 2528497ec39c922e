package quota

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sesame-mta/sesame/account"
)

const (
	// lookEvery is how often the watch looks.
	lookEvery = time.Minute
	// nearly is the share of the quota, in hundredths, that is worth a word.
	nearly = 80
	// warnEvery is how long the watch is quiet about an account afterwards.
	warnEvery = 24 * time.Hour
)

// Watch warns of daily quotas that are nearly used up, once in 24 hours for each
// account. It looks from aside, so that no message waits for it. All fields but
// Log must be set.
type Watch struct {
	Accounts *account.Book
	Ledger   Ledger
	// Warn is called with an account that has used 80 % of its quota or more, again a
	// minute later until it gives nil, and perhaps once more after a crash.
	Warn func(ctx context.Context, a account.Account, u Usage) error
	Log  *slog.Logger
}

// Run looks once a minute until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := w.look(ctx, time.Now()); err != nil && ctx.Err() == nil && w.Log != nil {
				w.Log.Warn("quotas not looked at", "err", err)
			}
		}
	}
}

func (w *Watch) look(ctx context.Context, now time.Time) error {
	var errs []error
	for _, a := range w.Accounts.Accounts() {
		if a.MaxDay <= 0 || now.Sub(a.Warned) < warnEvery {
			continue
		}
		u, err := w.Ledger.Usage(ctx, a.ID, now, a.MaxDay)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if u.Used*100 < a.MaxDay*nearly {
			continue
		}
		if err := w.Warn(ctx, a, u); err != nil {
			errs = append(errs, err)
			continue
		}
		if _, err := w.Accounts.Update(ctx, a.ID, func(a *account.Account) { a.Warned = now.UTC() }); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
