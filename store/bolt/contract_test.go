package bolt_test

import (
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
