package auth_test

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/auth"
)

func TestACredentialIsGoodFromItsNetworksOnly(t *testing.T) {
	b := books(t)
	c, _, password, err := b.CreateCredential(t.Context(), "default", account.Terms{
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	})
	if err != nil {
		t.Fatal(err)
	}
	a := auth.NewBook(b, false)
	if _, err := a.Authenticate(t.Context(), c.AccessKeyID, password, client); err != nil {
		t.Errorf("from its network: %v", err)
	}
	p, err := a.Authenticate(t.Context(), c.AccessKeyID, password, netip.MustParseAddr("198.51.100.1"))
	if p != nil || !errors.Is(err, auth.ErrInvalid) && string(wire(t, err)) != string(auth.ErrInvalid.Wire(nil)) {
		t.Errorf("from elsewhere: %+v, %v", p, err)
	}
}

// wire is what a client reads of a refusal.
func wire(t *testing.T, err error) []byte {
	t.Helper()
	var reply interface{ Wire([]byte) []byte }
	if !errors.As(err, &reply) {
		t.Fatalf("not a reply: %v", err)
	}
	return reply.Wire(nil)
}

func TestRenewGivesThePrincipalOfToday(t *testing.T) {
	b := books(t)
	if _, err := b.Create(t.Context(), account.Account{Name: "shop"}); err != nil {
		t.Fatal(err)
	}
	c, _, password, err := b.CreateCredential(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	a := auth.NewBook(b, false)
	old, err := a.Authenticate(t.Context(), c.AccessKeyID, password, client)
	if err != nil {
		t.Fatal(err)
	}
	tags := []account.Tag{{Name: "a", Value: "b"}}
	if _, err := b.SetTerms(t.Context(), c.AccessKeyID, account.Terms{ConfigurationSet: "news", Tags: tags}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Update(t.Context(), "shop", func(a *account.Account) { a.Profile, a.Paused = account.ProfileSES, true }); err != nil {
		t.Fatal(err)
	}
	s, err := a.Renew(old)
	want := *old
	want.Strict, want.ConfigurationSet, want.Tags = true, "news", tags
	if err != nil || !reflect.DeepEqual(*s.Principal, want) || !s.Account.Paused || s.Credential.AccessKeyID != c.AccessKeyID {
		t.Errorf("got %+v, %v, want %+v", s, err, want)
	}
	if got, err := b.Credential(c.AccessKeyID); err != nil || got.LastUsed.IsZero() {
		t.Errorf("never used: %+v, %v", got, err)
	}
	trusted, err := a.Trusted("shop")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := a.Renew(trusted); err != nil || s.Credential.AccessKeyID != "" || s.Account.Name != "shop" {
		t.Errorf("trusted: %+v, %v", s, err)
	}
	if err := b.Delete(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*auth.Principal{old, trusted} {
		if s, err := a.Renew(p); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

// The medians of many tries lie close together. On a busy machine that says
// little, so it runs where it was asked for.
func TestUnknownUserAndWrongPasswordTakeTheSameTime(t *testing.T) {
	if os.Getenv("SESAME_TIMING") == "" {
		t.Skip("set SESAME_TIMING to measure")
	}
	b := books(t)
	c, _, password, err := b.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	a := auth.NewBook(b, false)
	median := func(user, password string) time.Duration {
		times := make([]time.Duration, 1000)
		for i := range times {
			start := time.Now()
			_, _ = a.Authenticate(t.Context(), user, password, client)
			times[i] = time.Since(start)
		}
		slices.Sort(times)
		return times[len(times)/2]
	}
	median(c.AccessKeyID, "warm") // the caches
	known, unknown := median(c.AccessKeyID, password+"x"), median("AKIAAAAAAAAAAAAAAAAA", password+"x")
	t.Logf("wrong password %v, unknown user %v", known, unknown)
	if known > 3*unknown || unknown > 3*known || known > 100*time.Microsecond {
		t.Error("the time tells who exists, or is no matter of microseconds")
	}
}
