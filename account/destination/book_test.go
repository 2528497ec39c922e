package destination_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/internal/keyfile"
)

const shop = "000000000042"

// owner is a configuration set; there are "a" and "b".
func owner(set string) destination.Owner { return destination.Owner{Account: shop, Set: set} }

// openKeys opens a book that seals, and counts what it tells of changes.
func openKeys(t *testing.T, dir account.Directory) (*destination.Book, *keyfile.File, *int) {
	t.Helper()
	keys, err := keyfile.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	b, err := destination.Open(t.Context(), destination.Options{Directory: dir, Keys: keys,
		Changed: func() { changes++ }, Exists: func(o destination.Owner) error {
			if o.Set == "none" {
				return account.ErrNotFound
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return b, keys, &changes
}

func hook(name string) destination.Destination {
	return destination.Destination{Owner: owner("a"), Name: name, Kind: destination.Webhook,
		Target: "https://app.example.com/in", Events: []string{"bounce", "send"}}
}

func TestDestinationsSurviveAReopen(t *testing.T) {
	dir := &accounttest.Directory{}
	b, keys, changes := openKeys(t, dir)
	d, secret, err := b.Add(t.Context(), hook("app"))
	if err != nil || len(secret) < 24 || d.Created.IsZero() || !slices.Equal(d.Events, []string{"send", "bounce"}) {
		t.Fatalf("%+v, %d octets, %v", d, len(secret), err)
	}
	if _, err := b.Change(t.Context(), owner("a"), "app", func(d *destination.Destination) { d.Parked = d.Created }); err != nil {
		t.Fatal(err)
	}
	r, err := dir.Get(t.Context(), account.KindDestination, shop, "a/app")
	if err != nil || strings.Contains(string(r.Data), string(secret)) {
		t.Errorf("the record holds the secret, or %v", err)
	}
	again, err := destination.Open(t.Context(), destination.Options{Directory: dir, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Get(owner("a"), "app")
	if err != nil || got.Parked.IsZero() || got.Wants("send") || got.Target != d.Target {
		t.Errorf("got %+v, %v", got, err)
	}
	if s, err := again.Secret(got); err != nil || string(s) != string(secret) {
		t.Errorf("secret %x, %v", s, err)
	}
	if *changes != 2 {
		t.Errorf("told of %d changes", *changes)
	}
	if err := again.DeleteAll(t.Context(), owner("a")); err != nil || len(again.All("")) > 0 {
		t.Errorf("%v, left %v", err, again.All(""))
	}
}

func TestBadDestinationsAreRefused(t *testing.T) {
	b, _, _ := openKeys(t, &accounttest.Directory{})
	file := destination.Destination{Owner: owner("b"), Name: "f", Kind: destination.File, Target: "x/y.jsonl", Events: []string{"send"}}
	for _, d := range []destination.Destination{hook("taken"), file} {
		if _, _, err := b.Add(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		alter func(*destination.Destination)
		want  error
	}{
		"no such set":           {func(d *destination.Destination) { d.Set = "none" }, account.ErrNotFound},
		"no owner":              {func(d *destination.Destination) { d.Set = "" }, destination.ErrBad},
		"two owners":            {func(d *destination.Destination) { d.Identity = "example.org" }, destination.ErrBad},
		"a send to an identity": {func(d *destination.Destination) { d.Set, d.Identity = "", "example.org" }, destination.ErrBad},
		"taken":                 {func(d *destination.Destination) { d.Name = "taken" }, account.ErrExists},
		"a slash in a name":     {func(d *destination.Destination) { d.Name = "a/b" }, destination.ErrName},
		"no events":             {func(d *destination.Destination) { d.Events = nil }, destination.ErrBad},
		"an unknown event":      {func(d *destination.Destination) { d.Events = []string{"sent"} }, destination.ErrBad},
		"no kind":               {func(d *destination.Destination) { d.Kind = "" }, destination.ErrBad},
		"no URL":                {func(d *destination.Destination) { d.Target = "app" }, destination.ErrBad},
		"another scheme":        {func(d *destination.Destination) { d.Target = "file:///etc/passwd" }, destination.ErrBad},
		"a password":            {func(d *destination.Destination) { d.Target = "https://u:p@app.example.com/" }, destination.ErrBad},
		"a long URL":            {func(d *destination.Destination) { d.Target += strings.Repeat("x", 1024) }, destination.ErrBad},
		"SNS without number":    {func(d *destination.Destination) { d.Kind = destination.SNS }, destination.ErrBad},
		"a file outside":        {func(d *destination.Destination) { d.Kind, d.Target = destination.File, "../x" }, destination.ErrBad},
		"an absolute file":      {func(d *destination.Destination) { d.Kind, d.Target = destination.File, "/x" }, destination.ErrBad},
		"another's file":        {func(d *destination.Destination) { d.Kind, d.Target = destination.File, "x/y.jsonl" }, destination.ErrBad},
	} {
		t.Run(name, func(t *testing.T) {
			d := hook("app")
			c.alter(&d)
			if _, _, err := b.Add(t.Context(), d); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestASetHasAtMostTenDestinations(t *testing.T) {
	b, _, _ := openKeys(t, &accounttest.Directory{})
	for n := range destination.Most {
		if _, _, err := b.Add(t.Context(), hook(fmt.Sprint("d", n))); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Add(t.Context(), hook("more")); !errors.Is(err, destination.ErrCount) {
		t.Errorf("got %v", err)
	}
	if err := b.Delete(t.Context(), owner("a"), "d3"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Add(t.Context(), hook("more")); err != nil {
		t.Error(err)
	}
	if err := b.Delete(t.Context(), owner("a"), "d3"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestTheSecretsFollowTheKeyFile(t *testing.T) {
	b, keys, _ := openKeys(t, &accounttest.Directory{})
	_, secret, err := b.Add(t.Context(), hook("app"))
	if err != nil {
		t.Fatal(err)
	}
	err = keys.Rotate(func() error {
		n, err := b.Reseal(t.Context())
		if n != 1 {
			t.Errorf("%d sealed anew", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := b.Get(owner("a"), "app")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Secret(d); err != nil || string(got) != string(secret) {
		t.Errorf("secret %x, %v", got, err)
	}
}

func TestOnlyALiveDestinationWantsEvents(t *testing.T) {
	d := hook("app")
	if !d.Wants("bounce") || d.Wants("delivery") {
		t.Error("it wants what it did not ask for")
	}
	parked, disabled := d, d
	parked.Parked, disabled.Disabled = time.Now(), true
	if parked.Wants("bounce") || disabled.Wants("bounce") {
		t.Error("it wants events while it is given up or off")
	}
}

func TestOwnersAreToldApart(t *testing.T) {
	dir := &accounttest.Directory{}
	b, keys, _ := openKeys(t, dir)
	identity := hook("app")
	identity.Owner = destination.Owner{Account: shop, Identity: "a"}
	identity.Events = []string{"delivery", "bounce"}
	for _, d := range []destination.Destination{hook("app"), identity} {
		if _, _, err := b.Add(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	b, err := destination.Open(t.Context(), destination.Options{Directory: dir, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), owner("a"), "app"); err != nil {
		t.Fatal(err)
	}
	got, err := b.Get(identity.Owner, "app")
	if err != nil || !slices.Equal(got.Events, []string{"bounce", "delivery"}) || !got.Hears("bounce") || got.Hears("complaint") {
		t.Errorf("got %+v, %v", got, err)
	}
	got.Kind = destination.SNS
	if got.Hears("bounce") {
		t.Error("who has not agreed hears")
	}
}

func ExampleBook_Add() {
	ctx := context.Background()
	b, err := destination.Open(ctx, destination.Options{Directory: &accounttest.Directory{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	d, _, err := b.Add(ctx, destination.Destination{Owner: destination.Owner{Account: "000000000001", Identity: "example.org"},
		Name: "log", Kind: destination.File, Target: "bounces.jsonl", Events: []string{"complaint", "bounce"}})
	fmt.Println(d.Owner, d.Name, d.Events, err)
	// Output: identity:example.org log [bounce complaint] <nil>
}

func TestAFailureToWriteChangesNothing(t *testing.T) {
	dir := &accounttest.Directory{}
	b, _, changes := openKeys(t, dir)
	if _, _, err := b.Add(t.Context(), hook("app")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	dir.Fail(broken)
	_, _, err1 := b.Add(t.Context(), hook("other"))
	_, err2 := b.Change(t.Context(), owner("a"), "app", func(d *destination.Destination) { d.Disabled, d.Events[0] = true, "delivery" })
	err3 := b.Delete(t.Context(), owner("a"), "app")
	err4 := b.DeleteAll(t.Context(), owner("a"))
	for _, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	}
	if list := b.Of(owner("a")); len(list) != 1 || !list[0].Wants("send") || *changes != 1 {
		t.Errorf("got %+v after %d changes", list, *changes)
	}
}

func TestManyAtOnceStayWithinTheirBounds(t *testing.T) {
	dir := &accounttest.Directory{}
	b, keys, _ := openKeys(t, dir)
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			_, _, err := b.Add(t.Context(), hook(fmt.Sprint("d", n%25)))
			if err != nil && !errors.Is(err, destination.ErrCount) && !errors.Is(err, account.ErrExists) {
				t.Error(err)
			}
			for _, d := range b.Of(owner("a")) {
				_ = d.Wants("send")
			}
		})
	}
	wg.Wait()
	again, err := destination.Open(t.Context(), destination.Options{Directory: dir, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if one, two := len(b.Of(owner("a"))), len(again.All("")); one != destination.Most || two != destination.Most {
		t.Errorf("%d in memory, %d on disk", one, two)
	}
}

func TestARecordOfALaterFormIsNotRead(t *testing.T) {
	for _, text := range []string{`{"v":2,"set":"a","name":"app"}`, `{`} {
		dir := &accounttest.Directory{}
		r := account.Record{Kind: account.KindDestination, Account: shop, Name: "a/app", Data: []byte(text)}
		if _, err := dir.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if _, err := destination.Open(t.Context(), destination.Options{Directory: dir}); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

func TestAnOwnerIsReadAsItIsWritten(t *testing.T) {
	for _, o := range []destination.Owner{
		{Account: "1", Set: "main"}, {Account: "1", Identity: "topic:x@example.org"}, {Account: "1", Topic: "news"}, {Account: "1"},
	} {
		if got := destination.ParseOwner("1", o.String()); got != o {
			t.Errorf("%q gave %+v", o.String(), got)
		}
	}
}
