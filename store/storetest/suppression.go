package storetest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/mail"
)

// Suppression is a store of suppression lists that can be closed.
type Suppression interface {
	suppression.Store
	io.Closer
}

// RunSuppression tests a store of suppression lists.
func RunSuppression(t *testing.T, open func(t testing.TB, dir string) Suppression) {
	for _, test := range []struct {
		name string
		run  func(*lists)
	}{
		{"an entry comes back as it was put", testSuppressionWhole},
		{"a key has one entry, the last", testSuppressionOne},
		{"a list shows nothing of another", testSuppressionApart},
		{"those that are there are found among others", testSuppressionAmong},
		{"delete tells how many there were", testSuppressionDelete},
		{"pages are in order, bounded and stable under changes", testSuppressionPages},
		{"a put that cannot be is not done in part", testSuppressionWholly},
		{"what was confirmed survives reopen", testSuppressionReopen},
		{"look-ups and changes go on side by side", testSuppressionSide},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := &lists{T: t, open: open, dir: t.TempDir()}
			l.Suppression = open(t, l.dir)
			t.Cleanup(func() { must(t, l.Close()) })
			test.run(l)
		})
	}
}

// lists is one test's store with helpers.
type lists struct {
	*testing.T
	Suppression
	open func(t testing.TB, dir string) Suppression
	dir  string
}

func entry(owner, address string) suppression.Entry {
	a, err := mail.ParseAddress(address)
	if err != nil {
		panic(err)
	}
	return suppression.Entry{Owner: owner, Address: a, Reason: suppression.Bounce, Updated: base()}
}

// left gives the entry of an address that left a mailing list.
func left(e suppression.Entry, list string) suppression.Entry {
	e.Reason, e.List = suppression.Unsubscribe, list
	return e
}

func (l *lists) put(entries ...suppression.Entry) {
	l.Helper()
	must(l.T, l.Put(context.Background(), entries))
}

// has gives the addresses of a list, read in pages.
func (l *lists) has(owner string) string {
	l.Helper()
	var all []string
	for after := ""; ; {
		page, err := l.Page(context.Background(), owner, after, 3)
		must(l.T, err)
		for _, e := range page {
			all = append(all, e.Address.String())
			after = e.Key()
		}
		if len(page) < 3 {
			return strings.Join(all, " ")
		}
	}
}

func testSuppressionWhole(l *lists) {
	ctx := context.Background()
	_, err := l.Get(ctx, acct1, "ann@example.org")
	wants(l.T, err, account.ErrNotFound)
	for _, e := range []suppression.Entry{
		entry(acct1, "ann@example.org"),
		entry(acct1, `"a b@c, d"@Example.ORG`),
		entry(acct1, "x@[192.0.2.1]"),
		left(entry(acct1, "Ann@example.org"), "news"),
		left(entry(acct1, `"a b@c, d"@Example.ORG`), "news"),
		{Owner: suppression.Installation, Address: entry("", "Bob@example.org").Address, Reason: suppression.Complaint,
			Updated: base().Add(time.Millisecond), Expires: base().Add(time.Hour),
			MessageID: strings.Repeat("m", 128), FeedbackID: "f-1"},
		entry(acct1, strings.Repeat("l", 64)+"@"+strings.Repeat(strings.Repeat("d", 61)+".", 3)+"org"),
	} {
		l.put(e)
		got, err := l.Get(ctx, e.Owner, e.Key())
		must(l.T, err)
		if got != e {
			l.Errorf("put %+v, got %+v", e, got)
		}
	}
}

func testSuppressionOne(l *lists) {
	first, second := entry(acct1, "Ann@example.org"), entry(acct1, "aNN@example.org")
	second.Reason = suppression.Complaint
	l.put(first)
	l.put(second)
	got, err := l.Get(context.Background(), acct1, "ann@example.org")
	must(l.T, err)
	if got != second || l.has(acct1) != "aNN@example.org" {
		l.Errorf("got %+v of %s", got, l.has(acct1))
	}
	l.put(left(first, "news"))
	if got := l.has(acct1); got != "aNN@example.org Ann@example.org" {
		l.Errorf("beside one that left a mailing list: %s", got)
	}
	if n, err := l.Delete(context.Background(), acct1, []string{"ann@example.org news"}); n != 1 || err != nil {
		l.Errorf("deleted %d, %v", n, err)
	}
	l.put(first, second, first)
	if got := l.has(acct1); got != "Ann@example.org" {
		l.Errorf("after three in one: %s", got)
	}
}

func testSuppressionAmong(l *lists) {
	ctx := context.Background()
	ann, bob, out := entry(acct1, "ann@example.org"), entry(acct1, "Bob@example.org"), left(entry(acct1, "ann@example.org"), "news")
	l.put(ann, bob, out, entry(acct2, "cyd@example.org"))
	for _, tc := range []struct {
		keys []string
		want []suppression.Entry
	}{
		{nil, nil},
		{[]string{"cyd@example.org", "ann@example.or", "z@example.org"}, nil},
		{[]string{"z@example.org", bob.Key(), "ann@example.org", "cyd@example.org", "ann@example.org"}, []suppression.Entry{ann, bob}},
		{[]string{out.Key(), "bob@example.org news"}, []suppression.Entry{out}},
	} {
		got, err := l.Among(ctx, acct1, tc.keys)
		must(l.T, err)
		if len(got) != len(tc.want) {
			l.Errorf("among %q: %v", tc.keys, got)
		}
		for _, e := range tc.want {
			if got[e.Key()] != e {
				l.Errorf("among %q: %+v, want %+v", tc.keys, got[e.Key()], e)
			}
		}
	}
}

