package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sesame-mta/sesame/account"
)

// RunBooks tests a directory.
func RunBooks(t *testing.T, open func(t testing.TB, dir string) Books) {
	dir := t.TempDir()
	books := open(t, dir)
	t.Cleanup(func() {
		if err := books.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Run("put compares the version", func(t *testing.T) { testCompare(t, books) })
	t.Run("one of many wins", func(t *testing.T) { testRace(t, books) })
	t.Run("a credential's name is unique over all accounts", func(t *testing.T) { testUnique(t, books) })
	t.Run("list pages in order", func(t *testing.T) { testList(t, books) })
	last := uint64(0)
	t.Run("since tells every change once", func(t *testing.T) { last = testSince(t, books) })
	t.Run("all is there after reopen", func(t *testing.T) {
		must(t, books.Close())
		books = open(t, dir)
		ctx := context.Background()
		r, err := books.Get(ctx, account.KindIdentity, acct1, "kept.example.org")
		must(t, err)
		if string(r.Data) != "v2" {
			t.Errorf("data %q after reopen", r.Data)
		}
		r, err = books.Put(ctx, account.Record{Kind: account.KindIdentity, Account: acct1, Name: "new.example.org", Data: []byte{}})
		must(t, err)
		if r.Version <= last {
			t.Errorf("version %d after %d", r.Version, last)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func testCompare(t *testing.T, b Books) {
	ctx := context.Background()
	r := account.Record{Kind: account.KindIdentity, Account: acct1, Name: "example.org", Data: []byte("v1")}
	_, err := b.Get(ctx, r.Kind, r.Account, r.Name)
	wants(t, err, account.ErrNotFound)
	wants(t, b.Delete(ctx, r), account.ErrNotFound)
	v1, err := b.Put(ctx, r)
	must(t, err)
	_, err = b.Put(ctx, r)
	wants(t, err, account.ErrConflict)
	v1.Data = []byte("v2")
	v2, err := b.Put(ctx, v1)
	must(t, err)
	if v2.Version <= v1.Version || string(v2.Data) != "v2" {
		t.Errorf("second put gave %+v", v2)
	}
	_, err = b.Put(ctx, v1)
	wants(t, err, account.ErrConflict)
	wants(t, b.Delete(ctx, v1), account.ErrConflict)
	got, err := b.Get(ctx, r.Kind, r.Account, r.Name)
	must(t, err)
	if got.Version != v2.Version || string(got.Data) != "v2" || got.Name != r.Name || got.Account != r.Account {
		t.Errorf("get gave %+v", got)
	}
	_, err = b.Get(ctx, r.Kind, acct2, r.Name)
	wants(t, err, account.ErrNotFound)
	must(t, b.Delete(ctx, v2))
	_, err = b.Get(ctx, r.Kind, r.Account, r.Name)
	wants(t, err, account.ErrNotFound)
	if _, err := b.Put(ctx, account.Record{Kind: account.KindIdentity, Account: acct1}); err == nil {
		t.Error("a record without a name was taken")
	}
}

func testRace(t *testing.T, b Books) {
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := b.Put(context.Background(), account.Record{Kind: account.KindAccount, Account: acct2, Name: acct2, Data: []byte("x")})
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, account.ErrConflict) {
				t.Errorf("put: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 8 won", won.Load())
	}
}

func testUnique(t *testing.T, b Books) {
	ctx := context.Background()
	r := account.Record{Kind: account.KindCredential, Account: acct1, Name: "AKIAEXAMPLE", Data: []byte("x")}
	mine, err := b.Put(ctx, r)
	must(t, err)
	r.Account = acct2
	_, err = b.Put(ctx, r)
	wants(t, err, account.ErrConflict)
	must(t, b.Delete(ctx, mine))
	_, err = b.Put(ctx, r)
	must(t, err)
}

func testList(t *testing.T, b Books) {
	ctx := context.Background()
	for i := range 7 {
		acct := []string{"000000000008", "000000000009"}[i%2]
		_, err := b.Put(ctx, account.Record{Kind: account.KindAccount, Account: acct, Name: fmt.Sprint("n", i), Data: []byte{byte(i)}})
		must(t, err)
	}
	page := func(acct string, skip account.Record) (text string) {
		t.Helper()
		for {
			out, err := b.List(ctx, account.KindAccount, acct, skip, 2)
			must(t, err)
			for _, r := range out {
				if r.Account >= "000000000008" {
					text += r.Account[11:] + r.Name + " "
				}
				skip = r
			}
			if len(out) < 2 {
				return text
			}
		}
	}
	if got := page("", account.Record{}); got != "8n0 8n2 8n4 8n6 9n1 9n3 9n5 " {
		t.Errorf("all: %s", got)
	}
	if got := page("000000000009", account.Record{}); got != "9n1 9n3 9n5 " {
		t.Errorf("one account: %s", got)
	}
}

func testSince(t *testing.T, b Books) uint64 {
	ctx := context.Background()
	read := func(after uint64) (text string, last uint64) {
		t.Helper()
		last = after
		for {
			out, err := b.Since(ctx, last, 2)
			must(t, err)
			for _, r := range out {
				if r.Version <= last {
					t.Fatalf("version %d after %d", r.Version, last)
				}
				last = r.Version
				text += fmt.Sprintf("%s=%s,%v ", r.Name, r.Data, r.Data == nil)
			}
			if len(out) < 2 {
				return text, last
			}
		}
	}
	_, start := read(0)
	put := func(r account.Record) account.Record {
		t.Helper()
		r, err := b.Put(ctx, r)
		must(t, err)
		return r
	}
	kept := put(account.Record{Kind: account.KindIdentity, Account: acct1, Name: "kept.example.org", Data: []byte("v1")})
	gone := put(account.Record{Kind: account.KindIdentity, Account: acct1, Name: "gone.example.org", Data: []byte("v1")})
	kept.Data = []byte("v2")
	put(kept)
	must(t, b.Delete(ctx, gone))
	got, last := read(start)
	if got != "kept.example.org=v2,false gone.example.org=,true " {
		t.Errorf("since: %s", got)
	}
	gone.Version = 0
	put(gone)
	if got, last = read(last); got != "gone.example.org=v1,false " {
		t.Errorf("since a record was made again: %s", got)
	}
	return last
}
