package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/queue"
)

// The buckets of books.db.
const (
	bucketRecords = "records" // kind, account 0 name: version, data
	bucketChanges = "changes" // version: key of the record; one per record
	bucketNames   = "names"   // credential name: account; unique over all
)

var booksLayout = layout{
	name: "books.db", version: 1, kind: "sesame books ",
	buckets: []string{bucketMeta, bucketRecords, bucketChanges, bucketNames},
}

// Books is the directory of accounts on disk. It is safe for concurrent use.
type Books struct{ *shelf }

var _ account.Directory = (*Books)(nil)

// OpenBooks opens the books in a directory, making them when they are not there.
// It refuses like Open. The caller closes them.
func OpenBooks(o Options) (*Books, error) {
	s, err := openShelf(o.Dir, booksLayout, "books")
	if err != nil {
		return nil, err
	}
	return &Books{s}, nil
}

func recordKey(kind account.Kind, owner, name string) []byte {
	return append([]byte{byte(kind)}, owner+"\x00"+name...)
}

// splitRecord gives a record from key and value; it copies.
func splitRecord(k, v []byte) (account.Record, error) {
	owner, name, ok := bytes.Cut(k[min(1, len(k)):], []byte{0})
	if !ok {
		return account.Record{}, fmt.Errorf("books: %w", queue.ErrDamaged)
	}
	r := account.Record{Kind: account.Kind(k[0]), Account: string(owner), Name: string(name)}
	if v == nil { // deleted
		return r, nil
	}
	if len(v) < 8 {
		return account.Record{}, fmt.Errorf("books: %w", queue.ErrDamaged)
	}
	r.Version = binary.BigEndian.Uint64(v)
	r.Data = append([]byte{}, v[8:]...)
	return r, nil
}

// Get gives ErrNotFound when there is none.
func (b *Books) Get(ctx context.Context, kind account.Kind, owner, name string) (r account.Record, err error) {
	k := recordKey(kind, owner, name)
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		v := tx.Bucket([]byte(bucketRecords)).Get(k)
		if v == nil {
			return account.ErrNotFound
		}
		r, err = splitRecord(k, v)
		return err
	})
	return r, err
}

// Put gives the record with its new version, or ErrConflict.
func (b *Books) Put(ctx context.Context, r account.Record) (account.Record, error) {
	if r.Kind < 1 || !plain(r.Account, maxName) || !plain(r.Name, maxKey) {
		return account.Record{}, fmt.Errorf("books: bad record of kind %d", r.Kind)
	}
	err := b.change(ctx, func(tx *bbolt.Tx) error {
		k := recordKey(r.Kind, r.Account, r.Name)
		old := tx.Bucket([]byte(bucketRecords)).Get(k)
		names := tx.Bucket([]byte(bucketNames))
		if versionOf(old) != r.Version {
			return account.ErrConflict
		}
		if r.Kind == account.KindCredential {
			if owner := names.Get([]byte(r.Name)); owner != nil && string(owner) != r.Account {
				return account.ErrConflict
			}
			if err := names.Put([]byte(r.Name), []byte(r.Account)); err != nil {
				return err
			}
		}
		v, err := note(tx, k)
		if err != nil {
			return err
		}
		r.Version = v
		return tx.Bucket([]byte(bucketRecords)).Put(k, append(seqKey(v), r.Data...))
	})
	if err != nil {
		return account.Record{}, err
	}
	r.Data = append([]byte{}, r.Data...)
	return r, nil
}

// Delete compares the version like Put.
func (b *Books) Delete(ctx context.Context, r account.Record) error {
	return b.change(ctx, func(tx *bbolt.Tx) error {
		k := recordKey(r.Kind, r.Account, r.Name)
		records := tx.Bucket([]byte(bucketRecords))
		old := records.Get(k)
		if old == nil {
			return account.ErrNotFound
		}
		if versionOf(old) != r.Version {
			return account.ErrConflict
		}
		if r.Kind == account.KindCredential {
			if err := tx.Bucket([]byte(bucketNames)).Delete([]byte(r.Name)); err != nil {
				return err
			}
		}
		if _, err := note(tx, k); err != nil {
			return err
		}
		return records.Delete(k)
	})
}

func versionOf(v []byte) uint64 {
	if len(v) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// note gives a change its version and takes the record's earlier one off the
// list, so that the list has one line per record ever made.
func note(tx *bbolt.Tx, k []byte) (uint64, error) {
	changes := tx.Bucket([]byte(bucketChanges))
	if old := versionOf(tx.Bucket([]byte(bucketRecords)).Get(k)); old != 0 {
		if err := changes.Delete(seqKey(old)); err != nil {
			return 0, err
		}
	}
	v, err := changes.NextSequence()
	if err != nil {
		return 0, err
	}
	return v, changes.Put(seqKey(v), k)
}

// List gives records of a kind in (account, name) order after the given pair.
func (b *Books) List(ctx context.Context, kind account.Kind, owner string, after account.Record, limit int) ([]account.Record, error) {
	if limit < 1 {
		return nil, fmt.Errorf("books: limit %d", limit)
	}
	prefix := []byte{byte(kind)}
	if owner != "" {
		prefix = recordKey(kind, owner, "")
	}
	from := prefix
	if after.Account != "" || after.Name != "" {
		if behind := append(recordKey(kind, after.Account, after.Name), 0); bytes.Compare(behind, from) > 0 {
			from = behind
		}
	}
	var out []account.Record
	err := b.view(ctx, func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(bucketRecords)).Cursor()
		for k, v := c.Seek(from); bytes.HasPrefix(k, prefix) && len(out) < limit; k, v = c.Next() {
			r, err := splitRecord(k, v)
			if err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	return out, err
}

// Since gives changes with a version above it, oldest first; a record with nil
// Data was deleted.
func (b *Books) Since(ctx context.Context, version uint64, limit int) ([]account.Record, error) {
	if limit < 1 {
		return nil, fmt.Errorf("books: limit %d", limit)
	}
	var out []account.Record
	err := b.view(ctx, func(tx *bbolt.Tx) error {
		if version == ^uint64(0) {
			return nil
		}
		records := tx.Bucket([]byte(bucketRecords))
		c := tx.Bucket([]byte(bucketChanges)).Cursor()
		for at, k := c.Seek(seqKey(version + 1)); at != nil && len(out) < limit; at, k = c.Next() {
			// A record made again after its deletion stands on the list twice;
			// the earlier line tells of the deletion.
			v := records.Get(k)
			if versionOf(v) != binary.BigEndian.Uint64(at) {
				v = nil
			}
			r, err := splitRecord(k, v)
			if err != nil {
				return err
			}
			r.Version = binary.BigEndian.Uint64(at)
			out = append(out, r)
		}
		return nil
	})
	return out, err
}
