package configset

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sesame-mta/sesame/account"
)

// secretSize is that of the secret of a webhook in octets.
const secretSize = 32

// Sealer seals secrets; *keyfile.File.
type Sealer interface {
	Seal(plain []byte, place ...string) []byte
	Open(sealed []byte, place ...string) ([]byte, error)
	Refresh(sealed []byte, place ...string) ([]byte, bool, error)
}

// Destinations gives those of one set, in the order of their names. The list is
// not to be changed.
func (b *Book) Destinations(accountID, set string) []Destination {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sets[accountID][set].destinations
}

// AllDestinations gives those of an account, or with an empty id of all, in the
// order of account, set and name.
func (b *Book) AllDestinations(accountID string) []Destination {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []Destination
	for id, sets := range b.sets {
		if accountID != "" && accountID != id {
			continue
		}
		for e := range maps.Values(sets) {
			list = append(list, e.destinations...)
		}
	}
	slices.SortFunc(list, func(x, y Destination) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Set, y.Set), cmp.Compare(x.Name, y.Name))
	})
	return list
}

// Destination gives one; account.ErrNotFound.
func (b *Book) Destination(accountID, set, name string) (Destination, error) {
	for _, d := range b.Destinations(accountID, set) {
		if d.Name == name {
			return d, nil
		}
	}
	if _, err := b.Get(accountID, set); err != nil {
		return Destination{}, err
	}
	return Destination{}, fmt.Errorf("destination %q: %w", name, account.ErrNotFound)
}

// AddDestination gives a set a destination, but for Created, which is set. For a
// plain webhook it makes a secret, which is shown this once. It answers
// account.ErrNotFound, account.ErrExists, or what is wrong with it.
func (b *Book) AddDestination(ctx context.Context, d Destination) (Destination, []byte, error) {
	if err := d.check(); err != nil {
		return Destination{}, nil, err
	}
	if b.o.Can != nil {
		if err := b.o.Can(d.Kind); err != nil {
			return Destination{}, nil, fmt.Errorf("%w: %w", ErrDestination, err)
		}
	}
	var secret []byte
	if d.Kind == Webhook {
		secret = make([]byte, secretSize)
		if _, err := rand.Read(secret); err != nil {
			return Destination{}, nil, err
		}
		d.sealed = b.o.Keys.Seal(secret, d.place()...)
	}
	d.Created = time.Now().UTC().Truncate(time.Second)
	err := b.changeDestinations(ctx, d.Account, d.Set, func(list []Destination) ([]Destination, error) {
		if len(list) >= MaxDestinations {
			return nil, ErrDestinationCount
		}
		for _, other := range list {
			if other.Name == d.Name {
				return nil, fmt.Errorf("destination %q: %w", d.Name, account.ErrExists)
			}
		}
		for _, other := range b.AllDestinations("") {
			if d.Kind == File && other.Kind == File && other.Target == d.Target {
				return nil, fmt.Errorf("%w: another destination writes to %s", ErrDestination, d.Target)
			}
		}
		return append(list, d), nil
	})
	return d, secret, err
}

// ChangeDestination changes one by what f does to it; only Disabled, Parked,
// Resumed, Confirmed and Events may change. It answers account.ErrNotFound.
func (b *Book) ChangeDestination(ctx context.Context, accountID, set, name string, f func(*Destination)) (changed Destination, err error) {
	err = b.changeDestinations(ctx, accountID, set, func(list []Destination) ([]Destination, error) {
		i := slices.IndexFunc(list, func(d Destination) bool { return d.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("destination %q: %w", name, account.ErrNotFound)
		}
		f(&list[i])
		changed = list[i]
		return list, list[i].check()
	})
	return changed, err
}

// DeleteDestination ends one; account.ErrNotFound. What waits for it is dropped by
// whoever tells destinations.
func (b *Book) DeleteDestination(ctx context.Context, accountID, set, name string) error {
	return b.changeDestinations(ctx, accountID, set, func(list []Destination) ([]Destination, error) {
		rest := slices.DeleteFunc(list, func(d Destination) bool { return d.Name == name })
		if len(rest) == len(list) {
			return nil, fmt.Errorf("destination %q: %w", name, account.ErrNotFound)
		}
		return rest, nil
	})
}

// changeDestinations gives a copy of the destinations of a set to f, and keeps
// what comes back.
func (b *Book) changeDestinations(ctx context.Context, accountID, set string, f func([]Destination) ([]Destination, error)) error {
	b.change.Lock()
	defer b.change.Unlock()
	b.mu.RLock()
	e, ok := b.sets[accountID][set]
	b.mu.RUnlock()
	if !ok {
		return notFound(set)
	}
	list, err := f(slices.Clone(e.destinations))
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(x, y Destination) int { return cmp.Compare(x.Name, y.Name) })
	e.destinations = list
	_, err = b.put(ctx, e)
	return err
}

// Secret gives the secret that a plain webhook is signed with.
func (b *Book) Secret(d Destination) ([]byte, error) { return b.o.Keys.Open(d.sealed, d.place()...) }

// Reseal writes every secret again that lies under an older key of the key file,
// and tells how many there are.
func (b *Book) Reseal(ctx context.Context) (int, error) {
	b.change.Lock() // whoever is writing one sealed before is waited for
	list := b.AllDestinations("")
	b.change.Unlock()
	count := 0
	for _, d := range list {
		if d.sealed == nil {
			continue
		}
		// To be written is to be sealed anew.
		_, err := b.ChangeDestination(ctx, d.Account, d.Set, d.Name, func(*Destination) {})
		if err != nil && !errors.Is(err, account.ErrNotFound) {
			return count, err
		}
		count++
	}
	return count, nil
}

// refresh seals the secrets under the key of today.
func (b *Book) refresh(list []Destination) error {
	for i := range list {
		if list[i].sealed == nil {
			continue
		}
		sealed, _, err := b.o.Keys.Refresh(list[i].sealed, list[i].place()...)
		if err != nil {
			return err
		}
		list[i].sealed = sealed
	}
	return nil
}
