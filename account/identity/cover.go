package identity

import (
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// Covers gives the identity that lets an account send as an address (spec
// section 4.5): that address; the address without its label, user@d for
// user+label@d; its domain; the nearest parent domain. Only verified ones count.
func (b *Book) Covers(accountID string, a mail.Address) (Identity, bool) {
	if a.IsZero() {
		return Identity{}, false
	}
	n := nameOf(accountID, a)
	b.mu.RLock()
	defer b.mu.RUnlock()
	if e := b.address(n); e != nil {
		return e.Identity, true
	}
	if e := b.nearest(n.account, n.domain); e != nil {
		return e.Identity, true
	}
	return Identity{}, false
}

// PausedFor names the identity whose pause stops mail from an address: the one
// that covers it, or a more specific one, verified or not.
func (b *Book) PausedFor(accountID string, a mail.Address) (string, bool) {
	if a.IsZero() {
		return "", false
	}
	n := nameOf(accountID, a)
	base, _, _ := strings.Cut(n.local, "+")
	b.mu.RLock()
	defer b.mu.RUnlock()
	var few [6]name // enough for most, and on the stack
	chain := append(few[:0], n)
	if base != "" && base != n.local {
		chain = append(chain, name{n.account, base, n.domain})
	}
	for domain, more := n.domain, true; more; _, domain, more = strings.Cut(domain, ".") {
		chain = append(chain, name{n.account, "", domain})
	}
	for _, n := range chain {
		e := b.byName[n]
		switch {
		case e == nil:
		case e.Paused:
			return e.Name, true
		case e.Verified:
			return "", false
		}
	}
	return "", false
}

// nearest gives the verified identity of a domain or of its nearest parent. It
// takes off whole labels, so that evilexample.com is no child of example.com;
// an address literal has none and matches nothing, as no identity is a literal.
func (b *Book) nearest(accountID, domain string) *entry {
	for {
		if e := b.verified(name{accountID, "", domain}); e != nil {
			return e
		}
		var found bool
		if _, domain, found = strings.Cut(domain, "."); !found {
			return nil
		}
	}
}

// verified is called under the lock.
func (b *Book) verified(n name) *entry {
	if e := b.byName[n]; e != nil && e.Verified {
		return e
	}
	return nil
}
