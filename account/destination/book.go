package destination

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
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

// Options is what a Book is made from.
type Options struct {
	Directory account.Directory
	// Keys seals the secrets of webhooks.
	Keys Sealer
	// Exists says whether an owner is there; account.ErrNotFound. Nil takes any.
	Exists func(Owner) error
	// Can says why there can be no destination of a kind; nil allows all.
	Can func(Kind) error
	// Changed is called after destinations changed; nil is nobody.
	Changed func()
}

// Book is the destinations of all accounts. It reads from memory; a change is on
// stable storage before it is seen, and is carried through even when its context
// ends. It is safe for concurrent use.
type Book struct {
	o      Options
	change sync.Mutex // one change at a time
	mu     sync.RWMutex
	byName map[Owner][]Destination // in the order of names; never changed, only replaced
}

// Open reads the destinations into memory.
func Open(ctx context.Context, o Options) (*Book, error) {
	b := &Book{o: o, byName: map[Owner][]Destination{}}
	err := account.Each(ctx, o.Directory, account.KindDestination, func(r account.Record) error {
		d, err := decode(r)
		if err == nil {
			b.keep(d.Owner, append(b.byName[d.Owner], d))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read destinations: %w", err)
	}
	return b, nil
}

// keep is called under the lock, or while nobody else knows the book.
func (b *Book) keep(o Owner, list []Destination) {
	if len(list) == 0 {
		delete(b.byName, o)
		return
	}
	slices.SortFunc(list, func(x, y Destination) int { return cmp.Compare(x.Name, y.Name) })
	b.byName[o] = list
}

// Of gives those of one owner, in the order of their names. The list is not to be
// changed.
func (b *Book) Of(o Owner) []Destination {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.byName[o]
}

// All gives those of an account, or with an empty id of all, in the order of
// account, owner and name.
func (b *Book) All(accountID string) []Destination {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []Destination
	for o, of := range b.byName {
		if accountID == "" || accountID == o.Account {
			list = append(list, of...)
		}
	}
	slices.SortFunc(list, func(x, y Destination) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Owner.String(), y.Owner.String()), cmp.Compare(x.Name, y.Name))
	})
	return list
}

// Get gives one; account.ErrNotFound.
func (b *Book) Get(o Owner, name string) (Destination, error) {
	for _, d := range b.Of(o) {
		if d.Name == name {
			return d, nil
		}
	}
	if err := b.exists(o); err != nil {
		return Destination{}, err
	}
	return Destination{}, notFound(name)
}

func notFound(name string) error { return fmt.Errorf("destination %q: %w", name, account.ErrNotFound) }

func (b *Book) exists(o Owner) error {
	if b.o.Exists == nil {
		return nil
	}
	return b.o.Exists(o)
}

// Add makes a destination as given, but for Created, which is set. For a plain
// webhook it makes a secret, which is shown this once. It answers
// account.ErrNotFound, account.ErrExists, or what is wrong with it.
func (b *Book) Add(ctx context.Context, d Destination) (Destination, []byte, error) {
	if err := d.check(); err != nil {
		return Destination{}, nil, err
	}
	if b.o.Can != nil {
		if err := b.o.Can(d.Kind); err != nil {
			return Destination{}, nil, fmt.Errorf("%w: %w", ErrBad, err)
		}
	}
	if err := b.exists(d.Owner); err != nil {
		return Destination{}, nil, err
	}
	if err := b.target(d); err != nil {
		return Destination{}, nil, err
	}
	var secret []byte
	if d.Kind == Webhook {
		secret = make([]byte, secretSize)
		_, _ = rand.Read(secret) // it never fails
		d.sealed = b.o.Keys.Seal(secret, d.place()...)
	}
	d.Created = time.Now().UTC().Truncate(time.Second)
	b.change.Lock()
	defer b.change.Unlock()
	if err := b.fits(d); err != nil {
		return Destination{}, nil, err
	}
	d, err := b.put(ctx, d)
	return d, secret, err
}

// fits says why a destination cannot stand beside those that are there.
func (b *Book) fits(d Destination) error {
	list := b.Of(d.Owner)
	most := Most
	if d.Owner.Topic != "" {
		most = MostSubscriptions
	}
	if len(list) >= most {
		return ErrCount
	}
	if err := b.ways(d); err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(other Destination) bool { return other.Name == d.Name }) {
		return fmt.Errorf("destination %q: %w", d.Name, account.ErrExists)
	}
	if d.Kind == File && slices.ContainsFunc(b.All(""), func(other Destination) bool {
		return other.Kind == File && other.Target == d.Target
	}) {
		return fmt.Errorf("%w: another destination writes to %s", ErrBad, d.Target)
	}
	return nil
}

