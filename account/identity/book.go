package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/internal/keyfile"
)

// Options is what a Book is made from.
type Options struct {
	Directory account.Directory
	Keys      *keyfile.File
	// Host is the server's own name, for the records to publish.
	Host string
	// Service is the service domain: with it domains get Easy DKIM. Empty: none.
	Service string
	// Feedback is the host that MAIL FROM domains name as their MX; empty is Host.
	Feedback string
	// Sources are the addresses it sends from, where they are known.
	Sources []Source
	// Removing removes what belongs to an identity, before the identity goes; nil is
	// nothing.
	Removing func(ctx context.Context, accountID, name string) error
	// Changed is told of every change of a state, after it is on stable storage.
	Changed func(Change)
	Log     *slog.Logger
}

// Change is one state of an identity that has become another.
type Change struct {
	Identity Identity // as it is now
	What     string   // "verification", "dkim" or "mail from"
	From, To State
	// Why is what DNS lacks, one line each; empty when all is well.
	Why []string
}

// Book is the identities of all accounts. Everything but private keys is read
// from memory; a change is on stable storage before it is seen, and is carried
// through even when its context ends. It is safe for concurrent use.
type Book struct {
	o       Options
	linkKey []byte
	change  sync.Mutex // one change at a time
	mu      sync.RWMutex
	byName  map[name]*entry
	count   map[string]int // identities of an account
	// served counts the identities by the MAIL FROM domain that they serve.
	served map[string]int
}

// Open reads the identities into memory.
func Open(ctx context.Context, o Options) (*Book, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Feedback == "" {
		o.Feedback = o.Host
	}
	b := &Book{o: o, linkKey: o.Keys.Key("verification link", 32), byName: map[name]*entry{}, count: map[string]int{}, served: map[string]int{}}
	err := account.Each(ctx, o.Directory, account.KindIdentity, func(r account.Record) error {
		n, e, err := decode(r)
		if err == nil {
			b.byName[n] = e
			b.serve(nil, e)
			b.count[n.account]++
		}
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
	DKIM     bool // make RSA keys; for domains only
	Ed25519  bool // and, with DKIM, one for Ed25519 (RFC 8463)
	// Selector and Private bring a key of the owner's instead.
	Selector string
	Private  []byte
	// Set is for mail that names none, Labels are its owner's words for it.
	Set    string
	Labels account.Labels
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
	if old != nil {
		return b.update(ctx, n, func(d *data) error { d.Verified = true; return nil })
	}
	if n.account != account.SystemID && b.Count(n.account) >= MaxPerAccount {
		return Identity{}, ErrLimit
	}
	now := time.Now().UTC().Truncate(time.Second)
	d := data{V: version, Created: now, Verified: o.Verified, Set: o.Set, Labels: o.Labels}
	if err := d.check(); err != nil {
		return Identity{}, fmt.Errorf("identity %s: %w", text, err)
	}
	if n.local == "" {
		// Before the lock: an RSA key takes a while.
		if err := b.firstKeys(n, &d, o); err != nil {
			return Identity{}, err
		}
		if n.account != account.SystemID {
			d.Token = newToken()
			d.Verification = &Check{Pending, now}
		}
	} else if o.Selector != "" {
		return Identity{}, fmt.Errorf("%w: only a domain has DKIM keys", ErrSetting)
	}
	b.change.Lock()
	defer b.change.Unlock()
	if n.account != account.SystemID && b.Count(n.account) >= MaxPerAccount {
		return Identity{}, ErrLimit
	}
	return b.put(ctx, n, text, d, 0)
}

// newToken gives 44 characters of base64, as SES has them (spec section 4.3).
func newToken() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // it never fails
	return base64.StdEncoding.EncodeToString(raw[:])
}

// Count gives how many identities an account has.
func (b *Book) Count(accountID string) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.count[accountID]
}

// update changes one identity. An error of f changes nothing.
func (b *Book) update(ctx context.Context, n name, f func(*data) error) (Identity, error) {
	b.change.Lock()
	defer b.change.Unlock()
	e := b.get(n)
	if e == nil {
		return Identity{}, missingError(n.text())
	}
	r, err := b.o.Directory.Get(ctx, account.KindIdentity, n.account, e.Name)
	if err != nil {
		return Identity{}, fmt.Errorf("identity %s: %w", e.Name, err)
	}
	d, err := decodeData(r)
	if err != nil {
		return Identity{}, err
	}
	if err := f(&d); err != nil {
		return Identity{}, fmt.Errorf("identity %s: %w", e.Name, err)
	}
	return b.put(ctx, n, e.Name, d, r.Version)
}

func (b *Book) put(ctx context.Context, n name, text string, d data, version uint64) (Identity, error) {
	r := account.Record{Kind: account.KindIdentity, Account: n.account, Name: text, Version: version}
	err := b.refresh(n, d.Keys)
	if err != nil {
		return Identity{}, fmt.Errorf("identity %s: %w", text, err)
	}
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
	if b.byName[n] == nil {
		b.count[n.account]++
	}
	b.serve(b.byName[n], e)
	b.byName[n] = e
	return e.Identity, nil
}

// Version grows with each change of an identity; it is 0 for one that is not there.
func (b *Book) Version(accountID, text string) uint64 {
	n, _, err := parseName(accountID, text)
	if err != nil {
		return 0
	}
	if e := b.get(n); e != nil {
		return e.version
	}
	return 0
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
		return Identity{}, missingError(text)
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
		return missingError(text)
	}
	if b.o.Removing != nil {
		if err := b.o.Removing(ctx, n.account, e.Name); err != nil {
			return fmt.Errorf("remove identity %s: %w", text, err)
		}
	}
	r := account.Record{Kind: account.KindIdentity, Account: n.account, Name: e.Name, Version: e.version}
	if err := b.o.Directory.Delete(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("remove identity %s: %w", text, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serve(b.byName[n], nil)
	delete(b.byName, n)
	b.count[n.account]--
	return nil
}
