package identity

import (
	"context"
	"errors"

	"github.com/sesame-mta/sesame/account"
)

// Reseal writes every private key again that lies under an older key of the key
// file, and tells how many there are.
func (b *Book) Reseal(ctx context.Context) (int, error) {
	// Whoever is writing one sealed before the rotation is waited for; who comes
	// later refreshes it.
	b.change.Lock()
	names := make([]name, 0, len(b.byName))
	for n := range b.byName {
		names = append(names, n)
	}
	b.change.Unlock()
	count := 0
	for _, n := range names {
		var keys int
		_, err := b.update(ctx, n, func(d *data) error {
			if keys = len(d.Keys); keys == 0 {
				return errNoKeys
			}
			return nil // put refreshes them
		})
		if err != nil && !errors.Is(err, errNoKeys) && !errors.Is(err, account.ErrNotFound) {
			return count, err
		}
		count += keys
	}
	return count, nil
}

var errNoKeys = errors.New("no keys")

// refresh seals the keys under the key of today.
func (b *Book) refresh(n name, keys []keyData) error {
	for i, k := range keys {
		sealed, _, err := b.o.Keys.Refresh(k.Sealed, place(n.account, n.domain, k.Selector)...)
		if err != nil {
			return err
		}
		keys[i].Sealed = sealed
	}
	return nil
}
