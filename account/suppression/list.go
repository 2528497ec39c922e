package suppression

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/mail"
)

// Life is how long an address stays on the list of the installation.
const Life = 14 * 24 * time.Hour

// Options is what Lists are made from. Store and Accounts are needed.
type Options struct {
	Store Store
	// Accounts finds an account by its id; *account.Book.
	Accounts interface {
		Lookup(nameOrID string) (account.Account, error)
	}
	// Sets finds configuration sets; nil knows none.
	Sets interface {
		Find(accountID, name string) (configset.Set, bool)
	}
	// Installation: the list of the installation counts.
	Installation bool
	// Strict is the manners of accounts that have none of their own.
	Strict bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	Log *slog.Logger // nil discards
}

// Lists is the suppression lists of all accounts and of the installation. It is
// safe for concurrent use.
type Lists struct {
	o Options
}

// New makes the lists that lie in a store.
func New(o Options) *Lists {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Lists{o}
}

func (l *Lists) now() time.Time { return l.o.Now().UTC().Truncate(time.Millisecond) }

// Get gives the entry of an address; account.ErrNotFound.
func (l *Lists) Get(ctx context.Context, owner string, a mail.Address) (Entry, error) {
	e, err := l.o.Store.Get(ctx, owner, Key(a))
	if err == nil && e.expired(l.now()) {
		err = account.ErrNotFound
	}
	if errors.Is(err, account.ErrNotFound) {
		return Entry{}, fmt.Errorf("%s is not on the list: %w", a, account.ErrNotFound)
	}
	return e, err
}

// Put adds an address to a list in a person's name, or replaces what the list has
// of it, and gives the entry as it is kept. It answers ErrSandbox and what is
// wrong with the entry.
func (l *Lists) Put(ctx context.Context, e Entry) (Entry, error) {
	if err := l.MayAdd(e.Owner); err != nil {
		return Entry{}, err
	}
	e, err := l.complete(e)
	if err != nil {
		return Entry{}, err
	}
	return e, l.o.Store.Put(ctx, []Entry{e})
}

// MayAdd refuses accounts in the sandbox (spec section 7.2).
func (l *Lists) MayAdd(owner string) error {
	if owner == Installation {
		return nil
	}
	a, err := l.o.Accounts.Lookup(owner)
	if err == nil && !a.Production {
		err = ErrSandbox
	}
	return err
}

// complete sets the times of an entry, and says what is wrong with it.
func (l *Lists) complete(e Entry) (Entry, error) {
	if e.Updated.IsZero() {
		e.Updated = l.now()
	}
	if e.Owner == Installation && e.Expires.IsZero() {
		e.Expires = l.now().Add(Life)
	}
	e.Updated, e.Expires = e.Updated.UTC().Truncate(time.Millisecond), e.Expires.UTC().Truncate(time.Millisecond)
	return e, e.check()
}

// Collect adds addresses to lists as the house finds them, durably. Accounts in
// the sandbox are no exception.
func (l *Lists) Collect(ctx context.Context, entries []Entry) error {
	kept := make([]Entry, len(entries))
	for i, e := range entries {
		var err error
		if kept[i], err = l.complete(e); err != nil {
			return fmt.Errorf("entry %s: %w", e.Address, err)
		}
	}
	return l.o.Store.Put(ctx, kept)
}

// Delete takes an address off a list; account.ErrNotFound.
func (l *Lists) Delete(ctx context.Context, owner string, a mail.Address) error {
	n, err := l.o.Store.Delete(ctx, owner, []string{Key(a)})
	if err == nil && n == 0 {
		return fmt.Errorf("%s is not on the list: %w", a, account.ErrNotFound)
	}
	return err
}

// Left gives the entry of an address that left a mailing list of an account;
// account.ErrNotFound.
func (l *Lists) Left(ctx context.Context, owner string, a mail.Address, list string) (Entry, error) {
	e, err := l.o.Store.Get(ctx, owner, keyOf(a, list))
	if errors.Is(err, account.ErrNotFound) {
		return Entry{}, fmt.Errorf("%s has not left the list %s: %w", a, list, account.ErrNotFound)
	}
	return e, err
}

// Rejoin forgets that an address left a mailing list; account.ErrNotFound.
func (l *Lists) Rejoin(ctx context.Context, owner string, a mail.Address, list string) error {
	n, err := l.o.Store.Delete(ctx, owner, []string{keyOf(a, list)})
	if err == nil && n == 0 {
		return fmt.Errorf("%s has not left the list %s: %w", a, list, account.ErrNotFound)
	}
	return err
}

// page is how many entries are in memory at a time.
const page = 1000

// Filter narrows what All gives; zero fields do not narrow.
type Filter struct {
	Reasons      []Reason  // any of them
	Since, Until time.Time // of the last update
	After        string    // a Key: only entries behind it
}

func (f Filter) takes(e *Entry) bool {
	return (len(f.Reasons) == 0 || slices.Contains(f.Reasons, e.Reason)) &&
		(f.Since.IsZero() || !e.Updated.Before(f.Since)) && (f.Until.IsZero() || e.Updated.Before(f.Until))
}

// All gives the entries of a list in the order of their Keys, a page at a time. An
// error is the last.
func (l *Lists) All(ctx context.Context, owner string, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for after := f.After; ; {
			entries, err := l.o.Store.Page(ctx, owner, after, page)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			now := l.now()
			for _, e := range entries {
				if f.takes(&e) && !e.expired(now) && !yield(e, nil) {
					return
				}
			}
			if len(entries) < page {
				return
			}
			after = entries[len(entries)-1].Key()
		}
	}
}

// RemoveAll empties the list of an account that ends.
func (l *Lists) RemoveAll(ctx context.Context, owner string) error {
	return l.remove(ctx, owner, func(*Entry) bool { return true })
}

// remove takes off the entries that f wants gone, a page at a time.
func (l *Lists) remove(ctx context.Context, owner string, f func(*Entry) bool) error {
	for after := ""; ; {
		entries, err := l.o.Store.Page(ctx, owner, after, page)
		if err != nil {
			return err
		}
		var gone []string
		for _, e := range entries {
			if after = e.Key(); f(&e) {
				gone = append(gone, after)
			}
		}
		if len(gone) > 0 {
			if _, err := l.o.Store.Delete(ctx, owner, gone); err != nil {
				return err
			}
		}
		if len(entries) < page {
			return nil
		}
	}
}

// sweepEvery is how often expired entries are taken off.
const sweepEvery = time.Hour

// Run takes expired entries off the list of the installation until ctx ends.
func (l *Lists) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		now := l.now()
		if err := l.remove(ctx, Installation, func(e *Entry) bool { return e.expired(now) }); err != nil && ctx.Err() == nil {
			l.o.Log.Warn("expired suppression entries stay for now", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
