package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sesame-mta/sesame/dkim"
)

// overlap is how long a key stays published after its last use: mail signed with
// it may wait in a queue for days before somebody checks it.
const overlap = 7 * 24 * time.Hour

// RotateDKIM asks for new keys for a domain: the next ones are used as soon as
// DNS shows them, and the old ones stay published for a while. With a key of
// the owner's own, the new one is brought in selector and private.
func (b *Book) RotateDKIM(ctx context.Context, accountID, text, selector string, private []byte) (Identity, error) {
	n, _, err := parseName(accountID, text)
	if err != nil {
		return Identity{}, err
	}
	e := b.get(n)
	switch {
	case e == nil:
		return Identity{}, missingError(text)
	case n.local != "":
		return Identity{}, fmt.Errorf("identity %s: %w: only a domain has DKIM keys", text, ErrSetting)
	case len(e.Keys) == 0 && selector == "":
		return Identity{}, fmt.Errorf("identity %s: %w: it has no DKIM keys", text, ErrSetting)
	}
	// Before the lock: an RSA key takes a while.
	made, err := b.nextKeys(n, e, selector, private)
	if err != nil {
		return Identity{}, fmt.Errorf("identity %s: %w", text, err)
	}
	return b.update(ctx, n, func(d *data) error {
		for _, k := range made {
			if slices.ContainsFunc(d.Keys, func(o keyData) bool { return o.Selector == k.Selector }) {
				return fmt.Errorf("%w: it has a key with selector %s already", ErrSetting, k.Selector)
			}
		}
		if selector != "" { // an unused key that was brought before gives way
			d.Keys = slices.DeleteFunc(d.Keys, func(k keyData) bool { return k.Use == Next })
		}
		d.Keys = append(d.Keys, made...)
		d.Rotating = true
		if d.DKIM == nil {
			d.DKIM = &Check{Pending, time.Now().UTC()}
		}
		return nil
	})
}

// nextKeys makes what is lacking: of every key in use there is a next one.
func (b *Book) nextKeys(n name, e *entry, selector string, private []byte) ([]keyData, error) {
	if selector != "" {
		k, err := b.broughtKey(n, selector, private)
		k.Use = Next
		return []keyData{k}, err
	}
	var made []keyData
	for _, k := range e.Keys {
		if k.Use != Signing || slices.ContainsFunc(e.Keys, func(o Key) bool {
			return o.Use == Next && o.Algorithm == k.Algorithm
		}) {
			continue
		}
		next, ok := b.nextKey(e.Easy, e.Keys, k, time.Now().UTC())
		if !ok {
			return nil, fmt.Errorf("%w: the key before the last must stay published until %s", ErrSetting, freeAt(e.Keys).Format(time.DateTime)+" UTC")
		}
		next, err := b.makeKey(n, next)
		if err != nil {
			return nil, err
		}
		made = append(made, next)
	}
	return made, nil
}

// nextKey describes the key that follows another: a selector of its own, or of
// Easy DKIM the name that is free.
func (b *Book) nextKey(easy []string, keys []Key, k Key, now time.Time) (keyData, bool) {
	next := keyData{Selector: selector(now, k.Algorithm), Algorithm: k.Algorithm.String(), Use: Next, Easy: k.Easy}
	if !k.Easy {
		return next, true
	}
	for _, s := range easy {
		if !slices.ContainsFunc(keys, func(o Key) bool { return o.Selector == s }) {
			next.Selector = s
			return next, true
		}
	}
	return keyData{}, false
}

// freeAt is when the first old key need not be published any more.
func freeAt(keys []Key) (t time.Time) {
	for _, k := range keys {
		if end := k.Retired.Add(overlap); k.Use == Old && (t.IsZero() || end.Before(t)) {
			t = end
		}
	}
	return t
}

// turn takes the next keys into use. Of Easy DKIM the key after them is made
// already (made), so that it is long published when its turn comes.
func turn(d *data, made []keyData, now time.Time) {
	easyKey := func(u Use) bool {
		return slices.ContainsFunc(d.Keys, func(k keyData) bool { return k.Use == u && k.Easy })
	}
	// A key that the owner brought replaces all, and so does Easy DKIM in its place.
	all := !easyKey(Next) || !easyKey(Signing)
	for i := range d.Keys {
		k := &d.Keys[i]
		if k.Use == Signing && (all || followed(d.Keys, k.Algorithm)) {
			k.Use, k.Retired = Old, now
		}
	}
	for i := range d.Keys {
		if d.Keys[i].Use == Next {
			d.Keys[i].Use = Signing
		}
	}
	d.Keys = append(d.Keys, made...)
	d.Rotating = false
}

func followed(keys []keyData, algorithm string) bool {
	return slices.ContainsFunc(keys, func(k keyData) bool { return k.Use == Next && k.Algorithm == algorithm })
}

// tidy ends what need not be published any more, and gives the Easy DKIM key to
// make before the next rotation, if its name has become free.
func tidy(d *data, now time.Time) bool {
	n := len(d.Keys)
	d.Keys = slices.DeleteFunc(d.Keys, func(k keyData) bool {
		return k.Use == Old && now.Sub(k.Retired) >= overlap
	})
	return len(d.Keys) != n
}

// easyKeyLacking reports whether an Easy DKIM key is in use without a next one.
func easyKeyLacking(keys []Key) bool {
	in, next := false, false
	for _, k := range keys {
		in = in || k.Easy && k.Use == Signing && k.Algorithm == dkim.RSA
		next = next || k.Easy && k.Use == Next
	}
	return in && !next
}
