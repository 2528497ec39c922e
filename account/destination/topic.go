package destination

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sesame-mta/sesame/account"
)

// ErrNoTopic says that a destination names a topic that is not there.
var ErrNoTopic = errors.New("no such topic")

// target says whether the topic that a destination names is there.
func (b *Book) target(d Destination) error {
	if d.Kind != Topic {
		return nil
	}
	err := b.exists(Owner{Account: d.Account, Topic: d.Target})
	if errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("topic %q: %w", d.Target, ErrNoTopic)
	}
	return err
}

// ways says whether there is room for one that is or leads to subscriptions. It is
// called under the lock of change.
func (b *Book) ways(d Destination) error {
	if d.Owner.Topic == "" && d.Kind != Topic {
		return nil
	}
	list := slices.DeleteFunc(b.All(d.Account), func(x Destination) bool { return x.Owner == d.Owner && x.Name == d.Name })
	subscriptions, all, ways := make(map[string]int), 0, 0
	for _, x := range append(list, d) {
		if x.Owner.Topic != "" {
			subscriptions[x.Owner.Topic]++
			all++
		}
	}
	for _, x := range append(list, d) {
		if x.Kind == Topic {
			ways += subscriptions[x.Target]
		}
	}
	if all > MostWays || ways > MostWays {
		return ErrCount
	}
	return nil
}

// moves reports whether a destination may become another: it has neither a secret
// nor somebody who agreed.
func (d *Destination) moves() bool { return d.Kind == Topic || d.Kind == Metrics }

// Ways gives how a destination is told: one of kind Topic through each subscription
// that was confirmed, any other as it is. A subscription that is parked is so in all
// destinations that lead to it.
func (b *Book) Ways(d Destination) []Destination {
	if d.Kind != Topic {
		return []Destination{d}
	}
	var ways []Destination
	for _, s := range b.Of(Owner{Account: d.Account, Topic: d.Target}) {
		if !s.Confirmed {
			continue
		}
		way := s
		way.Owner, way.Name, way.Events = d.Owner, d.Name, d.Events
		way.Disabled = d.Disabled || s.Disabled
		if d.Resumed.After(s.Resumed) {
			way.Resumed = d.Resumed
		}
		way.Via = Via{d.Target, s.Name}
		ways = append(ways, way)
	}
	return ways
}

// Hears reports whether an event of a type of one owner reaches somebody.
func (b *Book) Hears(o Owner, word string) bool {
	for _, d := range b.Of(o) {
		if !d.Wants(word) {
			continue
		}
		for _, way := range b.Ways(d) {
			if way.Hears(word) {
				return true
			}
		}
	}
	return false
}

// Resume has a destination told again, disabled or parked as it may be, and each
// subscription that it leads through.
func (b *Book) Resume(ctx context.Context, o Owner, name string) (Destination, error) {
	resume := func(d *Destination) {
		d.Parked, d.Disabled, d.Resumed = time.Time{}, false, time.Now().UTC()
	}
	d, err := b.Get(o, name)
	if err != nil {
		return Destination{}, err
	}
	for _, way := range b.Ways(d) {
		if way.Via.Topic == "" {
			continue
		}
		at, subscription := way.Place()
		if _, err := b.Change(ctx, at, subscription, resume); err != nil && !errors.Is(err, account.ErrNotFound) {
			return Destination{}, err
		}
	}
	return b.Change(ctx, o, name, resume)
}

// Place gives where that is kept which a way leads to: the subscription of a topic,
// or the destination itself.
func (d Destination) Place() (Owner, string) {
	if d.Via.Topic == "" {
		return d.Owner, d.Name
	}
	return Owner{Account: d.Account, Topic: d.Via.Topic}, d.Via.Subscription
}
