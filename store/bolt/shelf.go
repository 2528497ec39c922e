package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	bbolt "go.etcd.io/bbolt"
)

// shelf is a file that changes seldom and one change at a time: the books and
// the suppression lists stand on one each. It is safe for concurrent use.
type shelf struct {
	db   *bbolt.DB
	path string
	what string // for errors: "books"

	mu     sync.Mutex // one change at a time
	broken error
}

func openShelf(dir string, lay layout, what string) (*shelf, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	db, err := openFile(dir, lay, false)
	if err != nil {
		return nil, err
	}
	return &shelf{db: db, path: filepath.Join(dir, lay.name), what: what}, nil
}

// Close closes the file.
func (s *shelf) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.db.NoFreelistSync = false
		if err := s.db.Update(func(*bbolt.Tx) error { return nil }); err != nil {
			return errors.Join(err, s.db.Close())
		}
	}
	return s.db.Close()
}

// view runs f in a read transaction.
func (s *shelf) view(ctx context.Context, f func(tx *bbolt.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer faultsPanic()()
	defer guard(&err, func(cause error) error { return unusable(s.path, cause) })
	return s.db.View(f)
}

// change runs f in a write transaction. After a failed sync nothing is written
// any more: what is on the disk is in doubt until the next start. A full disk is no
// such failure.
func (s *shelf) change(ctx context.Context, f func(tx *bbolt.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	var refused error
	err = s.db.Update(func(tx *bbolt.Tx) error {
		refused = f(tx)
		return refused
	})
	if err != nil && refused == nil && !noRoom(err) {
		s.broken = fmt.Errorf("%s are broken, restart needed: %w", s.what, err)
		return s.broken
	}
	return err
}
