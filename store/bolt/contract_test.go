package bolt_test

import (
	"errors"
	"os"
	"testing"

	"github.com/sesame-mta/sesame/store/bolt"
	"github.com/sesame-mta/sesame/store/storetest"
)

// verify proves the invariants of a stopped spool.
func verify(t testing.TB, dir string) {
	t.Helper()
	problems, err := bolt.Check(dir)
	if err != nil {
		t.Errorf("check: %v", err)
	}
	for _, p := range problems {
		t.Errorf("check: %s", p)
	}
}

func TestSpoolKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB, dir string) storetest.Engine {
		t.Helper()
		s, err := bolt.Open(bolt.Options{Dir: dir, Reserve: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, verify)
}

// mortal is a spool that ends by a kill: what lies in its folder then is what the
// next one opens, all of it in the journal.
type mortal struct {
	*bolt.Spool
	dir  string
	left string // a folder for what a kill leaves
}

func (m *mortal) Close() error {
	if err := os.CopyFS(m.left, os.DirFS(m.dir)); err != nil {
		return errors.Join(err, m.Spool.Close())
	}
	return errors.Join(m.Spool.Close(), os.RemoveAll(m.dir), os.Rename(m.left, m.dir))
}

// Whatever was done comes to the same when it is done again from the journal.
func TestSpoolKeepsTheContractThroughKills(t *testing.T) {
	storetest.Run(t, func(t testing.TB, dir string) storetest.Engine {
		t.Helper()
		s, err := bolt.Open(bolt.Options{Dir: dir, Reserve: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return &mortal{s, dir, dir + ".left"}
	}, verify)
}

func TestBooksKeepTheContract(t *testing.T) {
	storetest.RunBooks(t, func(t testing.TB, dir string) storetest.Books {
		t.Helper()
		b, err := bolt.OpenBooks(bolt.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}
