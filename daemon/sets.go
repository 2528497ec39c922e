package daemon

import (
	"context"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/destination"
)

// openSets reads the configuration sets, and says which of them send from a pool
// that the file has no more.
func (d *Daemon) openSets(ctx context.Context) error {
	var pools []string
	for _, s := range d.cfg.Sources {
		pools = append(pools, s.Pool)
	}
	var err error
	if d.sets, err = configset.Open(ctx, configset.Options{Directory: d.books, Pools: pools, CanUnsubscribe: d.canUnsubscribe,
		Removing: func(ctx context.Context, accountID, name string) error {
			return d.destinations.DeleteAll(ctx, destination.Owner{Account: accountID, Set: name})
		}}); err != nil {
		return err
	}
	for _, s := range d.sets.Stray() {
		d.logger("account").Warn("configuration set sends from the default pool, its own has no source",
			"account", s.Account, "text", s.Name, "source", s.Pool)
	}
	d.warnUnsubscribe()
	return nil
}

// serviceKeys names the keys of the second signature, by the service domain. A
// server without one signs as its senders alone.
func (d *Daemon) serviceKeys() []string {
	if d.cfg.Service.Domain == "" {
		return nil
	}
	return d.systemKeys()
}
