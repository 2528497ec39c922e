package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/dkim"
)

// easySpecs gives the names of Easy DKIM for a domain, the key in use and the one
// after it.
func easySpecs() (names []string, specs []keyData) {
	for range easyKeys {
		names = append(names, newEasy())
	}
	return names, []keyData{{Selector: names[0], Algorithm: dkim.RSA.String(), Easy: true},
		{Selector: names[1], Algorithm: dkim.RSA.String(), Easy: true, Use: Next}}
}

// ErrNoEasy says that there is no Easy DKIM here.
var ErrNoEasy = fmt.Errorf("%w: this server has no service domain, which Easy DKIM needs", ErrSetting)

// UseEasy gives a domain Easy DKIM. One that has it keeps its names, and DNS is asked
// for them anew; a key of its owner's own signs until DNS shows the new one. ErrNoEasy, account.ErrNotFound,
// ErrName.
func (b *Book) UseEasy(ctx context.Context, accountID, text string) (Identity, error) {
	n, text, err := parseName(accountID, text)
	if err != nil {
		return Identity{}, err
	}
	e := b.get(n)
	switch {
	case e == nil:
		return Identity{}, missingError(text)
	case n.local != "":
		return Identity{}, fmt.Errorf("identity %s: %w: only a domain has DKIM keys", text, ErrSetting)
	case b.o.Service == "" || n.account == account.SystemID:
		return Identity{}, fmt.Errorf("identity %s: %w", text, ErrNoEasy)
	case e.Plan().Easy:
		return b.lookAgain(ctx, n, e)
	}
	// Before the lock: an RSA key takes a while.
	names, specs := easySpecs()
	for i, k := range specs {
		if specs[i], err = b.makeKey(n, k); err != nil {
			return Identity{}, err
		}
	}
	return b.update(ctx, n, func(d *data) error {
		now := time.Now().UTC()
		inUse := func(easy bool) bool {
			return slices.ContainsFunc(d.Keys, func(k keyData) bool { return k.Use == Signing && k.Easy == easy })
		}
		switch {
		case inUse(true): // what was brought and never used gives way
			d.Keys = slices.DeleteFunc(d.Keys, func(k keyData) bool { return k.Use == Next && !k.Easy })
			d.Rotating = false
		case inUse(false):
			d.Keys = slices.DeleteFunc(d.Keys, func(k keyData) bool { return k.Use == Next })
			// The first of the names is next; the one after it is made when that signs.
			d.Easy, d.Rotating = names, true
			first := specs[0]
			first.Use = Next
			d.Keys = append(d.Keys, first)
		default:
			d.Keys = slices.DeleteFunc(d.Keys, func(k keyData) bool { return k.Use == Next })
			d.Easy, d.Keys, d.Rotating, d.DKIM = names, append(d.Keys, specs...), false, &Check{Pending, now}
		}
		return nil
	})
}

// lookAgain has DNS asked anew for keys that were given up.
func (b *Book) lookAgain(ctx context.Context, n name, e *entry) (Identity, error) {
	if e.DKIM.State != Failed {
		return e.Identity, nil
	}
	return b.update(ctx, n, func(d *data) error {
		d.DKIM = &Check{Pending, time.Now().UTC()}
		return nil
	})
}

// Bring gives a domain a key of its owner's own. One that it has already in that
// place stays, whatever else was asked for meanwhile; another waits until DNS shows
// it, as RotateDKIM has it.
func (b *Book) Bring(ctx context.Context, accountID, text, selector string, private []byte) (Identity, error) {
	n, text, err := parseName(accountID, text)
	if err != nil {
		return Identity{}, err
	}
	e := b.get(n)
	if e == nil {
		return Identity{}, missingError(text)
	}
	k, err := b.broughtKey(n, selector, private)
	if err != nil {
		return Identity{}, fmt.Errorf("identity %s: %w", text, err)
	}
	i := slices.IndexFunc(e.Keys, func(o Key) bool { return o.Selector == k.Selector && o.TXT == k.TXT && o.Use != Old })
	switch {
	case i < 0:
		return b.RotateDKIM(ctx, accountID, text, selector, private)
	case e.Keys[i].Use == Next || !e.Rotating:
		return b.lookAgain(ctx, n, e)
	}
	return b.update(ctx, n, func(d *data) error {
		d.Keys = slices.DeleteFunc(d.Keys, func(k keyData) bool { return k.Use == Next })
		d.Rotating = false
		return nil
	})
}

// Plan is how an identity is to be signed once DNS shows what its owner was told.
type Plan struct {
	// Easy: with keys under the service domain; else with one in the identity's own.
	Easy bool
	// Tokens are the names of Easy DKIM, or the selectors of the owner's zone.
	Tokens []string
	State  State
	// Made is when the newest of our keys was made.
	Made time.Time
}

// Plan gives what an owner has to publish for DKIM and how far that is. While a
// key of another kind waits for its record, it is Pending, though the key before it
// still signs.
func (i Identity) Plan() Plan {
	p := Plan{State: i.DKIM.State}
	use := Signing
	inUse, next := i.kinds(Signing), i.kinds(Next)
	if i.Rotating && next != 0 && (next != inUse || next == brought) {
		use, p.State = Next, Pending
	}
	for _, k := range i.Keys {
		if k.Made.After(p.Made) {
			p.Made = k.Made
		}
		if k.Use != use {
			continue
		}
		p.Easy = p.Easy || k.Easy
		p.Tokens = append(p.Tokens, k.Selector)
	}
	if p.Easy {
		p.Tokens = i.Easy
	}
	return p
}

// kinds of keys.
const (
	brought = iota + 1
	easy
)

// kinds gives the kind of the keys of a use; 0 when there are none.
func (i Identity) kinds(u Use) int {
	kind := 0
	for _, k := range i.Keys {
		switch {
		case k.Use != u:
		case k.Easy:
			return easy
		default:
			kind = brought
		}
	}
	return kind
}
