package account

import (
	"context"
	"errors"
)

// Reseal writes every secret again that lies under an older key of the key file,
// and tells how many secrets there are.
func (b *Book) Reseal(ctx context.Context) (int, error) {
	// Whoever is writing one sealed before the rotation is waited for; who comes
	// later refreshes it.
	b.change.Lock()
	list, err := b.ListCredentials("")
	b.change.Unlock()
	if err != nil {
		return 0, err
	}
	for _, c := range list {
		_, err := b.alter(ctx, c.AccessKeyID, func(*Credential, *credentialData) {})
		if err != nil && !errors.Is(err, ErrNotFound) { // deleted meanwhile
			return 0, err
		}
	}
	return len(list), nil
}
