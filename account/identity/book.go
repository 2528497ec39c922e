package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/dkim"
	"github.com/sesame-mta/sesame/internal/keyfile"
)

// Options is what a Book is made from.
type Options struct {
	Directory account.Directory
	Keys      *keyfile.File
	// Host is the server's own name, for the records to publish.
	Host string
	// Sources are the addresses it sends from, where they are known.
	Sources []Source
}

// Book is the identities of all accounts. Everything but private keys is read
// from memory; a change is on stable storage before it is seen, and is carried
// through even when its context ends. It is safe for concurrent use.
type Book struct {
	o      Options
	change sync.Mutex // one change at a time
	mu     sync.RWMutex
	byName map[name]*entry
}

// Open reads the identities into memory.
func Open(ctx context.Context, o Options) (*Book, error) {
	b := &Book{o: o, byName: map[name]*entry{}}
	err := account.Each(ctx, o.Directory, account.KindIdentity, func(r account.Record) error {
		n, e, err := decode(r)
		b.byName[n] = e
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	return b, nil
}

// AddOptions is how an identity begins.
type AddOptions struct {
	Verified bool // by the operator's word
	DKIM     bool // make an RSA key; for domains only
	Ed25519  bool // and, with DKIM, one for Ed25519 (RFC 8463)
}

// Add makes an identity for an account, given by its id. One that exists is
// account.ErrExists; but a pending one becomes verified, with the keys it has,
// when that is asked for.
func (b *Book) Add(ctx context.Context, accountID, text string, o AddOptions) (Identity, error) {
	n, text, err := parseName(accountID, text)
	if err != nil {
		return Identity{}, err
	}
	old := b.get(n)
	if old != nil && (old.Verified || !o.Verified) {
		return Identity{}, fmt.Errorf("identity %s: %w", text, account.ErrExists)
	}
	d := data{V: version, Created: time.Now().UTC().Truncate(time.Second), Verified: o.Verified}
	if old == nil && o.DKIM && n.local == "" {
		algs := []dkim.Algorithm{dkim.RSA}
		if o.Ed25519 {
			algs = append(algs, dkim.Ed25519)
		}
		// Before the lock: an RSA key takes a while.
		if d.Keys, err = b.makeKeys(n, d.Created, algs); err != nil {
			return Identity{}, err
		}
	}
	b.change.Lock()
	defer b.change.Unlock()
	if old != nil {
		return b.verify(ctx, n, text)
	}
	return b.put(ctx, n, text, d, 0)
}

// verify marks a pending identity as verified.
func (b *Book) verify(ctx context.Context, n name, text string) (Identity, error) {
	r, err := b.o.Directory.Get(ctx, account.KindIdentity, n.account, text)
	if err != nil {
		return Identity{}, fmt.Errorf("identity %s: %w", text, err)
	}
	d, err := decodeData(r)
	if err != nil {
		return Identity{}, err
	}
	d.Verified = true
	return b.put(ctx, n, text, d, r.Version)
}

func (b *Book) put(ctx context.Context, n name, text string, d data, version uint64) (Identity, error) {
	r := account.Record{Kind: account.KindIdentity, Account: n.account, Name: text, Version: version}
	var err error
	if r.Data, err = json.Marshal(d); err != nil {
		return Identity{}, err
	}
	r, err = b.o.Directory.Put(context.WithoutCancel(ctx), r)
	switch {
	case version == 0 && errors.Is(err, account.ErrConflict):
		return Identity{}, fmt.Errorf("identity %s: %w", text, account.ErrExists)
	case err != nil:
		return Identity{}, fmt.Errorf("keep identity %s: %w", text, err)
	}
	_, e, err := decode(r)
	if err != nil {
		return Identity{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.byName[n] = e
	return e.Identity, nil
}

func (b *Book) get(n name) *entry {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.byName[n]
}

// Get gives an identity of an account; account.ErrNotFound, ErrName.
func (b *Book) Get(accountID, text string) (Identity, error) {
	n, text, err := parseName(accountID, text)
	if err != nil {
		return Identity{}, err
	}
	e := b.get(n)
	if e == nil {
		return Identity{}, fmt.Errorf("identity %s: %w", text, account.ErrNotFound)
	}
	return e.Identity, nil
}

// List gives the identities of an account, or with an empty id of all accounts,
// in the order of account and name. The server's own is left out of the latter.
func (b *Book) List(accountID string) []Identity {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []Identity
	for n, e := range b.byName {
		if n.account == accountID || accountID == "" && n.account != account.SystemID {
			list = append(list, e.Identity)
		}
	}
	slices.SortFunc(list, func(x, y Identity) int {
		if d := strings.Compare(x.Account, y.Account); d != 0 {
			return d
		}
		return strings.Compare(x.Name, y.Name)
	})
	return list
}

// Remove ends an identity and its keys; account.ErrNotFound, ErrName. Messages
// that wait in the queue leave without the signatures of these keys.
func (b *Book) Remove(ctx context.Context, accountID, text string) error {
	n, text, err := parseName(accountID, text)
	if err != nil {
		return err
	}
	b.change.Lock()
	defer b.change.Unlock()
	e := b.get(n)
	if e == nil {
		return fmt.Errorf("identity %s: %w", text, account.ErrNotFound)
	}
	r := account.Record{Kind: account.KindIdentity, Account: n.account, Name: e.Name, Version: e.version}
	if err := b.o.Directory.Delete(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("remove identity %s: %w", text, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.byName, n)
	return nil
}
