package identity

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/dkim"
)

// easyKeys is how many names Easy DKIM has (spec section 4.4).
const easyKeys = 3

// firstKeys makes the keys of a new domain: one the owner brings; or with a
// service domain Easy DKIM, the key in use and the next one; or else a selector
// in the domain's own zone.
func (b *Book) firstKeys(n name, d *data, o AddOptions) error {
	if o.Selector != "" {
		k, err := b.broughtKey(n, o.Selector, o.Private)
		if err != nil {
			return err
		}
		d.Keys, d.DKIM = []keyData{k}, &Check{Pending, d.Created}
		return nil
	}
	if !o.DKIM {
		return nil
	}
	var specs []keyData
	if b.o.Service != "" && n.account != account.SystemID {
		d.Easy, specs = easySpecs()
	} else {
		specs = append(specs, keyData{Selector: selector(d.Created, dkim.RSA), Algorithm: dkim.RSA.String()})
	}
	if o.Ed25519 {
		specs = append(specs, keyData{Selector: selector(d.Created, dkim.Ed25519), Algorithm: dkim.Ed25519.String()})
	}
	for _, k := range specs {
		k, err := b.makeKey(n, k)
		if err != nil {
			return err
		}
		d.Keys = append(d.Keys, k)
	}
	d.DKIM = &Check{Pending, d.Created}
	return nil
}

// makeKey makes the private key that a keyData describes.
func (b *Book) makeKey(n name, k keyData) (keyData, error) {
	alg := dkim.RSA
	if k.Algorithm == dkim.Ed25519.String() {
		alg = dkim.Ed25519
	}
	private, err := dkim.Generate(alg)
	if err != nil {
		return keyData{}, fmt.Errorf("make DKIM key: %w", err)
	}
	k.Made = time.Now().UTC().Truncate(time.Second)
	return b.sealKey(n, k, private)
}

func (b *Book) sealKey(n name, k keyData, private crypto.Signer) (keyData, error) {
	der, err := dkim.MarshalPrivate(private)
	if err != nil {
		return keyData{}, fmt.Errorf("make DKIM key: %w", err)
	}
	if k.TXT, err = dkim.TXT(private.Public()); err != nil {
		return keyData{}, fmt.Errorf("make DKIM key: %w", err)
	}
	k.Sealed = b.o.Keys.Seal(der, place(n.account, n.domain, k.Selector)...)
	return k, nil
}

// selectorForm is one or more labels (RFC 6376 section 3.1).
var selectorForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// maxSelector is the longest selector (spec section 4.4).
const maxSelector = 63

// broughtKey reads a key that the owner made (BYODKIM).
func (b *Book) broughtKey(n name, selector string, private []byte) (keyData, error) {
	selector = strings.ToLower(selector)
	if len(selector) > maxSelector || !selectorForm.MatchString(selector) {
		return keyData{}, fmt.Errorf("%w: a DKIM selector is 1 to %d letters, digits, hyphens and dots", ErrSetting, maxSelector)
	}
	signer, err := dkim.ParsePrivate(private)
	if err != nil {
		return keyData{}, fmt.Errorf("%w: %w", ErrSetting, err)
	}
	alg, err := dkim.AlgorithmOf(signer)
	if err != nil {
		return keyData{}, fmt.Errorf("%w: %w", ErrSetting, err)
	}
	return b.sealKey(n, keyData{Selector: selector, Algorithm: alg.String()}, signer)
}

// selector gives a name such as s20261122k3fqr: the day, so that people see how
// old a key is, and a random part, so that two accounts with the same domain, or
// a domain removed and added again, do not meet in the DNS.
func selector(now time.Time, alg dkim.Algorithm) string {
	return "s" + now.Format("20060102") + strings.ToLower(rand.Text()[:4]) + alg.String()[:1]
}

// newEasy gives 32 characters of a to z and 2 to 7.
func newEasy() string {
	var raw [20]byte
	_, _ = rand.Read(raw[:]) // it never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))
}

// KeyRefs names the DKIM keys that an account signs with for a From domain:
// those in use of the verified identity of the domain, or else of its nearest
// parent. It gives none when that identity has no keys, or DNS does not show
// them.
func (b *Book) KeyRefs(accountID, domain string) []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.nearest(accountID, domain)
	if e == nil || !e.signs() || e.Sign == Off {
		return nil
	}
	return e.refs()
}

// refs names the keys in use.
func (e *entry) refs() []string {
	refs := make([]string, 0, len(e.Keys))
	for _, k := range e.Keys {
		if k.Use == Signing {
			refs = append(refs, e.Name+"/"+k.Selector)
		}
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
