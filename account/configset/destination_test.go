package configset_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/internal/keyfile"
)

// openKeys opens a book that seals, and counts what it tells of changes.
func openKeys(t *testing.T, dir account.Directory) (*configset.Book, *keyfile.File, *int) {
	t.Helper()
	keys, err := keyfile.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	b, err := configset.Open(t.Context(), configset.Options{Directory: dir, Keys: keys, Changed: func() { changes++ }})
	if err != nil {
		t.Fatal(err)
	}
	return b, keys, &changes
}

func hook(name string) configset.Destination {
	return configset.Destination{Account: shop, Set: "a", Name: name, Kind: configset.Webhook,
		Target: "https://app.example.com/in", Events: []string{"bounce", "send"}}
}

func TestDestinationsSurviveAndTheirSetsChanges(t *testing.T) {
	dir := &accounttest.Directory{}
	b, keys, changes := openKeys(t, dir)
	if _, err := b.Create(t.Context(), plain("a")); err != nil {
		t.Fatal(err)
	}
	d, secret, err := b.AddDestination(t.Context(), hook("app"))
	if err != nil || len(secret) < 24 || d.Created.IsZero() || !slices.Equal(d.Events, []string{"send", "bounce"}) {
		t.Fatalf("%+v, %d octets, %v", d, len(secret), err)
	}
	if _, err := b.Change(t.Context(), shop, "a", func(s *configset.Set) { s.TLS = configset.Require }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ChangeDestination(t.Context(), shop, "a", "app", func(d *configset.Destination) { d.Parked = d.Created }); err != nil {
		t.Fatal(err)
	}
	r, err := dir.Get(t.Context(), account.KindConfigSet, shop, "a")
	if err != nil || strings.Contains(string(r.Data), string(secret)) {
		t.Errorf("the record holds the secret, or %v", err)
	}
	again, err := configset.Open(t.Context(), configset.Options{Directory: dir, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Destination(shop, "a", "app")
	if err != nil || got.Parked.IsZero() || got.Wants("send") || got.Target != d.Target {
		t.Errorf("got %+v, %v", got, err)
	}
	if s, err := again.Secret(got); err != nil || string(s) != string(secret) {
		t.Errorf("secret %x, %v", s, err)
	}
	if *changes < 3 {
		t.Errorf("told of %d changes", *changes)
	}
	if _, err := b.Delete(t.Context(), shop, "a"); err != nil || len(b.AllDestinations("")) > 0 {
		t.Errorf("%v, left %v", err, b.AllDestinations(""))
	}
}

func TestBadDestinationsAreRefused(t *testing.T) {
	b, _, _ := openKeys(t, &accounttest.Directory{})
	for _, name := range []string{"a", "b"} {
		if _, err := b.Create(t.Context(), plain(name)); err != nil {
			t.Fatal(err)
		}
	}
	file := configset.Destination{Account: shop, Set: "b", Name: "f", Kind: configset.File, Target: "x/y.jsonl", Events: []string{"send"}}
	for _, d := range []configset.Destination{hook("taken"), file} {
		if _, _, err := b.AddDestination(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		alter func(*configset.Destination)
		want  error
	}{
		"no set":             {func(d *configset.Destination) { d.Set = "none" }, account.ErrNotFound},
		"taken":              {func(d *configset.Destination) { d.Name = "taken" }, account.ErrExists},
		"a slash in a name":  {func(d *configset.Destination) { d.Name = "a/b" }, configset.ErrDestinationName},
		"no events":          {func(d *configset.Destination) { d.Events = nil }, configset.ErrDestination},
		"an unknown event":   {func(d *configset.Destination) { d.Events = []string{"sent"} }, configset.ErrDestination},
		"no kind":            {func(d *configset.Destination) { d.Kind = "" }, configset.ErrDestination},
		"no URL":             {func(d *configset.Destination) { d.Target = "app" }, configset.ErrDestination},
		"another scheme":     {func(d *configset.Destination) { d.Target = "file:///etc/passwd" }, configset.ErrDestination},
		"a password":         {func(d *configset.Destination) { d.Target = "https://u:p@app.example.com/" }, configset.ErrDestination},
		"a long URL":         {func(d *configset.Destination) { d.Target += strings.Repeat("x", 1024) }, configset.ErrDestination},
		"SNS without number": {func(d *configset.Destination) { d.Kind = configset.SNS }, configset.ErrDestination},
		"a file outside":     {func(d *configset.Destination) { d.Kind, d.Target = configset.File, "../x" }, configset.ErrDestination},
		"an absolute file":   {func(d *configset.Destination) { d.Kind, d.Target = configset.File, "/x" }, configset.ErrDestination},
		"another's file":     {func(d *configset.Destination) { d.Kind, d.Target = configset.File, "x/y.jsonl" }, configset.ErrDestination},
	} {
		t.Run(name, func(t *testing.T) {
			d := hook("app")
			c.alter(&d)
			if _, _, err := b.AddDestination(t.Context(), d); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestASetHasAtMostTenDestinations(t *testing.T) {
	b, _, _ := openKeys(t, &accounttest.Directory{})
	if _, err := b.Create(t.Context(), plain("a")); err != nil {
		t.Fatal(err)
	}
	for n := range configset.MaxDestinations {
		if _, _, err := b.AddDestination(t.Context(), hook(fmt.Sprint("d", n))); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.AddDestination(t.Context(), hook("more")); !errors.Is(err, configset.ErrDestinationCount) {
		t.Errorf("got %v", err)
	}
	if err := b.DeleteDestination(t.Context(), shop, "a", "d3"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.AddDestination(t.Context(), hook("more")); err != nil {
		t.Error(err)
	}
	if err := b.DeleteDestination(t.Context(), shop, "a", "d3"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestTheSecretsFollowTheKeyFile(t *testing.T) {
	b, keys, _ := openKeys(t, &accounttest.Directory{})
	if _, err := b.Create(t.Context(), plain("a")); err != nil {
		t.Fatal(err)
	}
	_, secret, err := b.AddDestination(t.Context(), hook("app"))
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
	d, err := b.Destination(shop, "a", "app")
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
