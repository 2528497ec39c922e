package template

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/account"
)

// Book is the templates of all accounts. In memory are their names only, and those
// that were used last. A change is on stable storage before it is seen, and is
// carried through even when its context ends. It is safe for concurrent use.
type Book struct {
	directory account.Directory
	change    sync.Mutex // one change at a time
	recent    cache
	mu        sync.RWMutex
	names     map[string]map[string]entry // by account and name
}

// entry is what is in memory of a template.
type entry struct {
	created time.Time
	version uint64
}

// Name is a template in a list.
type Name struct {
	Account, Name string
	Created       time.Time
}

// page is how many templates are read at a time: they may be large.
const page = 50

// Open reads the names of templates into memory.
func Open(ctx context.Context, dir account.Directory) (*Book, error) {
	b := &Book{directory: dir, names: map[string]map[string]entry{}}
	var after account.Record
	for {
		records, err := dir.List(ctx, account.KindTemplate, "", after, page)
		if err != nil {
			return nil, fmt.Errorf("read templates: %w", err)
		}
		for _, r := range records {
			t, err := decode(r)
			if err != nil {
				return nil, err
			}
			b.keep(t, r.Version)
		}
		if len(records) < page {
			return b, nil
		}
		after = records[len(records)-1]
	}
}

func (b *Book) keep(t Template, version uint64) {
	if b.names[t.Account] == nil {
		b.names[t.Account] = map[string]entry{}
	}
	b.names[t.Account][t.Name] = entry{t.Created, version}
}

func (b *Book) find(accountID, name string) (entry, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e, ok := b.names[accountID][name]
	return e, ok
}

func notFound(name string) error { return fmt.Errorf("template %q: %w", name, account.ErrNotFound) }

// List gives the templates of an account, or with an empty id of all accounts, in
// the order of account and name.
func (b *Book) List(accountID string) []Name {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []Name
	for id, names := range b.names {
		if accountID != "" && accountID != id {
			continue
		}
		for name, e := range names {
			list = append(list, Name{id, name, e.created})
		}
	}
	slices.SortFunc(list, func(x, y Name) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Name, y.Name))
	})
	return list
}

// Get gives a template that is ready to be filled; account.ErrNotFound. It is
// shared, and not to be changed.
func (b *Book) Get(ctx context.Context, accountID, name string) (*Ready, error) {
	e, ok := b.find(accountID, name)
	if !ok {
		return nil, notFound(name)
	}
	if r := b.recent.get(accountID, name, e.version); r != nil {
		return r, nil
	}
	record, err := b.directory.Get(ctx, account.KindTemplate, accountID, name)
	if errors.Is(err, account.ErrNotFound) {
		return nil, notFound(name) // deleted meanwhile
	}
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	t, err := decode(record)
	if err != nil {
		return nil, err
	}
	r, err := Read(t)
	if err != nil { // it was read when it was kept
		return nil, fmt.Errorf("template %s of %s: %w", name, accountID, err)
	}
	r.version = record.Version
	b.recent.put(r)
	return r, nil
}

// Create keeps a template as given, but for Created and Updated, which are set. It
// answers account.ErrExists, ErrTooMany, or what is wrong with it.
func (b *Book) Create(ctx context.Context, t Template) (Template, error) {
	if err := t.check(); err != nil {
		return Template{}, err
	}
	if _, err := Read(t); err != nil {
		return Template{}, err
	}
	b.change.Lock()
	defer b.change.Unlock()
	if _, ok := b.find(t.Account, t.Name); ok {
		return Template{}, fmt.Errorf("template %q: %w", t.Name, account.ErrExists)
	}
	b.mu.RLock()
	count := len(b.names[t.Account])
	b.mu.RUnlock()
	if count >= MaxTemplates {
		return Template{}, ErrTooMany
	}
	t.Created = now()
	t.Updated = t.Created
	return t, b.put(ctx, t, 0)
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Change gives a template to f to be changed, and keeps what comes back. Account,
// name and Created stay as they are. It answers account.ErrNotFound, or what is
// wrong with the result; then nothing is changed.
func (b *Book) Change(ctx context.Context, accountID, name string, f func(*Template)) (Template, error) {
	b.change.Lock()
	defer b.change.Unlock()
	old, err := b.Get(ctx, accountID, name)
	if err != nil {
		return Template{}, err
	}
	t := old.Template
	f(&t)
	t.Account, t.Name, t.Created, t.Updated = old.Account, old.Name, old.Created, now()
	if err := t.check(); err != nil {
		return Template{}, err
	}
	if _, err := Read(t); err != nil {
		return Template{}, err
	}
	return t, b.put(ctx, t, old.version)
}

// put is called under the lock of change.
func (b *Book) put(ctx context.Context, t Template, version uint64) error {
	r, err := t.record(version)
	if err != nil {
		return err
	}
	if r, err = b.directory.Put(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("keep template: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(t, r.Version)
	return nil
}

// Delete ends a template; account.ErrNotFound. Mail that was made of it leaves.
func (b *Book) Delete(ctx context.Context, accountID, name string) error {
	b.change.Lock()
	defer b.change.Unlock()
	e, ok := b.find(accountID, name)
	if !ok {
		return notFound(name)
	}
	r := account.Record{Kind: account.KindTemplate, Account: accountID, Name: name, Version: e.version}
	if err := b.directory.Delete(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("delete template %q: %w", name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.names[accountID], name)
	if len(b.names[accountID]) == 0 {
		delete(b.names, accountID)
	}
	return nil
}

// DeleteAll ends the templates of an account that is about to go.
func (b *Book) DeleteAll(ctx context.Context, accountID string) error {
	for _, t := range b.List(accountID) {
		if err := b.Delete(ctx, accountID, t.Name); err != nil && !errors.Is(err, account.ErrNotFound) {
			return err
		}
	}
	return nil
}
