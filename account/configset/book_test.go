package configset_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/configset"
)

const shop = "000000000042"

func open(t testing.TB, dir account.Directory, pools ...string) *configset.Book {
	t.Helper()
	b, err := configset.Open(t.Context(), configset.Options{Directory: dir, Pools: pools})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// plain is a set as the command makes it without flags.
func plain(name string) configset.Set {
	return configset.Set{Account: shop, Name: name, TLS: configset.Optional, Sending: true}
}

func TestASetIsThereAfterReopenAsItWasChanged(t *testing.T) {
	dir := &accounttest.Directory{}
	b := open(t, dir, "bulk")
	if _, err := b.Create(t.Context(), plain("News")); err != nil {
		t.Fatal(err)
	}
	made, err := b.Change(t.Context(), shop, "News", func(s *configset.Set) {
		s.TLS, s.MaxDelivery, s.Sending = configset.Require, time.Hour, false
		s.Suppression, s.Pool, s.Unsubscribe = configset.SuppressNone, "bulk", "news"
		s.ReputationMetrics = true
		s.Labels = s.Labels.With(account.Labels{"team": "red"})
		s.Name, s.Account = "Other", "000000000001" // these stay
	})
	if err != nil {
		t.Fatal(err)
	}
	want := configset.Set{Account: shop, Name: "News", Created: made.Created, TLS: configset.Require,
		MaxDelivery: time.Hour, Suppression: configset.SuppressNone, Pool: "bulk", Unsubscribe: "news", ReputationMetrics: true, Labels: account.Labels{"team": "red"}}
	if !reflect.DeepEqual(made, want) || made.Created.IsZero() {
		t.Errorf("got %+v, want %+v", made, want)
	}
	for _, b := range []*configset.Book{b, open(t, dir)} {
		if got, err := b.Get(shop, "News"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
		for _, none := range [][2]string{{shop, "news"}, {"000000000001", "News"}, {shop, ""}} {
			if _, ok := b.Find(none[0], none[1]); ok {
				t.Errorf("%v is there", none)
			}
		}
	}
}

func TestSetsThatCannotBeAreRefused(t *testing.T) {
	b := open(t, &accounttest.Directory{}, "bulk", "default")
	if _, err := b.Create(t.Context(), plain("taken")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		alter func(*configset.Set)
		want  error
	}{
		"no name":             {func(s *configset.Set) { s.Name = "" }, configset.ErrName},
		"a blank":             {func(s *configset.Set) { s.Name = "my set" }, configset.ErrName},
		"a line end":          {func(s *configset.Set) { s.Name = "set\n" }, configset.ErrName},
		"a dot":               {func(s *configset.Set) { s.Name = "my.set" }, configset.ErrName},
		"65 letters":          {func(s *configset.Set) { s.Name = strings.Repeat("a", 65) }, configset.ErrName},
		"taken":               {func(s *configset.Set) { s.Name = "taken" }, account.ErrExists},
		"no TLS":              {func(s *configset.Set) { s.TLS = "" }, configset.ErrTLS},
		"five minutes less":   {func(s *configset.Set) { s.MaxDelivery = 299 * time.Second }, configset.ErrDelivery},
		"14 hours more":       {func(s *configset.Set) { s.MaxDelivery = 50_401 * time.Second }, configset.ErrDelivery},
		"parts of a second":   {func(s *configset.Set) { s.MaxDelivery = time.Hour + 1 }, configset.ErrDelivery},
		"unknown suppression": {func(s *configset.Set) { s.Suppression = "some" }, configset.ErrSuppression},
		"a list with blank":   {func(s *configset.Set) { s.Unsubscribe = "my list" }, configset.ErrUnsubscribe},
		"a tag without key":   {func(s *configset.Set) { s.Labels = account.Labels{"": "x"} }, account.ErrLabels},
		"unknown pool":        {func(s *configset.Set) { s.Pool = "Bulk" }, configset.ErrPool},
	} {
		t.Run(name, func(t *testing.T) {
			s := plain("new")
			c.alter(&s)
			if _, err := b.Create(t.Context(), s); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	if list := b.List(""); len(list) != 1 {
		t.Errorf("%v", list)
	}
	s := plain("x")
	s.Pool = "fast"
	if _, err := b.Create(t.Context(), s); err == nil || !strings.Contains(err.Error(), "there are bulk, default") {
		t.Errorf("the pools are not named: %v", err)
	}
	for _, at := range []time.Duration{configset.MinDelivery, configset.MaxDelivery} {
		if _, err := b.Change(t.Context(), shop, "taken", func(s *configset.Set) { s.MaxDelivery = at }); err != nil {
			t.Error(err)
		}
	}
}

func TestASetWhosePoolWentCanStillBeChangedAndIsNamed(t *testing.T) {
	dir := &accounttest.Directory{}
	s := plain("bulk")
	s.Pool = "bulk"
	if _, err := open(t, dir, "bulk").Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir)
	if stray := b.Stray(); len(stray) != 1 || stray[0].Name != "bulk" {
		t.Errorf("stray %v", stray)
	}
	if _, err := b.Change(t.Context(), shop, "bulk", func(s *configset.Set) { s.Sending = false }); err != nil {
		t.Error(err)
	}
	if _, err := b.Change(t.Context(), shop, "bulk", func(s *configset.Set) { s.Pool = "" }); err != nil {
		t.Error(err)
	}
	if stray := b.Stray(); len(stray) != 0 {
		t.Errorf("stray %v", stray)
	}
}

func TestAMailingListNeedsAServerThatCanBeAsked(t *testing.T) {
	dir := &accounttest.Directory{}
	s := plain("news")
	s.Unsubscribe = "news"
	if _, err := open(t, dir).Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	why := errors.New("no public address")
	b, err := configset.Open(t.Context(), configset.Options{Directory: dir, CanUnsubscribe: func() error { return why }})
	if err != nil {
		t.Fatal(err)
	}
	s.Name = "more"
	if _, err := b.Create(t.Context(), s); !errors.Is(err, why) || !errors.Is(err, configset.ErrServer) {
		t.Errorf("created: %v", err)
	}
	// One that has it already can be changed, and give it up.
	if _, err := b.Change(t.Context(), shop, "news", func(s *configset.Set) { s.Sending = false }); err != nil {
		t.Error(err)
	}
	if _, err := b.Change(t.Context(), shop, "news", func(s *configset.Set) { s.Unsubscribe = "other" }); !errors.Is(err, why) {
		t.Errorf("changed: %v", err)
	}
	if _, err := b.Change(t.Context(), shop, "news", func(s *configset.Set) { s.Unsubscribe = "" }); err != nil {
		t.Error(err)
	}
}

func TestADeletedSetIsGoneAndMayComeAgain(t *testing.T) {
	dir := &accounttest.Directory{}
	b := open(t, dir)
	if _, err := b.Create(t.Context(), plain("a")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{nil, account.ErrNotFound} {
		if _, err := b.Delete(t.Context(), shop, "a"); !errors.Is(err, want) {
			t.Errorf("delete: %v, want %v", err, want)
		}
	}
	for _, b := range []*configset.Book{b, open(t, dir)} {
		if _, err := b.Get(shop, "a"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := b.Change(t.Context(), shop, "a", func(*configset.Set) {}); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("changed: %v", err)
	}
	if _, err := b.Create(t.Context(), plain("a")); err != nil {
		t.Error(err)
	}
}

func TestAFailureToWriteChangesNothing(t *testing.T) {
	dir := &accounttest.Directory{}
	b := open(t, dir)
	if _, err := b.Create(t.Context(), plain("a")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	dir.Fail(broken)
	_, err1 := b.Create(t.Context(), plain("b"))
	_, err2 := b.Change(t.Context(), shop, "a", func(s *configset.Set) { s.Sending = false })
	_, err3 := b.Delete(t.Context(), shop, "a")
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	}
	if list := b.List(shop); len(list) != 1 || !list[0].Sending {
		t.Errorf("got %v", list)
	}
}

func TestAnAccountHasAtMostTenThousandSets(t *testing.T) {
	b := open(t, &accounttest.Directory{})
	for i := range configset.MaxSets {
		if _, err := b.Create(t.Context(), plain(fmt.Sprint("s", i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Create(t.Context(), plain("more")); !errors.Is(err, configset.ErrTooMany) {
		t.Errorf("got %v", err)
	}
	other := plain("other")
	other.Account = "000000000043"
	if _, err := b.Create(t.Context(), other); err != nil {
		t.Errorf("another account: %v", err)
	}
}

func TestARecordOfALaterFormIsNotRead(t *testing.T) {
	for _, text := range []string{`{"v":2,"tls":"optional"}`, `{`} {
		dir := &accounttest.Directory{}
		r := account.Record{Kind: account.KindConfigSet, Account: shop, Name: "a", Data: []byte(text)}
		if _, err := dir.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if _, err := configset.Open(t.Context(), configset.Options{Directory: dir}); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

func ExampleBook_Create() {
	ctx := context.Background()
	b, err := configset.Open(ctx, configset.Options{Directory: &accounttest.Directory{}, Pools: []string{"bulk"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := b.Create(ctx, configset.Set{Account: "000000000001", Name: "newsletter",
		TLS: configset.Require, MaxDelivery: time.Hour, Sending: true, Pool: "bulk"})
	fmt.Println(s.Name, s.TLS, s.MaxDelivery, err)
	_, err = b.Create(ctx, configset.Set{Account: "000000000001", Name: "invoices", TLS: configset.Optional, Pool: "fast"})
	fmt.Println(err)
	// Output:
	// newsletter require 1h0m0s <nil>
	// pool "fast": no source has that pool; there are bulk
}
