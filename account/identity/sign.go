package identity

import (
	"context"
	"fmt"
	"strings"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/mail"
)

// Switch is what an owner wants of something.
type Switch string

// The ways to want it.
const (
	Default Switch = "" // a domain signs; an address does what its domain does
	On      Switch = "on"
	Off     Switch = "off"
)

// SetSign turns signing with DKIM on or off. An address has no keys, but its wish
// counts more than that of its domain (spec section 4.4).
func (b *Book) SetSign(ctx context.Context, accountID, text string, s Switch) (Identity, error) {
	if s != Default && s != On && s != Off {
		return Identity{}, fmt.Errorf("identity %s: %w: signing is on or off", text, ErrSetting)
	}
	return b.with(ctx, accountID, text, func(d *data) error { d.Sign = s; return nil })
}

// SenderKeys names the DKIM keys that an account signs with for a From address:
// those that KeyRefs names for its domain, unless the owner of the address or of
// the domain wants no signature.
func (b *Book) SenderKeys(accountID string, from mail.Address) []string {
	n := nameOf(accountID, from)
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.nearest(accountID, n.domain)
	if e == nil || !e.signs() {
		return nil
	}
	want := e.Sign
	if own := b.address(n); own != nil && own.Sign != Default {
		want = own.Sign
	}
	if want == Off {
		return nil
	}
	return e.refs()
}

// address gives the verified identity of an address, or of the address without its
// label. It is called under the lock.
func (b *Book) address(n name) *entry {
	if e := b.verified(n); e != nil {
		return e
	}
	if base, _, found := strings.Cut(n.local, "+"); found && base != "" {
		return b.verified(name{n.account, base, n.domain})
	}
	return nil
}

// SignsFor reports whether mail of an identity is to be signed: by its own wish, or
// for an address by that of the domain whose keys it has.
func (b *Book) SignsFor(i Identity) bool {
	if !i.IsDomain() && i.Sign == Default {
		domain, ok := b.KeyOwner(i)
		return ok && domain.Sign != Off && len(domain.Keys) > 0
	}
	return i.Sign != Off
}

// KeyOwner gives the identity whose keys sign for one: a domain itself; for an
// address its domain, if that is an identity too, or the nearest verified one above.
func (b *Book) KeyOwner(i Identity) (Identity, bool) {
	if i.IsDomain() {
		return i, true
	}
	domain := i.Name[strings.LastIndexByte(i.Name, '@')+1:]
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.byName[name{i.Account, "", domain}]
	if e == nil {
		e = b.nearest(i.Account, domain)
	}
	if e == nil {
		return Identity{}, false
	}
	return e.Identity, true
}

// SetLabels changes the labels of an identity to what f makes of them.
func (b *Book) SetLabels(ctx context.Context, accountID, text string, f func(account.Labels) account.Labels) (Identity, error) {
	return b.with(ctx, accountID, text, func(d *data) error {
		d.Labels = f(d.Labels)
		return d.check()
	})
}

// check says what is wrong with what an owner chose.
func (d *data) check() error {
	if err := account.CheckDefaults(d.Set, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrSetting, err)
	}
	return d.Labels.Check()
}
