package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/dkim"
)

func (b *Book) makeKeys(n name, now time.Time, algs []dkim.Algorithm) ([]keyData, error) {
	var keys []keyData
	for _, alg := range algs {
		private, err := dkim.Generate(alg)
		if err != nil {
			return nil, fmt.Errorf("make DKIM key: %w", err)
		}
		der, err := dkim.MarshalPrivate(private)
		if err != nil {
			return nil, fmt.Errorf("make DKIM key: %w", err)
		}
		txt, err := dkim.TXT(private.Public())
		if err != nil {
			return nil, fmt.Errorf("make DKIM key: %w", err)
		}
		s := selector(now, alg)
		keys = append(keys, keyData{s, alg.String(), txt, b.o.Keys.Seal(der, place(n.account, n.domain, s)...)})
	}
	return keys, nil
}

// selector gives a name such as s20261122k3fqr: the day, so that people see how
// old a key is, and a random part, so that two accounts with the same domain, or
// a domain removed and added again, do not meet in the DNS.
func selector(now time.Time, alg dkim.Algorithm) string {
	return "s" + now.Format("20060102") + strings.ToLower(rand.Text()[:4]) + alg.String()[:1]
}

// KeyRefs names the DKIM keys that an account signs with for a From domain:
// those of the verified identity of the domain, or else of its nearest parent.
// It gives none when that identity has no keys.
func (b *Book) KeyRefs(accountID, domain string) []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.nearest(accountID, domain)
	if e == nil {
		return nil
	}
	refs := make([]string, len(e.Keys))
	for i, k := range e.Keys {
		refs[i] = e.Name + "/" + k.Selector
	}
	return refs
}

// Keys gives the private keys that KeyRefs named, for the account or, in a
// notice of ours sent on its behalf, for the server itself. Those of an identity
// that was removed since are left out. A key is read and opened when it is first
// used and then stays in memory.
func (b *Book) Keys(ctx context.Context, accountID string, refs []string) ([]*dkim.Key, error) {
	keys := make([]*dkim.Key, 0, len(refs))
	for _, ref := range refs {
		domain, selector, _ := strings.Cut(ref, "/")
		k, err := b.key(ctx, name{accountID, "", domain}, selector)
		if errors.Is(err, account.ErrNotFound) {
			k, err = b.key(ctx, name{account.SystemID, "", domain}, selector)
		}
		if errors.Is(err, account.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("DKIM key %s: %w", ref, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func (b *Book) key(ctx context.Context, n name, selector string) (*dkim.Key, error) {
	e := b.get(n)
	if e == nil {
		return nil, account.ErrNotFound
	}
	for i, k := range e.Keys {
		if k.Selector != selector {
			continue
		}
		if parsed := e.keys[i].Load(); parsed != nil {
			return parsed, nil
		}
		parsed, err := b.open(ctx, n, k)
		if err == nil {
			e.keys[i].Store(parsed)
		}
		return parsed, err
	}
	return nil, account.ErrNotFound
}

// open reads a private key from the directory.
func (b *Book) open(ctx context.Context, n name, k Key) (*dkim.Key, error) {
	r, err := b.o.Directory.Get(ctx, account.KindIdentity, n.account, n.domain)
	if err != nil {
		return nil, err
	}
	d, err := decodeData(r)
	if err != nil {
		return nil, err
	}
	for _, kd := range d.Keys {
		if kd.Selector != k.Selector {
			continue
		}
		der, err := b.o.Keys.Open(kd.Sealed, place(n.account, n.domain, k.Selector)...)
		if err != nil {
			return nil, err
		}
		private, err := dkim.ParsePrivate(der)
		if err != nil {
			return nil, err
		}
		return &dkim.Key{Domain: n.domain, Selector: k.Selector, Algorithm: k.Algorithm, Private: private}, nil
	}
	return nil, account.ErrNotFound
}
