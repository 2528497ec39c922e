package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// bucketEntries of suppression.db holds owner 0 key: version, entry. The key is
// that of suppression.Entry.
var suppressionLayout = layout{
	name: "suppression.db", version: 1, kind: "sesame suppression ",
	buckets: []string{bucketMeta, bucketEntries},
}

// Suppression is the suppression lists on disk, in a file of their own: a million
// addresses change and are read without a word to the spool. It is safe for
// concurrent use.
type Suppression struct{ *shelf }

var _ suppression.Store = (*Suppression)(nil)

// OpenSuppression opens the lists in a directory, making the file when it is not
// there. It refuses like Open. The caller closes them.
func OpenSuppression(o Options) (*Suppression, error) {
	s, err := openShelf(o.Dir, suppressionLayout, "suppression lists")
	if err != nil {
		return nil, err
	}
	return &Suppression{s}, nil
}

func (s *Suppression) view(ctx context.Context, f func(b *bbolt.Bucket) error) error {
	return s.shelf.view(ctx, func(tx *bbolt.Tx) error { return f(tx.Bucket([]byte(bucketEntries))) })
}

// change runs f in a write transaction. The pages that a large change went
// through do not stay in memory.
func (s *Suppression) change(ctx context.Context, large bool, f func(b *bbolt.Bucket) error) error {
	err := s.shelf.change(ctx, func(tx *bbolt.Tx) error { return f(tx.Bucket([]byte(bucketEntries))) })
	if err == nil && large {
		_ = forgetPages(s.db) // they only cost memory
	}
	return err
}

// largeChange is from how many entries on a change is large.
const largeChange = 1000

func suppressionKey(owner, key string) []byte {
	k := make([]byte, 0, len(owner)+1+len(key))
	k = append(k, owner...)
	k = append(k, 0)
	return append(k, key...)
}

// Get gives one entry.
func (s *Suppression) Get(ctx context.Context, owner, key string) (e suppression.Entry, err error) {
	k := suppressionKey(owner, key)
	err = s.view(ctx, func(b *bbolt.Bucket) error {
		v := b.Get(k)
		if v == nil {
			return account.ErrNotFound
		}
		e, err = decodeSuppressed(k, v)
		return err
	})
	return e, err
}

// Among gives the entries that there are under keys, by one look at the file.
func (s *Suppression) Among(ctx context.Context, owner string, keys []string) (found map[string]suppression.Entry, err error) {
	err = s.view(ctx, func(b *bbolt.Bucket) error {
		c := b.Cursor()
		k := suppressionKey(owner, "")
		n := len(k)
		for _, key := range keys {
			k = append(k[:n], key...)
			v := find(c, k)
			if v == nil {
				continue
			}
			e, err := decodeSuppressed(k, v)
			if err != nil {
				return err
			}
			if found == nil {
				found = make(map[string]suppression.Entry)
			}
			found[key] = e
		}
		return nil
	})
	return found, err
}

// Put adds or replaces entries in one transaction.
func (s *Suppression) Put(ctx context.Context, entries []suppression.Entry) error {
	for i := range entries {
		if key := entries[i].Key(); !plain(entries[i].Owner, maxName) || !plain(key, maxKey) {
			return fmt.Errorf("suppression: bad entry of %q", entries[i].Owner)
		}
	}
	return s.change(ctx, len(entries) >= largeChange, func(b *bbolt.Bucket) error {
		for i := range entries {
			e := &entries[i]
			if err := b.Put(suppressionKey(e.Owner, e.Key()), encodeSuppressed(e)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Delete takes entries off a list in one transaction.
func (s *Suppression) Delete(ctx context.Context, owner string, keys []string) (n int, err error) {
	err = s.change(ctx, len(keys) >= largeChange, func(b *bbolt.Bucket) error {
		n = 0
		for _, key := range keys {
			k := suppressionKey(owner, key)
			if b.Get(k) == nil {
				continue
			}
			n++
			if err := b.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Page gives entries in the order of their keys.
func (s *Suppression) Page(ctx context.Context, owner, after string, limit int) (out []suppression.Entry, err error) {
	if limit < 1 {
		return nil, fmt.Errorf("suppression: limit %d", limit)
	}
	prefix := suppressionKey(owner, "")
	from := prefix
	if after != "" {
		from = append(suppressionKey(owner, after), 0)
	}
	err = s.view(ctx, func(b *bbolt.Bucket) error {
		c := b.Cursor()
		for k, v := c.Seek(from); bytes.HasPrefix(k, prefix) && len(out) < limit; k, v = c.Next() {
			e, err := decodeSuppressed(k, v)
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	})
	return out, err
}

// encodeSuppressed gives version, reason, times, and texts with their lengths. The
// address follows only when it is not its key.
func encodeSuppressed(e *suppression.Entry) []byte {
	v := make([]byte, 0, 32+len(e.MessageID)+len(e.FeedbackID))
	v = append(v, recordVersion, byte(e.Reason))
	v = binary.AppendUvarint(v, uint64(millis(e.Updated)))
	v = binary.AppendUvarint(v, uint64(millis(e.Expires)))
	address := e.Address.String()
	if address == suppression.Key(e.Address) {
		address = ""
	}
	for _, text := range [...]string{e.MessageID, e.FeedbackID, address} {
		v = binary.AppendUvarint(v, uint64(len(text)))
		v = append(v, text...)
	}
	return v
}

func decodeSuppressed(k, v []byte) (e suppression.Entry, err error) {
	owner, key, ok := bytes.Cut(k, []byte{0})
	if !ok || len(v) < 2 || v[0] != recordVersion {
		return e, fmt.Errorf("suppression %q: %w", k, queue.ErrDamaged)
	}
	e.Owner, e.Reason = string(owner), suppression.Reason(v[1])
	v = v[2:]
	number := func() uint64 {
		n, size := binary.Uvarint(v)
		if size <= 0 {
			ok = false
			return 0
		}
		v = v[size:]
		return n
	}
	text := func() string {
		n := number()
		if !ok || n > uint64(len(v)) {
			ok = false
			return ""
		}
		s := string(v[:n])
		v = v[n:]
		return s
	}
	e.Updated, e.Expires = fromMillis(int64(number())).UTC(), fromMillis(int64(number())).UTC()
	e.MessageID, e.FeedbackID = text(), text()
	of, list := suppression.CutKey(string(key))
	address := text()
	if address == "" {
		address = of
	}
	e.List = list
	if !ok {
		return e, fmt.Errorf("suppression %q: %w", k, queue.ErrDamaged)
	}
	if e.Address, err = mail.ParseAddress(address); err != nil {
		return e, fmt.Errorf("suppression %q: %w", k, queue.ErrDamaged)
	}
	return e, nil
}