// Change changes one by what f does to it; only Disabled, Parked, Resumed,
// Confirmed, Raw and Events may change, and between topics and counters the Kind
// with Target and Dimensions. It answers account.ErrNotFound, or what is wrong with
// the result.
func (b *Book) Change(ctx context.Context, o Owner, name string, f func(*Destination)) (Destination, error) {
	b.change.Lock()
	defer b.change.Unlock()
	d, err := b.Get(o, name)
	if err != nil {
		return Destination{}, err
	}
	old := d
	d.Events = slices.Clone(d.Events)
	f(&d)
	if err := d.check(); err != nil {
		return Destination{}, err
	}
	if d.Kind != old.Kind || d.Target != old.Target {
		if !d.moves() || !old.moves() {
			return Destination{}, fmt.Errorf("%w: one of kind %s cannot become another", ErrBad, old.Kind)
		}
		if err := b.target(d); err != nil {
			return Destination{}, err
		}
		if err := b.ways(d); err != nil {
			return Destination{}, err
		}
	}
	return b.put(ctx, d)
}

// put is called under the lock of change.
func (b *Book) put(ctx context.Context, d Destination) (Destination, error) {
	if d.sealed != nil { // under the key of today
		sealed, _, err := b.o.Keys.Refresh(d.sealed, d.place()...)
		if err != nil {
			return Destination{}, err
		}
		d.sealed = sealed
	}
	r, err := d.record()
	if err != nil {
		return Destination{}, err
	}
	if r, err = b.o.Directory.Put(context.WithoutCancel(ctx), r); err != nil {
		return Destination{}, fmt.Errorf("keep destination: %w", err)
	}
	d.version = r.Version
	b.mu.Lock()
	rest := slices.DeleteFunc(slices.Clone(b.byName[d.Owner]), func(other Destination) bool { return other.Name == d.Name })
	b.keep(d.Owner, append(rest, d))
	b.mu.Unlock()
	b.changed()
	return d, nil
}

func (b *Book) changed() {
	if b.o.Changed != nil {
		b.o.Changed()
	}
}

// Delete ends one; account.ErrNotFound. What waits for it is dropped by whoever
// tells destinations.
func (b *Book) Delete(ctx context.Context, o Owner, name string) error {
	b.change.Lock()
	defer b.change.Unlock()
	d, err := b.Get(o, name)
	if err != nil {
		return err
	}
	return b.remove(ctx, d)
}

// DeleteAll ends those of an owner that is about to go.
func (b *Book) DeleteAll(ctx context.Context, o Owner) error {
	b.change.Lock()
	defer b.change.Unlock()
	for _, d := range b.Of(o) {
		if err := b.remove(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// remove is called under the lock of change.
func (b *Book) remove(ctx context.Context, d Destination) error {
	r := account.Record{Kind: account.KindDestination, Account: d.Account, Name: d.recordName(), Version: d.version}
	if err := b.o.Directory.Delete(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("delete destination %q: %w", d.Name, err)
	}
	b.mu.Lock()
	b.keep(d.Owner, slices.DeleteFunc(slices.Clone(b.byName[d.Owner]), func(other Destination) bool { return other.Name == d.Name }))
	b.mu.Unlock()
	b.changed()
	return nil
}

// Secret gives the secret that a plain webhook is signed with.
func (b *Book) Secret(d Destination) ([]byte, error) { return b.o.Keys.Open(d.sealed, d.place()...) }

// Reseal writes every secret again that lies under an older key of the key file,
// and tells how many there are.
func (b *Book) Reseal(ctx context.Context) (int, error) {
	b.change.Lock() // whoever is writing one sealed before is waited for
	list := b.All("")
	b.change.Unlock()
	count := 0
	for _, d := range list {
		if d.sealed == nil {
			continue
		}
		// To be written is to be sealed anew.
		_, err := b.Change(ctx, d.Owner, d.Name, func(*Destination) {})
		if err != nil && !errors.Is(err, account.ErrNotFound) {
			return count, err
		}
		count++
	}
	return count, nil
}
