package daemon

import (
	"context"
	"errors"
	"slices"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/account/suppression/imports"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/suppress"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
	"github.com/sesame-mta/sesame/submission/admission"
)

// openSuppression opens the suppression lists.
func (d *Daemon) openSuppression(ctx context.Context) error {
	store, err := bolt.OpenSuppression(bolt.Options{Dir: d.cfg.DataDir})
	if err != nil {
		return err
	}
	d.onClose(store.Close)
	d.suppression = suppression.New(suppression.Options{Store: store, Accounts: d.accounts, Sets: d.sets,
		Installation: d.cfg.Suppression.Installation, Strict: d.strict(), Log: d.logger("account")})
	d.imports, err = imports.Open(ctx, imports.Options{Directory: d.books, Lists: d.suppression, Dir: d.cfg.API.ImportDir,
		Log: d.logger("account")})
	return err
}

// collector makes what fills the suppression lists.
func (d *Daemon) collector() *suppress.Collector {
	return suppress.New(suppress.Options{Outbox: d.spool, Lists: d.suppression, ConfigSet: d.configSetOf,
		Simulated: d.simulated().Contains, Log: d.logger("event"), Metrics: d.metrics})
}

// configSetOf names the configuration set of a message: event may not know queue.
func (d *Daemon) configSetOf(ctx context.Context, id mail.ID) (string, error) {
	m, err := d.spool.Kept(ctx, id) // what came back may find it gone
	switch {
	case errors.Is(err, queue.ErrNotFound), errors.Is(err, queue.ErrDamaged):
		return "", account.ErrNotFound // damage was told of, and holds up no other
	case err != nil:
		return "", err
	}
	return m.ConfigSet, nil
}

// collects reports whether the suppression lists ask for an event.
func (d *Daemon) collects(t event.Type, m *queue.Message) bool {
	if t != event.Bounce && t != event.Complaint || m.Notice {
		return false
	}
	return suppress.Interest(t, d.suppression.Rule(m.Account, m.ConfigSet))
}

// suppressed tells the door which recipients of a message are left out.
func (d *Daemon) suppressed(ctx context.Context, c *admission.Candidate) ([]mail.Address, error) {
	rule := d.suppression.Rule(c.Principal.Account, c.SetName)
	if rule.Off() {
		return nil, nil
	}
	to := make([]mail.Address, len(c.To))
	for i := range c.To {
		to[i] = c.To[i].Address
	}
	found, err := d.suppression.Find(ctx, rule, to...)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(to, func(a mail.Address) bool { return found[a] == nil }), nil
}
