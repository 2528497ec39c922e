// Package accounttest holds a directory in memory, for the tests of rooms that
// need books and no disk. It is a branch of account and for tests only.
package accounttest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/sesame-mta/sesame/account"
)

// Directory is an account.Directory that forgets everything at the end of the
// process. The zero value is ready. After Fail(err) every change gives err.
type Directory struct {
	mu      sync.Mutex
	version uint64
	records []account.Record // in (kind, account, name) order
	gone    []account.Record
	err     error
}

var _ account.Directory = (*Directory)(nil)

// Fail makes all changes from now on fail; nil heals.
func (d *Directory) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func order(a, b account.Record) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Name, b.Name))
}

func (d *Directory) find(r account.Record) (int, bool) {
	return slices.BinarySearchFunc(d.records, r, order)
}

// Get implements account.Directory.
func (d *Directory) Get(_ context.Context, kind account.Kind, owner, name string) (account.Record, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, found := d.find(account.Record{Kind: kind, Account: owner, Name: name})
	if !found {
		return account.Record{}, account.ErrNotFound
	}
	return d.records[i], nil
}

// Put implements account.Directory.
func (d *Directory) Put(_ context.Context, r account.Record) (account.Record, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, found := d.find(r)
	switch {
	case d.err != nil:
		return account.Record{}, d.err
	case r.Kind == 0 || r.Account == "" || r.Name == "":
		return account.Record{}, errors.New("a record needs kind, account and name")
	case found != (r.Version != 0), found && d.records[i].Version != r.Version:
		return account.Record{}, account.ErrConflict
	case r.Kind == account.KindCredential && slices.ContainsFunc(d.records, func(o account.Record) bool {
		return o.Kind == r.Kind && o.Name == r.Name && o.Account != r.Account // unique over all accounts
	}):
		return account.Record{}, account.ErrConflict
	}
	d.version++
	r.Version, r.Data = d.version, bytes.Clone(r.Data)
	if found {
		d.records[i] = r
	} else {
		d.records = slices.Insert(d.records, i, r)
	}
	return r, nil
}

// Delete implements account.Directory.
func (d *Directory) Delete(_ context.Context, r account.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, found := d.find(r)
	switch {
	case d.err != nil:
		return d.err
	case !found:
		return account.ErrNotFound
	case d.records[i].Version != r.Version:
		return account.ErrConflict
	}
	d.version++
	r.Version, r.Data = d.version, nil
	d.records = slices.Delete(d.records, i, i+1)
	d.gone = append(d.gone, r)
	return nil
}

// List implements account.Directory.
func (d *Directory) List(_ context.Context, kind account.Kind, owner string, after account.Record, limit int) ([]account.Record, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	after.Kind = kind
	var list []account.Record
	for _, r := range d.records {
		if r.Kind == kind && (owner == "" || r.Account == owner) && order(r, after) > 0 && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

// Since implements account.Directory.
func (d *Directory) Since(_ context.Context, version uint64, limit int) ([]account.Record, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.Concat(d.records, d.gone)
	all = slices.DeleteFunc(all, func(r account.Record) bool { return r.Version <= version })
	slices.SortFunc(all, func(a, b account.Record) int { return cmp.Compare(a.Version, b.Version) })
	return all[:min(limit, len(all))], nil
}
