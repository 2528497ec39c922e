package imports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
)

// Lists are those that files are read into; *suppression.Lists.
type Lists interface {
	MayAdd(owner string) error
	Import(ctx context.Context, owner string, r io.Reader, o suppression.ImportOptions) (suppression.Imported, error)
}

// Options is what a Book is made from. Directory and Lists must be set.
type Options struct {
	Directory account.Directory
	Lists     Lists
	// Dir is the folder in which each account has a folder of its own, named by its
	// id; empty: nothing is imported.
	Dir string
	Log *slog.Logger // nil discards
}

// Bounds of the jobs of an account.
const (
	maxOpen = 10  // not over
	maxKept = 100 // over or not; the oldest goes
)

// Book is the jobs of all accounts. It is safe for concurrent use.
type Book struct {
	o    Options
	wake chan struct{}

	change sync.Mutex // one change at a time
	mu     sync.Mutex
	jobs   map[string][]Job // by account, in the order of ids
	// stop ends the import that is under way, in the name of an account; ended is
	// closed when it has.
	running string
	stop    context.CancelFunc
	ended   chan struct{}
}

// Open reads the jobs.
func Open(ctx context.Context, o Options) (*Book, error) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	b := &Book{o: o, wake: make(chan struct{}, 1), jobs: map[string][]Job{}}
	err := account.Each(ctx, o.Directory, account.KindImport, func(r account.Record) error {
		j, err := decode(r)
		b.jobs[j.Account] = append(b.jobs[j.Account], j)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read imports: %w", err)
	}
	return b, nil
}

// Create takes a job in: Account, URL, Form and Delete are given. The file must be
// there already. It answers ErrURL, ErrFile, ErrForm, ErrOff, ErrMany and
// suppression.ErrSandbox.
func (b *Book) Create(ctx context.Context, j Job) (Job, error) {
	name, err := nameOf(j.URL)
	switch {
	case err != nil:
		return Job{}, err
	case b.o.Dir == "":
		return Job{}, ErrOff
	case j.Form != suppression.CSV && j.Form != suppression.JSONL:
		return Job{}, ErrForm
	}
	if !j.Delete {
		if err := b.o.Lists.MayAdd(j.Account); err != nil {
			return Job{}, err
		}
	}
	f, err := open(b.o.Dir, j.Account, name)
	if err != nil {
		return Job{}, err
	}
	_ = f.Close() // it was only looked at
	b.change.Lock()
	defer b.change.Unlock()
	list := b.List(j.Account)
	if n := len(slices.DeleteFunc(slices.Clone(list), func(j Job) bool { return j.State.over() })); n >= maxOpen {
		return Job{}, ErrMany
	}
	for _, old := range list {
		if len(b.List(j.Account)) >= maxKept && old.State.over() {
			if err := b.drop(ctx, old); err != nil {
				return Job{}, err
			}
		}
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	j = Job{Account: j.Account, ID: newID(now), Made: now, URL: j.URL, Form: j.Form, Delete: j.Delete, State: Created}
	if j, err = b.keep(ctx, j); err != nil {
		return Job{}, err
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return j, nil
}

// keep writes a job and then shows it. It is called with change held.
func (b *Book) keep(ctx context.Context, j Job) (Job, error) {
	r, err := j.record()
	if err != nil {
		return Job{}, err
	}
	if r, err = b.o.Directory.Put(context.WithoutCancel(ctx), r); err != nil {
		return Job{}, fmt.Errorf("keep import: %w", err)
	}
	j.version = r.Version
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.jobs[j.Account]
	if i, ok := find(list, j.ID); ok {
		list[i] = j
	} else {
		b.jobs[j.Account] = slices.Insert(list, i, j)
	}
	return j, nil
}

func find(list []Job, id string) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(j Job, id string) int { return strings.Compare(j.ID, id) })
}

