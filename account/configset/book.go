package configset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/account"
)

// Options is what a Book is made from.
type Options struct {
	Directory account.Directory
	// Pools are the names of the pools that have sources.
	Pools []string
	// CanUnsubscribe says why recipients cannot leave a mailing list; nil allows it.
	CanUnsubscribe func() error
	// Removing removes what belongs to a set, before the set goes; nil is nothing.
	Removing func(ctx context.Context, accountID, name string) error
}

// Book is the configuration sets of all accounts. It reads from memory; a change
// is on stable storage before it is seen, and is carried through even when its
// context ends. It is safe for concurrent use.
type Book struct {
	o      Options
	change sync.Mutex // one change at a time
	mu     sync.RWMutex
	sets   map[string]map[string]entry // by account and name
}

// entry is a set in memory, with the version to compare.
type entry struct {
	Set
	version uint64
}

// Open reads the sets into memory.
func Open(ctx context.Context, o Options) (*Book, error) {
	b := &Book{o: o, sets: map[string]map[string]entry{}}
	err := account.Each(ctx, o.Directory, account.KindConfigSet, func(r account.Record) error {
		e, err := decode(r)
		if err == nil {
			b.keep(e)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read configuration sets: %w", err)
	}
	return b, nil
}

func (b *Book) keep(e entry) {
	if b.sets[e.Account] == nil {
		b.sets[e.Account] = map[string]entry{}
	}
	b.sets[e.Account][e.Name] = e
}

// Find gives a set by account id and name, without a word when there is none.
func (b *Book) Find(accountID, name string) (Set, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e, ok := b.sets[accountID][name]
	return e.Set, ok
}

// Get gives a set; account.ErrNotFound.
func (b *Book) Get(accountID, name string) (Set, error) {
	s, ok := b.Find(accountID, name)
	if !ok {
		return Set{}, notFound(name)
	}
	return s, nil
}

func notFound(name string) error {
	return fmt.Errorf("configuration set %q: %w", name, account.ErrNotFound)
}

// List gives the sets of an account, or with an empty id of all accounts, in the
// order of account and name.
func (b *Book) List(accountID string) []Set {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []Set
	for id, sets := range b.sets {
		for _, e := range sets {
			if accountID == "" || accountID == id {
				list = append(list, e.Set)
			}
		}
	}
	slices.SortFunc(list, func(x, y Set) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Name, y.Name))
	})
	return list
}

// Create makes a set as given, but for Created, which is set. It answers
// account.ErrExists, ErrTooMany, or what is wrong with it.
func (b *Book) Create(ctx context.Context, s Set) (Set, error) {
	if err := b.check(s, true, true); err != nil {
		return Set{}, err
	}
	b.change.Lock()
	defer b.change.Unlock()
	b.mu.RLock()
	count := len(b.sets[s.Account])
	b.mu.RUnlock()
	if _, ok := b.Find(s.Account, s.Name); ok {
		return Set{}, fmt.Errorf("configuration set %q: %w", s.Name, account.ErrExists)
	}
	if count >= MaxSets {
		return Set{}, ErrTooMany
	}
	s.Created = time.Now().UTC().Truncate(time.Second)
	return b.put(ctx, entry{Set: s})
}

// Change gives a set to f to be changed, and keeps what comes back. Account, name
// and Created stay as they are. It answers account.ErrNotFound, or what is wrong
// with the result; then nothing is changed.
func (b *Book) Change(ctx context.Context, accountID, name string, f func(*Set)) (Set, error) {
	b.change.Lock()
	defer b.change.Unlock()
	b.mu.RLock()
	old, ok := b.sets[accountID][name]
	b.mu.RUnlock()
	if !ok {
		return Set{}, notFound(name)
	}
	s := old.Set
	f(&s)
	s.Account, s.Name, s.Created = old.Account, old.Name, old.Created
	// A pool that went since must not keep other changes out.
	if err := b.check(s, s.Pool != old.Pool, s.Unsubscribe != old.Unsubscribe); err != nil {
		return Set{}, err
	}
	old.Set = s
	return b.put(ctx, old)
}

// check says what is wrong with a set; what the server must have for it only as
// far as that is new.
func (b *Book) check(s Set, pool, unsubscribe bool) error {
	if err := s.check(); err != nil {
		return err
	}
	if unsubscribe && s.Unsubscribe != "" && b.o.CanUnsubscribe != nil {
		if err := b.o.CanUnsubscribe(); err != nil {
			return fmt.Errorf("%w: %w", ErrServer, err)
		}
	}
	if !pool || s.Pool == "" || slices.Contains(b.o.Pools, s.Pool) {
		return nil
	}
	pools := slices.Compact(slices.Sorted(slices.Values(b.o.Pools)))
	if len(pools) == 0 {
		return fmt.Errorf("pool %q: %w: there is no [[source]] in the configuration file", s.Pool, ErrPool)
	}
	return fmt.Errorf("pool %q: %w; there are %s", s.Pool, ErrPool, strings.Join(pools, ", "))
}

// put is called under the lock of change.
func (b *Book) put(ctx context.Context, e entry) (Set, error) {
	r, err := e.record()
	if err != nil {
		return Set{}, err
	}
	r, err = b.o.Directory.Put(context.WithoutCancel(ctx), r)
	switch {
	case e.version == 0 && errors.Is(err, account.ErrConflict):
		return Set{}, fmt.Errorf("configuration set %q: %w", e.Name, account.ErrExists)
	case err != nil:
		return Set{}, fmt.Errorf("keep configuration set: %w", err)
	}
	e.version = r.Version
	b.mu.Lock()
	b.keep(e)
	b.mu.Unlock()
	return e.Set, nil
}

// Delete ends a set; account.ErrNotFound. Mail that was accepted under it leaves
// as it was accepted; a default that names it refuses mail from now on.
func (b *Book) Delete(ctx context.Context, accountID, name string) (Set, error) {
	b.change.Lock()
	defer b.change.Unlock()
	b.mu.RLock()
	old, ok := b.sets[accountID][name]
	b.mu.RUnlock()
	if !ok {
		return Set{}, notFound(name)
	}
	if b.o.Removing != nil {
		if err := b.o.Removing(ctx, accountID, name); err != nil {
			return Set{}, fmt.Errorf("delete configuration set %q: %w", name, err)
		}
	}
	r := account.Record{Kind: account.KindConfigSet, Account: accountID, Name: name, Version: old.version}
	if err := b.o.Directory.Delete(context.WithoutCancel(ctx), r); err != nil {
		return Set{}, fmt.Errorf("delete configuration set %q: %w", name, err)
	}
	b.mu.Lock()
	delete(b.sets[accountID], name)
	if len(b.sets[accountID]) == 0 {
		delete(b.sets, accountID)
	}
	b.mu.Unlock()
	return old.Set, nil
}

// Stray gives the sets whose pool has no sources any more. Their mail leaves from
// the default pool.
func (b *Book) Stray() []Set {
	list := b.List("")
	return slices.DeleteFunc(list, func(s Set) bool { return s.Pool == "" || slices.Contains(b.o.Pools, s.Pool) })
}
