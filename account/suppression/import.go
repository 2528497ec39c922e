package suppression

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sesame-mta/sesame/account"
)

// batch is how many lines of a file share a change of the store: the more, the
// fewer pages are written twice.
const batch = 20_000

// maxShown is how many wrong lines are told of one by one.
const maxShown = 20

// Imported says what became of a file.
type Imported struct {
	Lines     int // that hold an entry, or should
	Changed   int // put on the list, or off it
	Unchanged int // on the list already as the line says; off it already
	Failed    int // lines that are no entry; the others are imported all the same
	Errors    []LineError
}

// fail notes a line that is no entry.
func (i *Imported) fail(line int, err error) {
	i.Failed++
	if len(i.Errors) < maxShown {
		i.Errors = append(i.Errors, LineError{line, err.Error()})
	}
}

// LineError is what is wrong with a line; only the first few are kept.
type LineError struct {
	Line int
	Text string
}

// ImportOptions says how to read a file.
type ImportOptions struct {
	Form Form
	// Delete takes the addresses of the file off the list.
	Delete bool
	// Progress is called after each step; nil is nobody.
	Progress func()
}

// Import reads a file of any length into a list, in bounded memory and in steps
// that are durable each: after an error or a crash the same file imported again
// does the rest. Lines that are no entry are counted and passed over.
func (l *Lists) Import(ctx context.Context, owner string, r io.Reader, o ImportOptions) (Imported, error) {
	var done Imported
	if o.Form != CSV && o.Form != JSONL {
		return done, ErrForm
	}
	if !o.Delete {
		if err := l.MayAdd(owner); err != nil {
			return done, err
		}
	}
	s := newScanner(r, o.Form)
	step := make([]keyed, 0, batch)
	for {
		e, err := s.next()
		wrong, ended := errLine{}, errors.Is(err, io.EOF)
		switch {
		case ended:
		case errors.As(err, &wrong):
			done.Lines++
			done.fail(s.n, wrong)
			continue
		case err != nil:
			return done, fmt.Errorf("line %d: %w", s.n+1, err)
		case e.List != "" && owner == Installation:
			done.Lines++
			done.fail(s.n, ErrList)
			continue
		default:
			done.Lines++
			e.Owner = owner
			step = append(step, keyed{e.Key(), e})
		}
		if len(step) == batch || ended && len(step) > 0 {
			if err := l.step(ctx, owner, step, o.Delete, &done); err != nil {
				return done, err
			}
			step = step[:0]
			if o.Progress != nil {
				o.Progress()
			}
		}
		if ended {
			return done, nil
		}
	}
}

// keyed is an entry beside its key, which is made once.
type keyed struct {
	key string
	Entry
}

// step makes one change of a batch of entries. Of an address that stands twice
// the later line holds.
func (l *Lists) step(ctx context.Context, owner string, lines []keyed, off bool, done *Imported) error {
	// In the order of the store its pages are met one after the other.
	slices.SortStableFunc(lines, func(x, y keyed) int { return strings.Compare(x.key, y.key) })
	var keys []string
	var put []Entry
	for i, e := range lines {
		if i+1 < len(lines) && lines[i+1].key == e.key {
			continue
		}
		if off {
			keys = append(keys, e.key)
			continue
		}
		old, err := l.o.Store.Get(ctx, owner, e.key)
		if err != nil && !errors.Is(err, account.ErrNotFound) {
			return err
		}
		if err == nil && e.says(&old) {
			continue
		}
		whole, err := l.complete(e.Entry)
		if err != nil {
			return err
		}
		put = append(put, whole)
	}
	changed := len(put)
	var err error
	if off {
		changed, err = l.o.Store.Delete(ctx, owner, keys)
	} else if changed > 0 {
		err = l.o.Store.Put(ctx, put)
	}
	if err == nil {
		done.Changed += changed
		done.Unchanged += len(lines) - changed
	}
	return err
}

// says reports whether a line of a file says no more than what is kept already.
func (e *Entry) says(old *Entry) bool {
	return e.Address == old.Address && e.List == old.List && e.Reason == old.Reason && (e.Updated.IsZero() || e.Updated.Equal(old.Updated)) &&
		(e.MessageID == "" || e.MessageID == old.MessageID) && (e.FeedbackID == "" || e.FeedbackID == old.FeedbackID)
}