// drop forgets a job. It is called with change held.
func (b *Book) drop(ctx context.Context, j Job) error {
	r := account.Record{Kind: account.KindImport, Account: j.Account, Name: j.ID, Version: j.version}
	if err := b.o.Directory.Delete(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("delete import: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.jobs[j.Account]
	if i, ok := find(list, j.ID); ok {
		b.jobs[j.Account] = slices.Delete(list, i, i+1)
	}
	if len(b.jobs[j.Account]) == 0 {
		delete(b.jobs, j.Account)
	}
	return nil
}

// Get gives a job of an account; account.ErrNotFound.
func (b *Book) Get(accountID, id string) (Job, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, ok := find(b.jobs[accountID], id); ok {
		return b.jobs[accountID][i], nil
	}
	return Job{}, fmt.Errorf("import %s: %w", id, account.ErrNotFound)
}

// List gives the jobs of an account, oldest first.
func (b *Book) List(accountID string) []Job {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.jobs[accountID])
}

// RemoveAll ends and forgets the jobs of an account that ends.
func (b *Book) RemoveAll(ctx context.Context, accountID string) error {
	b.change.Lock()
	for _, j := range b.List(accountID) {
		if err := b.drop(ctx, j); err != nil {
			b.change.Unlock()
			return err
		}
	}
	b.change.Unlock()
	b.mu.Lock()
	var ended chan struct{}
	if b.running == accountID && b.stop != nil {
		b.stop()
		ended = b.ended
	}
	b.mu.Unlock()
	if ended != nil {
		<-ended
	}
	return nil
}

// Run imports what is to be imported until ctx ends. A job under way then begins
// again with the next Run: what a file says twice is said once.
func (b *Book) Run(ctx context.Context) error {
	for {
		for ctx.Err() == nil {
			j, ok := b.next()
			if !ok {
				break
			}
			b.one(ctx, j)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
		}
	}
}

// next gives the oldest job that is not over.
func (b *Book) next() (next Job, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, list := range b.jobs {
		for _, j := range list {
			if !j.State.over() && (!ok || j.ID < next.ID) {
				next, ok = j, true
			}
		}
	}
	return next, ok
}

// one does a job.
func (b *Book) one(ctx context.Context, j Job) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	b.mu.Lock()
	b.running, b.stop, b.ended = j.Account, stop, ended
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.running, b.stop = "", nil
		b.mu.Unlock()
		stop()
		close(ended)
	}()
	j.State = Processing
	if !b.note(ctx, &j) {
		return
	}
	done, err := b.read(ctx, j)
	if ctx.Err() != nil {
		return // it goes on with the next Run, or its account is gone
	}
	j.State, j.Ended, j.Lines, j.Bad = Completed, time.Now().UTC().Truncate(time.Millisecond), done.Lines, done.Failed
	j.Why = whyBad(done)
	if err != nil {
		j.State, j.Why = Failed, whyFailed(err)
		b.o.Log.Warn("addresses not imported", "account", j.Account, "text", j.URL, "err", err)
	} else {
		b.o.Log.Info("addresses imported", "account", j.Account, "text", fmt.Sprintf("%s: %d lines, %d failed", j.URL, j.Lines, j.Bad))
	}
	b.note(ctx, &j)
}

// note keeps how far a job is, unless it was forgotten meanwhile. One that cannot be
// kept is over all the same: a directory that fails would be asked for ever.
func (b *Book) note(ctx context.Context, j *Job) bool {
	b.change.Lock()
	defer b.change.Unlock()
	if _, err := b.Get(j.Account, j.ID); err != nil {
		return false
	}
	kept, err := b.keep(ctx, *j)
	if err != nil {
		b.o.Log.Error("import not kept", "account", j.Account, "err", err)
		b.mu.Lock()
		defer b.mu.Unlock()
		if i, ok := find(b.jobs[j.Account], j.ID); ok {
			b.jobs[j.Account][i].State, b.jobs[j.Account][i].Why = Failed, whyFailed(err)
		}
		return false
	}
	*j = kept
	return true
}

// read imports the file of a job.
func (b *Book) read(ctx context.Context, j Job) (suppression.Imported, error) {
	name, err := nameOf(j.URL)
	if err == nil && b.o.Dir == "" {
		err = ErrOff
	}
	if err != nil {
		return suppression.Imported{}, err
	}
	f, err := open(b.o.Dir, j.Account, name)
	if err != nil {
		return suppression.Imported{}, err
	}
	defer f.Close()
	ok, err := fits(f)
	if err == nil && !ok {
		err = errLong
	}
	if err != nil {
		return suppression.Imported{}, err
	}
	return b.o.Lists.Import(ctx, j.Account, f, suppression.ImportOptions{Form: j.Form, Delete: j.Delete})
}

var errLong = fmt.Errorf("a file has at most %d lines", MaxLines)

// whyFailed gives what its owner may read of a failure: none of our paths.
func whyFailed(err error) string {
	for _, known := range []error{ErrFile, ErrOff, ErrURL, errLong, suppression.ErrSandbox} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "the file cannot be read"
}

// maxWhy bounds what is said of bad lines, in octets.
const maxWhy = 1000

func whyBad(done suppression.Imported) string {
	var out []string
	n := 0
	for _, e := range done.Errors {
		text := fmt.Sprintf("line %d: %s", e.Line, e.Text)
		if n += len(text) + 2; n > maxWhy {
			break
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}
