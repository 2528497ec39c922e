package account_test

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/auth/sigv4"
	"github.com/sesame-mta/sesame/internal/keyfile"
)

func openWith(t *testing.T, dir account.Directory, k *keyfile.File, ended func(string)) *account.Book {
	t.Helper()
	b, err := account.Open(t.Context(), account.Options{
		Directory: dir, Keys: k, Derive: derive, Ended: ended,
		DeriveImported: func(secret, region string) string {
			if region == "" {
				return sigv4.SMTPPasswordV2(secret)
			}
			return sigv4.SMTPPassword(secret, region)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func create(t *testing.T, b *account.Book, name string) account.Account {
	t.Helper()
	a, err := b.Create(t.Context(), account.Account{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAnUpdateIsKeptAndLeavesTheRest(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := open(t, dir, k)
	made, other := create(t, b, "shop"), create(t, b, "other")
	want := made
	want.Production, want.MaxDay, want.MaxRate, want.Profile = true, 500, 2.5, account.ProfileSES
	want.Throttle, want.Contact, want.Paused, want.SendingOff = account.ThrottleQueue, "ann@example.org", true, true
	want.Warned = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for range 2 { // the second changes nothing
		got, err := b.Update(t.Context(), "shop", func(a *account.Account) {
			*a = want
			a.ID, a.Name, a.Created = "1", "stolen", time.Time{}
		})
		if err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	for _, b := range []*account.Book{b, open(t, dir, k)} {
		if got, err := b.Lookup("shop"); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if got, err := b.Lookup("other"); err != nil || got != other {
			t.Errorf("the other account became %+v, %v", got, err)
		}
	}
	if _, err := b.Update(t.Context(), "nobody", func(*account.Account) {}); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestAnUpdateThatMakesNoSenseChangesNothing(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	made := create(t, b, "shop")
	for name, tt := range map[string]struct {
		change func(*account.Account)
		want   error
	}{
		"profile":         {func(a *account.Account) { a.Profile = "lax" }, account.ErrProfile},
		"throttle":        {func(a *account.Account) { a.Throttle = "drop" }, account.ErrThrottle},
		"negative quota":  {func(a *account.Account) { a.MaxDay = -1 }, account.ErrLimit},
		"negative rate":   {func(a *account.Account) { a.MaxRate = -1 }, account.ErrLimit},
		"no number":       {func(a *account.Account) { a.MaxRate = math.NaN() }, account.ErrLimit},
		"infinite rate":   {func(a *account.Account) { a.MaxRate = math.Inf(1) }, account.ErrLimit},
		"contact":         {func(a *account.Account) { a.Contact = "ann" }, account.ErrContact},
		"contact of many": {func(a *account.Account) { a.Contact = "a@example.org\r\nBcc: b@example.org" }, account.ErrContact},
	} {
		if _, err := b.Update(t.Context(), "shop", tt.change); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	if got, _ := b.Lookup("shop"); got != made {
		t.Errorf("became %+v", got)
	}
}

func TestWhatTheFirstVersionWroteIsRead(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	sealed := k.Seal([]byte("secret"), "credential", "123456789012", "AKIAAAAAAAAAAAAAAAAA")
	text, err := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []account.Record{
		{Kind: account.KindAccount, Account: "123456789012", Name: "123456789012",
			Data: []byte(`{"v":1,"name":"shop","created":` + string(text) + `,"production":true,"max_day":7}`)},
		{Kind: account.KindCredential, Account: "123456789012", Name: "AKIAAAAAAAAAAAAAAAAA",
			Data: []byte(`{"v":1,"sealed":"` + base64.StdEncoding.EncodeToString(sealed) + `","created":` + string(text) + `}`)},
	} {
		if _, err := dir.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	c, a, err := open(t, dir, k).Verify("AKIAAAAAAAAAAAAAAAAA", derive("secret"))
	if err != nil || a.Name != "shop" || !a.Production || a.MaxDay != 7 || a.Paused || c.SigV2 || !c.LastUsed.IsZero() {
		t.Errorf("got %+v, %+v, %v", c, a, err)
	}
}

func TestADeletedAccountIsGoneWithItsCredentialsAndNothingElse(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	var ended []string
	b := openWith(t, dir, k, func(id string) { ended = append(ended, id) })
	shop, other := create(t, b, "shop"), create(t, b, "other")
	c, _, password, err := b.CreateCredential(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	kept, _, keptPassword, err := b.CreateCredential(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ended, []string{c.AccessKeyID}) {
		t.Errorf("ended %v", ended)
	}
	for _, b := range []*account.Book{b, open(t, dir, k)} {
		if _, err := b.Lookup("shop"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if _, _, err := b.Verify(c.AccessKeyID, password); !errors.Is(err, account.ErrPassword) {
			t.Errorf("got %v", err)
		}
		if _, _, err := b.Standing(shop.ID, c.AccessKeyID); !errors.Is(err, account.ErrPassword) {
			t.Errorf("got %v", err)
		}
		if _, _, err := b.Standing(shop.ID, ""); !errors.Is(err, account.ErrPassword) {
			t.Errorf("a trusted client of it: %v", err)
		}
		if _, a, err := b.Verify(kept.AccessKeyID, keptPassword); err != nil || a.ID != other.ID {
			t.Errorf("the other's credential: %v", err)
		}
	}
	if _, err := b.Create(t.Context(), account.Account{Name: "shop"}); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
	for _, name := range []string{"default", account.DefaultID} {
		if err := b.Delete(t.Context(), name); !errors.Is(err, account.ErrDefault) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := b.Delete(t.Context(), "nobody"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestStandingFollowsEveryChange(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	shop, other := create(t, b, "shop"), create(t, b, "other")
	c, _, _, err := b.CreateCredential(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Update(t.Context(), "shop", func(a *account.Account) { a.Paused = true }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.SetTerms(t.Context(), c.AccessKeyID, account.Terms{ConfigurationSet: "news"}); err != nil {
		t.Fatal(err)
	}
	a, got, err := b.Standing(shop.ID, c.AccessKeyID)
	if err != nil || !a.Paused || got.ConfigurationSet != "news" {
		t.Errorf("got %+v, %+v, %v", a, got, err)
	}
	if _, _, err := b.Standing(other.ID, c.AccessKeyID); !errors.Is(err, account.ErrPassword) {
		t.Errorf("another account's credential stands: %v", err)
	}
	if _, err := b.Revoke(t.Context(), c.AccessKeyID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Standing(shop.ID, c.AccessKeyID); !errors.Is(err, account.ErrPassword) {
		t.Errorf("a revoked credential stands: %v", err)
	}
}

const exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

func TestImportedPairsKeepTheirPassword(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := openWith(t, dir, k, nil)
	create(t, b, "shop")
	tests := []struct {
		name     string
		i        account.Import
		password string
		sigv2    bool
	}{
		{"secret in us-east-1", account.Import{Secret: exampleSecret, Region: "us-east-1"}, "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9", false},
		{"secret in eu-west-1", account.Import{Secret: exampleSecret, Region: "eu-west-1"}, "BMW5RDrXmmVs0lV7GpI4oLkHXpZ4stDsk6q91z1g38Pk", false},
		{"secret of SigV2", account.Import{Secret: exampleSecret, SigV2: true}, "An60U4ZD3sd4fg+FvXUjayOipTt8LO4rUUmhpdX6ctDy", true},
		{"password", account.Import{Password: "BEBMrlH2tcrvRtSfkd6WbOlpfHSCPAV60ZayJ9ZqHS5c"}, "BEBMrlH2tcrvRtSfkd6WbOlpfHSCPAV60ZayJ9ZqHS5c", false},
		{"password of SigV2", account.Import{Password: "AnkqhOiWEcszZZzTMCQbOY1sPGoLFgMH9zhp4eNgSjo4"}, "AnkqhOiWEcszZZzTMCQbOY1sPGoLFgMH9zhp4eNgSjo4", true},
	}
	for i, tt := range tests {
		tt.i.AccessKeyID = "AKIAIOSFODNN7EXAMPL" + string(rune('A'+i))
		if _, err := b.ImportCredential(t.Context(), "shop", tt.i); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		for _, b := range []*account.Book{b, openWith(t, dir, k, nil)} {
			c, a, err := b.Verify(tt.i.AccessKeyID, tt.password)
			if err != nil || a.Name != "shop" || c.SigV2 != tt.sigv2 || !c.Imported || c.Region != tt.i.Region {
				t.Errorf("%s: %+v, %v", tt.name, c, err)
			}
			if _, _, err := b.Verify(tt.i.AccessKeyID, derive(exampleSecret)); err == nil {
				t.Errorf("%s: the password of our own region is good too", tt.name)
			}
		}
		if _, err := b.ImportCredential(t.Context(), "default", tt.i); !errors.Is(err, account.ErrExists) {
			t.Errorf("%s: a second import by another account: %v", tt.name, err)
		}
	}
}

func TestImportsThatCannotBeAreRefused(t *testing.T) {
	b := openWith(t, &accounttest.Directory{}, keys(t), nil)
	const id, password = "AKIAIOSFODNN7EXAMPLE", "BEBMrlH2tcrvRtSfkd6WbOlpfHSCPAV60ZayJ9ZqHS5c"
	tests := []struct {
		name string
		i    account.Import
		want error
	}{
		{"no key id", account.Import{Secret: "x", Region: "r"}, account.ErrKeyID},
		{"an address for a key id", account.Import{AccessKeyID: "ann@example.org", Secret: "x", Region: "r"}, account.ErrKeyID},
		{"a short key id", account.Import{AccessKeyID: "AKIA", Secret: "x", Region: "r"}, account.ErrKeyID},
		{"nothing", account.Import{AccessKeyID: id, Region: "r"}, account.ErrSecret},
		{"a secret with a line end", account.Import{AccessKeyID: id, Secret: "x\n", Region: "r"}, account.ErrSecret},
		{"a secret without a region", account.Import{AccessKeyID: id, Secret: "x"}, account.ErrRegion},
		{"a region and SigV2", account.Import{AccessKeyID: id, Secret: "x", Region: "r", SigV2: true}, account.ErrRegion},
		{"a region that is none", account.Import{AccessKeyID: id, Secret: "x", Region: "Eu West"}, account.ErrRegion},
		{"a password and a region", account.Import{AccessKeyID: id, Password: password, Region: "r"}, account.ErrRegion},
		{"a password and a secret", account.Import{AccessKeyID: id, Password: password, Secret: "x"}, account.ErrRegion},
		{"the secret for a password", account.Import{AccessKeyID: id, Password: exampleSecret}, account.ErrPasswordForm},
		{"a password of another version", account.Import{AccessKeyID: id, Password: "C" + password[1:]}, account.ErrPasswordForm},
		{"a password cut short", account.Import{AccessKeyID: id, Password: password[:40]}, account.ErrPasswordForm},
		{"terms", account.Import{AccessKeyID: id, Password: password, Terms: account.Terms{From: []string{"@"}}}, account.ErrTerms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := b.ImportCredential(t.Context(), "default", tt.i); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if list, _ := b.ListCredentials(""); len(list) != 0 {
		t.Errorf("%d credentials", len(list))
	}
}

func TestTermsAreKept(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := open(t, dir, k)
	want := account.Terms{
		From: []string{"*@example.org"}, RecipientDomains: []string{"example.net"}, ConfigurationSet: "news",
		Tags: []account.Tag{{Name: "a", Value: "b"}},
	}
	c, _, _, err := b.CreateCredential(t.Context(), "default", want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := open(t, dir, k).Credential(c.AccessKeyID)
	if err != nil || !reflect.DeepEqual(got.Terms, want) {
		t.Errorf("got %+v, %v", got.Terms, err)
	}
	if _, err := b.SetTerms(t.Context(), c.AccessKeyID, account.Terms{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := open(t, dir, k).Credential(c.AccessKeyID); !reflect.DeepEqual(got.Terms, account.Terms{}) {
		t.Errorf("terms were not taken away: %+v", got.Terms)
	}
	if _, err := b.SetTerms(t.Context(), "AKIAAAAAAAAAAAAAAAAA", want); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestLastUseIsShownAtOnceAndWrittenOnceAMinute(t *testing.T) {
	k := keys(t)
	synctest.Test(t, func(t *testing.T) {
		dir := &accounttest.Directory{}
		b := open(t, dir, k)
		c, _, _, err := b.CreateCredential(t.Context(), "default")
		if err != nil {
			t.Fatal(err)
		}
		stop := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { stop <- b.Run(ctx) }()
		version := func() uint64 {
			r, err := dir.Get(t.Context(), account.KindCredential, c.Account, c.AccessKeyID)
			if err != nil {
				t.Fatal(err)
			}
			return r.Version
		}
		first := version()
		for range 100 {
			b.Used(c.AccessKeyID)
			time.Sleep(100 * time.Millisecond)
		}
		if got, _ := b.Credential(c.AccessKeyID); got.LastUsed.IsZero() {
			t.Error("the use is not shown")
		}
		if version() != first {
			t.Error("it was written within the minute")
		}
		time.Sleep(time.Minute)
		second := version()
		if second == first {
			t.Error("it was not written after the minute")
		}
		time.Sleep(10 * time.Minute)
		if version() != second {
			t.Error("it was written again without a use")
		}
		b.Used(c.AccessKeyID)
		cancel()
		if err := <-stop; err != nil {
			t.Error(err)
		}
		want, _ := b.Credential(c.AccessKeyID)
		if got, err := open(t, dir, k).Credential(c.AccessKeyID); err != nil || !got.LastUsed.Equal(want.LastUsed) {
			t.Errorf("after the end it is %v, want %v", got.LastUsed, want.LastUsed)
		}
		if _, err := b.Revoke(t.Context(), c.AccessKeyID); err != nil {
			t.Fatal(err)
		}
	})
}

func TestARotationSealsEverySecretAgain(t *testing.T) {
	state := t.TempDir()
	k, err := keyfile.Open(state)
	if err != nil {
		t.Fatal(err)
	}
	dir := &accounttest.Directory{}
	b := openWith(t, dir, k, nil)
	c, _, password, err := b.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	imported := account.Import{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: exampleSecret, Region: "us-east-1"}
	if _, err := b.ImportCredential(t.Context(), "default", imported); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := k.Rotate(func() error {
			n, err := b.Reseal(t.Context())
			if n != 2 {
				t.Errorf("%d secrets", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		// The file of today alone opens everything.
		again, err := keyfile.Open(state)
		if err != nil {
			t.Fatal(err)
		}
		fresh := openWith(t, dir, again, nil)
		if _, _, err := fresh.Verify(c.AccessKeyID, password); err != nil {
			t.Error(err)
		}
		if _, _, err := fresh.Verify(imported.AccessKeyID, "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9"); err != nil {
			t.Error(err)
		}
	}
}
