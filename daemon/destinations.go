package daemon

import (
	"context"

	"github.com/sesame-mta/sesame/account/destination"
)

// openDestinations reads who is told of events.
func (d *Daemon) openDestinations(ctx context.Context) (err error) {
	d.destinations, err = destination.Open(ctx, destination.Options{Directory: d.books, Keys: d.keys, Can: d.canTell,
		Changed: d.destinationsChanged, Exists: d.ownerExists})
	return err
}

// ownerExists says whether there is what a destination belongs to.
func (d *Daemon) ownerExists(o destination.Owner) error {
	if o.Identity != "" {
		_, err := d.identities.Get(o.Account, o.Identity)
		return err
	}
	_, err := d.sets.Get(o.Account, o.Set)
	return err
}

// destinationsChanged has them told as they are now.
func (d *Daemon) destinationsChanged() {
	if d.publisher != nil { // not while the rooms are built
		d.publisher.Changed()
	}
}

// removeIdentity removes what belongs to an identity.
func (d *Daemon) removeIdentity(ctx context.Context, accountID, name string) error {
	return d.destinations.DeleteAll(ctx, destination.Owner{Account: accountID, Identity: name})
}
