package daemon

import (
	"context"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/topic"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/queue"
)

// openDestinations reads who is told of events.
func (d *Daemon) openDestinations(ctx context.Context) (err error) {
	d.topics, err = topic.Open(ctx, topic.Options{Directory: d.books, Region: d.cfg.Region, Token: d.token,
		Destinations: func() *destination.Book { return d.destinations }})
	if err != nil {
		return err
	}
	d.destinations, err = destination.Open(ctx, destination.Options{Directory: d.books, Keys: d.keys, Can: d.canTell,
		Changed: d.destinationsChanged, Exists: d.ownerExists})
	return err
}

// ownerExists says whether there is what a destination belongs to.
func (d *Daemon) ownerExists(o destination.Owner) error {
	if o.Topic != "" {
		_, err := d.topics.Get(o.Account, o.Topic)
		return err
	}
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

// forwards reports whether the sender is to hear by mail of a bounce or complaint
// about a message. That can be switched off for an identity, and is on all the same
// while no destination would hear of it: one that is parked, disabled or has not
// agreed does not count, so that nothing is lost for want of a reader (spec section
// 6.5).
func (d *Daemon) forwards(t event.Type, m *queue.Message) bool {
	if m.Identity == "" || len(m.Mail) == 0 || d.identities.Forwards(m.Account, m.Identity) {
		return true
	}
	return !d.hears(t, owners(m)...)
}

// hears reports whether a destination of one of the owners hears of an event.
func (d *Daemon) hears(t event.Type, owners ...destination.Owner) bool {
	for _, o := range owners {
		if d.destinations.Hears(o, words[t]) {
			return true
		}
	}
	return false
}
