package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// stride is how many keys one read transaction looks at: pages that writers gave
// up cannot be used again while a reader might still see them.
const stride = 4096

// Lines gives lines that have queued entries, each with the due time of its
// first. It jumps from line to line, however many entries one has.
func (s *Spool) Lines(ctx context.Context, after queue.Line, limit int) ([]queue.LineDue, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if limit < 1 {
		return nil, fmt.Errorf("lines: limit %d", limit)
	}
	var out []queue.LineDue
	err := s.viewEntries(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(bucketDue)).Cursor()
		k, _ := c.First()
		if after != (queue.Line{}) {
			k, _ = c.Seek(afterLine(after))
		}
		for k != nil && len(out) < limit {
			line, due, _, ok := splitDueKey(k)
			if !ok {
				s.damage.tell(dueWhere(k), queue.ErrDamaged)
				k, _ = c.Seek(append(bytes.Clone(k), 0))
				continue
			}
			out = append(out, queue.LineDue{Line: line, Due: fromMillis(due)})
			k, _ = c.Seek(afterLine(line))
		}
		return nil
	})
	return out, err
}

// Page gives queued entries of a line in (due, id) order.
func (s *Spool) Page(ctx context.Context, line queue.Line, p queue.PageOptions) ([]queue.Entry, error) {
	if p.Limit < 1 {
		return nil, fmt.Errorf("page: limit %d", p.Limit)
	}
	var out []queue.Entry
	prefix := linePrefix(line)
	from := prefix
	for from != nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := s.viewEntries(func(tx *bbolt.Tx) error {
			entries := tx.Bucket([]byte(bucketEntries))
			c := tx.Bucket([]byte(bucketDue)).Cursor()
			k, _ := c.Seek(from)
			from = nil
			for n := 0; bytes.HasPrefix(k, prefix) && len(out) < p.Limit; k, _ = c.Next() {
				if n++; n > stride {
					from = append([]byte(nil), k...)
					return nil
				}
				e, where, err := scheduled(entries, k)
				if err != nil {
					s.damage.tell(where, err)
					continue
				}
				if !p.DueBy.IsZero() && e.Due.After(p.DueBy) {
					return nil
				}
				if !p.ExpiresBy.IsZero() && e.Expires.After(p.ExpiresBy) {
					continue
				}
				out = append(out, e)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scheduled gives the queued entry that a key of the schedule stands for, or what
// is damaged and where.
func scheduled(entries *bbolt.Bucket, k []byte) (e queue.Entry, where string, err error) {
	line, due, key, ok := splitDueKey(k)
	if !ok {
		return e, dueWhere(k), fmt.Errorf("%w: bad key", queue.ErrDamaged)
	}
	v := entries.Get(key)
	if v != nil {
		if e, err = decodeEntry(key, v); err != nil {
			return e, entryWhere(key), err
		}
	}
	if v == nil || e.State != queue.Queued || e.Line != line || millis(e.Due) != due {
		return e, dueWhere(k), fmt.Errorf("%w: no such queued entry", queue.ErrDamaged)
	}
	return e, "", nil
}

// Load gives a message and those of its entries that still exist.
func (s *Spool) Load(ctx context.Context, id mail.ID, ns []int) (*queue.Message, []queue.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	var m *queue.Message
	var out []queue.Entry
	err := s.viewEntries(func(tx *bbolt.Tx) error {
		v, err := storedMessage(tx, id)
		if err != nil {
			return err
		}
		if m, err = decodeMessage(id, v); err != nil {
			return err
		}
		out = s.loadEntries(tx.Bucket([]byte(bucketEntries)), id, ns)
		return nil
	})
	if err != nil {
		return nil, nil, s.tellDamaged(id, err)
	}
	return m, out, nil
}

// storedMessage gives the record of a message. Without one its entries are damage.
func storedMessage(tx *bbolt.Tx, id mail.ID) ([]byte, error) {
	v := tx.Bucket([]byte(bucketMessages)).Get(id[:])
	if v == nil && hasPrefix(tx.Bucket([]byte(bucketEntries)), id) {
		return nil, fmt.Errorf("message %s: %w: no record", id, queue.ErrDamaged)
	}
	if v == nil {
		return nil, queue.ErrNotFound
	}
	return v, nil
}

// tellDamaged tells of a message when it is damaged, and gives the error on.
func (s *Spool) tellDamaged(id mail.ID, err error) error {
	if errors.Is(err, queue.ErrDamaged) {
		s.damage.tell(messageWhere(id), err)
	}
	return err
}

func (s *Spool) loadEntries(entries *bbolt.Bucket, id mail.ID, ns []int) (out []queue.Entry) {
	add := func(k, v []byte) {
		if e, err := decodeEntry(k, v); err != nil {
			s.damage.tell(entryWhere(k), err)
		} else {
			out = append(out, e)
		}
	}
	if len(ns) == 0 {
		c := entries.Cursor()
		for k, v := c.Seek(id[:]); bytes.HasPrefix(k, id[:]); k, v = c.Next() {
			add(k, v)
		}
		return out
	}
	for _, n := range ns {
		if n < 0 || n > 1<<16-1 {
			continue
		}
		k := entryKey(id, n)
		if v := entries.Get(k); v != nil {
			add(k, v)
		}
	}
	return out
}

// Find gives entries for operators, in (id, n) order.
func (s *Spool) Find(ctx context.Context, f queue.Filter) ([]queue.Entry, error) {
	if f.Limit < 1 {
		return nil, fmt.Errorf("find: limit %d", f.Limit)
	}
	var out []queue.Entry
	from := f.ID[:]
	if !f.AfterID.IsZero() {
		// The key behind (AfterID, AfterN) in octet order.
		if after := append(entryKey(f.AfterID, f.AfterN), 0); bytes.Compare(after, from) > 0 {
			from = after
		}
	}
	for from != nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := s.viewEntries(func(tx *bbolt.Tx) error {
			c := tx.Bucket([]byte(bucketEntries)).Cursor()
			k, v := c.Seek(from)
			from = nil
			for n := 0; k != nil && len(out) < f.Limit; k, v = c.Next() {
				if n++; n > stride {
					from = append([]byte(nil), k...)
					return nil
				}
				if !f.ID.IsZero() && !bytes.HasPrefix(k, f.ID[:]) {
					return nil
				}
				e, err := decodeEntry(k, v)
				if err != nil {
					s.damage.tell(entryWhere(k), err)
					continue
				}
				if matches(&e, &f) {
					out = append(out, e)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func matches(e *queue.Entry, f *queue.Filter) bool {
	return (f.Account == "" || e.Line.Account == f.Account) &&
		(f.Domain == "" || e.Line.Domain == f.Domain) &&
		(f.State == 0 || e.State == f.State)
}
