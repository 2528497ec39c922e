package account

import (
	"context"
	"fmt"
)

// Update changes an account, given by name or id, by what f does to it; its id,
// name and birthday stay. It answers like Create, and ErrNotFound.
func (b *Book) Update(ctx context.Context, nameOrID string, f func(*Account)) (Account, error) {
	b.change.Lock()
	defer b.change.Unlock()
	old, err := b.Lookup(nameOrID)
	if err != nil {
		return Account{}, err
	}
	a := old
	f(&a)
	a.ID, a.Name, a.Created = old.ID, old.Name, old.Created
	if err := a.check(); err != nil {
		return Account{}, err
	}
	if a == old {
		return a, nil
	}
	if err := b.keep(ctx, a, b.version(a.ID)); err != nil {
		return Account{}, err
	}
	return a, nil
}

func (b *Book) version(id string) uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.versions[id]
}

// RemoveCredentials deletes all credentials of an account, given by its id, and
// ends their sessions. What was removed before an error stays removed.
func (b *Book) RemoveCredentials(ctx context.Context, id string) error {
	b.change.Lock()
	defer b.change.Unlock()
	return b.removeCredentials(ctx, id)
}

func (b *Book) removeCredentials(ctx context.Context, id string) error {
	list, err := b.ListCredentials(id)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := b.dir.Delete(context.WithoutCancel(ctx), b.credential(c.AccessKeyID).record); err != nil {
			return fmt.Errorf("delete credential %s: %w", c.AccessKeyID, err)
		}
		b.mu.Lock()
		delete(b.credentials, c.AccessKeyID)
		b.mu.Unlock()
		b.ended(c.AccessKeyID)
	}
	return nil
}

func (b *Book) ended(accessKeyID string) {
	if b.o.Ended != nil {
		b.o.Ended(accessKeyID)
	}
}

// Delete ends an account, given by name or id, with its credentials. What else
// it owned must be gone already: a crash before this leaves an account that can
// be deleted again. It answers ErrNotFound and ErrDefault.
func (b *Book) Delete(ctx context.Context, nameOrID string) error {
	b.change.Lock()
	defer b.change.Unlock()
	a, err := b.Lookup(nameOrID)
	if err != nil {
		return err
	}
	if a.ID == DefaultID {
		return ErrDefault
	}
	if err := b.removeCredentials(ctx, a.ID); err != nil {
		return err
	}
	r := Record{Kind: KindAccount, Account: a.ID, Name: a.ID, Version: b.version(a.ID)}
	if err := b.dir.Delete(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("delete account %s: %w", a.Name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.byID, a.ID)
	delete(b.byName, a.Name)
	delete(b.versions, a.ID)
	return nil
}