func testSuppressionApart(l *lists) {
	l.put(entry(acct1, "a@example.org"), entry(acct2, "b@example.org"), entry(suppression.Installation, "c@example.org"))
	for owner, want := range map[string]string{acct1: "a@example.org", acct2: "b@example.org", suppression.Installation: "c@example.org", "00000000000": ""} {
		if got := l.has(owner); got != want {
			l.Errorf("%s has %q", owner, got)
		}
	}
	_, err := l.Get(context.Background(), acct2, "a@example.org")
	wants(l.T, err, account.ErrNotFound)
	n, err := l.Delete(context.Background(), acct2, []string{"a@example.org"})
	if n != 0 || err != nil || l.has(acct1) != "a@example.org" {
		l.Errorf("deleted %d of another's, %v", n, err)
	}
}

func testSuppressionDelete(l *lists) {
	ctx := context.Background()
	l.put(entry(acct1, "a@example.org"), entry(acct1, "B@example.org"), entry(acct1, "c@example.org"))
	n, err := l.Delete(ctx, acct1, []string{"b@example.org", "nobody@example.org", "a@example.org"})
	if n != 2 || err != nil || l.has(acct1) != "c@example.org" {
		l.Errorf("deleted %d, %v; left %s", n, err, l.has(acct1))
	}
	if n, err = l.Delete(ctx, acct1, nil); n != 0 || err != nil {
		l.Errorf("deleted %d of nothing, %v", n, err)
	}
}

func testSuppressionPages(l *lists) {
	ctx := context.Background()
	const n = 25
	for i := range n {
		l.put(entry(acct1, fmt.Sprintf("u%02d@example.org", i)))
	}
	var seen []string
	for after := ""; ; {
		page, err := l.Page(ctx, acct1, after, 4)
		must(l.T, err)
		if len(page) > 4 {
			l.Fatalf("%d in a page of 4", len(page))
		}
		for _, e := range page {
			after = e.Key()
			seen = append(seen, after)
		}
		if len(page) < 4 {
			break
		}
		// What lies behind the page is not disturbed by changes before it, the
		// deletion of its last among them.
		if _, err := l.Delete(ctx, acct1, []string{after}); err != nil {
			l.Fatal(err)
		}
		l.put(entry(acct1, "a"+after))
	}
	if len(seen) != n || !slices.IsSorted(seen) {
		l.Errorf("seen %q", seen)
	}
	if _, err := l.Page(ctx, acct1, "", 0); err == nil {
		l.Error("a page of nothing was given")
	}
}

func testSuppressionWholly(l *lists) {
	for _, bad := range []suppression.Entry{entry("", "b@example.org"), entry("x\x00y", "b@example.org"), {Owner: acct1}} {
		if err := l.Put(context.Background(), []suppression.Entry{entry(acct1, "a@example.org"), bad}); err == nil {
			l.Errorf("%+v was taken", bad)
		}
	}
	if got := l.has(acct1); got != "" {
		l.Errorf("half of it was done: %s", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Put(ctx, []suppression.Entry{entry(acct1, "a@example.org")}); err == nil {
		l.Error("put after the end of its context")
	}
}

func testSuppressionReopen(l *lists) {
	many := make([]suppression.Entry, 3000)
	for i := range many {
		many[i] = entry(acct1, fmt.Sprintf("User%d@example.org", i))
	}
	l.put(many...)
	n, err := l.Delete(context.Background(), acct1, []string{"user7@example.org"})
	if n != 1 || err != nil {
		l.Fatalf("deleted %d, %v", n, err)
	}
	must(l.T, l.Close())
	l.Suppression = l.open(l.T, l.dir)
	page, err := l.Page(context.Background(), acct1, "", len(many))
	must(l.T, err)
	if len(page) != len(many)-1 {
		l.Errorf("%d of %d after reopen", len(page), len(many)-1)
	}
	got, err := l.Get(context.Background(), acct1, "user8@example.org")
	if err != nil || got != many[8] {
		l.Errorf("got %+v, %v", got, err)
	}
}

func testSuppressionSide(l *lists) {
	ctx := context.Background()
	l.put(entry(acct1, "kept@example.org"))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 20 {
				if err := l.Put(ctx, []suppression.Entry{entry(acct1, fmt.Sprintf("u%d.%d@example.org", i, j))}); err != nil {
					l.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 200 {
				if _, err := l.Get(ctx, acct1, "kept@example.org"); err != nil {
					l.Error(err)
				}
			}
		})
	}
	wg.Wait()
	page, err := l.Page(ctx, acct1, "", 100)
	if len(page) != 81 || err != nil {
		l.Errorf("%d entries, %v", len(page), err)
	}
}
