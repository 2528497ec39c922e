package account

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/internal/keyfile"
)

// page is how many records are read from the directory at a time.
const page = 1000

// Options is what a Book is made from. Directory, Keys and Derive are needed.
type Options struct {
	Directory Directory
	Keys      *keyfile.File
	// Derive gives the SMTP password that belongs to a secret.
	Derive func(secret string) string
	// DeriveImported gives that of a secret which was made elsewhere, in its
	// region, or with no region by SigV2. Nil refuses to import secrets.
	DeriveImported func(secret, region string) string
	// Ended is told of a credential that was revoked or deleted, so that open
	// sessions end; nil is nobody.
	Ended func(accessKeyID string)
	Log   *slog.Logger // nil discards
}

// Book is the accounts and their credentials. Everything is read from memory,
// so that the door never waits for a disk; a change is on stable storage before
// it is seen. It is safe for concurrent use.
type Book struct {
	o      Options
	dir    Directory
	keys   *keyfile.File
	tagKey [32]byte // of this run only
	// nobody stands in for a credential that does not exist.
	nobody *credential

	change sync.Mutex // one change at a time
	mu     sync.RWMutex
	byID   map[string]Account
	byName map[string]string // id
	// versions of the accounts' records, by id.
	versions map[string]uint64
	// credentials by access key id; a value is never changed, only replaced.
	credentials map[string]*credential
}

// Open reads the books into memory, and makes the default account in a new
// directory: in production and without limits.
func Open(ctx context.Context, o Options) (*Book, error) {
	b := &Book{
		o: o, dir: o.Directory, keys: o.Keys,
		byID: map[string]Account{}, byName: map[string]string{}, versions: map[string]uint64{},
		credentials: map[string]*credential{},
	}
	if _, err := rand.Read(b.tagKey[:]); err != nil {
		return nil, err
	}
	b.nobody = &credential{tag: b.tag("")}
	b.o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if err := Each(ctx, b.dir, KindAccount, b.loadAccount); err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	if err := Each(ctx, b.dir, KindCredential, b.loadCredential); err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if _, ok := b.byID[DefaultID]; !ok {
		a := Account{ID: DefaultID, Name: DefaultName, Production: true}
		if _, err := b.put(ctx, a); err != nil {
			return nil, fmt.Errorf("make default account: %w", err)
		}
	}
	return b, nil
}

// Each reads all records of a kind, a page at a time, and stops at the first
// error.
func Each(ctx context.Context, dir Directory, kind Kind, f func(Record) error) error {
	var after Record
	for {
		records, err := dir.List(ctx, kind, "", after, page)
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := f(r); err != nil {
				return err
			}
		}
		if len(records) < page {
			return nil
		}
		after = records[len(records)-1]
	}
}

func (b *Book) loadAccount(r Record) error {
	a, err := decodeAccount(r)
	if err != nil {
		return err
	}
	b.set(a, r.Version)
	return nil
}

func (b *Book) loadCredential(r Record) error {
	c, err := b.decodeCredential(r)
	if err != nil {
		return err
	}
	b.credentials[c.AccessKeyID] = c
	return nil
}

// Accounts gives all accounts in the order of their ids.
func (b *Book) Accounts() []Account {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]Account, 0, len(b.byID))
	for _, a := range b.byID {
		list = append(list, a)
	}
	slices.SortFunc(list, func(x, y Account) int { return strings.Compare(x.ID, y.ID) })
	return list
}

// Lookup gives an account by its id or its name; ErrNotFound when there is none.
func (b *Book) Lookup(nameOrID string) (Account, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if a, ok := b.byID[nameOrID]; ok {
		return a, nil
	}
	if id, ok := b.byName[nameOrID]; ok {
		return b.byID[id], nil
	}
	return Account{}, fmt.Errorf("account %q: %w", nameOrID, ErrNotFound)
}

// Create makes an account as given, but for ID and Created, which are set. It
// answers ErrName, ErrProfile, ErrLimit, ErrContact, ErrThrottle or, for a name
// that is taken, ErrExists.
func (b *Book) Create(ctx context.Context, a Account) (Account, error) {
	if err := a.check(); err != nil {
		return Account{}, err
	}
	// A name of 12 digits could be taken for an id.
	if !nameForm.MatchString(a.Name) || isID(a.Name) {
		return Account{}, ErrName
	}
	id, err := newID()
	if err != nil {
		return Account{}, err
	}
	a.ID = id
	return b.put(ctx, a)
}

func isID(s string) bool {
	return len(s) == len(DefaultID) && strings.Trim(s, "0123456789") == ""
}

// newID gives a random number, so that the id of an account that is gone does
// not come again. The directory refuses the one that exists.
func newID() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(9e11))
	if err != nil {
		return "", err
	}
	return n.Add(n, big.NewInt(1e11)).String(), nil
}

// put makes an account.
func (b *Book) put(ctx context.Context, a Account) (Account, error) {
	b.change.Lock()
	defer b.change.Unlock()
	if _, err := b.Lookup(a.Name); err == nil {
		return Account{}, fmt.Errorf("account %q: %w", a.Name, ErrExists)
	}
	a.Created = time.Now().UTC().Truncate(time.Second)
	if err := b.keep(ctx, a, 0); err != nil {
		return Account{}, err
	}
	return a, nil
}

// keep writes an account and then shows it. It is called with change held.
func (b *Book) keep(ctx context.Context, a Account, version uint64) error {
	r, err := a.record(version)
	if err != nil {
		return err
	}
	if r, err = b.dir.Put(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("keep account: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(a, r.Version)
	return nil
}

func (b *Book) set(a Account, version uint64) {
	b.byID[a.ID], b.byName[a.Name], b.versions[a.ID] = a, a.ID, version
}

// ErrPassword is what Verify says, and all that it says.
var ErrPassword = errors.New("no such credential, or another password")

// tag stands for a password in memory: whoever reads our memory has the tag,
// not the password, and tags of all passwords are of one length.
type tag [sha256.Size]byte

func (b *Book) tag(password string) (t tag) {
	h := hmac.New(sha256.New, b.tagKey[:])
	h.Write([]byte(password))
	h.Sum(t[:0])
	return t
}

// Verify gives the credential that a user name and an SMTP password belong to,
// and its account. It computes one HMAC over the password and compares once in
// constant time, whether the user is known or not; every failure is ErrPassword.
func (b *Book) Verify(accessKeyID, smtpPassword string) (Credential, Account, error) {
	got := b.tag(smtpPassword)
	b.mu.RLock()
	c, known := b.credentials[accessKeyID]
	if !known {
		c = b.nobody
	}
	a, exists := b.byID[c.Account]
	b.mu.RUnlock()
	if equal := hmac.Equal(got[:], c.tag[:]); !equal || !known || !exists || c.Revoked() {
		return Credential{}, Account{}, ErrPassword
	}
	return c.Credential, a, nil
}
