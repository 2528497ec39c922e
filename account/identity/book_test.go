package identity_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/mail"
)

const (
	alice = "000000000001"
	bob   = "222222222222"
)

func keys(t testing.TB) *keyfile.File {
	t.Helper()
	k, err := keyfile.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t testing.TB, dir account.Directory, k *keyfile.File) *identity.Book {
	t.Helper()
	b, err := identity.Open(t.Context(), identity.Options{Directory: dir, Keys: k, Host: "mx1.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func add(t testing.TB, b *identity.Book, owner, name string, o identity.AddOptions) identity.Identity {
	t.Helper()
	i, err := b.Add(t.Context(), owner, name, o)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestIdentitiesAreKeptInOneForm(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	tests := []struct{ name, want string }{
		{"Example.COM", "example.com"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"Sales.Team@Example.ORG", "sales.team@example.org"},
		{`"a b"@example.org`, `"a b"@example.org`},
		{`"plain"@example.org`, "plain@example.org"},
		{"user@[192.0.2.1]", "user@[192.0.2.1]"},
	}
	for _, tt := range tests {
		i := add(t, b, alice, tt.name, identity.AddOptions{})
		if i.Name != tt.want || i.Account != alice || i.Verified || i.Status() != "pending" {
			t.Errorf("%s: got %+v", tt.name, i)
		}
		if got, err := b.Get(alice, strings.ToUpper(tt.name)); err != nil || got.Name != tt.want {
			t.Errorf("get %s: %+v, %v", tt.name, got, err)
		}
		if _, err := b.Add(t.Context(), alice, strings.ToUpper(tt.name), identity.AddOptions{}); !errors.Is(err, account.ErrExists) {
			t.Errorf("%s a second time: %v", tt.name, err)
		}
	}
}

func TestWhatIsNeitherADomainNorAnAddressIsRefused(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	for _, name := range []string{
		"", ".", "example.com.", ".example.com", "exa mple.com", "example.com\n", "bücher.example", "*.example.com",
		"[192.0.2.1]", "a/b", "@example.com", "user@", "a@b@example.com", "user@exa mple.com", "<user@example.com>",
		"Name <user@example.com>", "a..b@example.com", "user@bücher.example", strings.Repeat("a", 300) + ".example",
	} {
		if _, err := b.Add(t.Context(), alice, name, identity.AddOptions{}); !errors.Is(err, identity.ErrName) {
			t.Errorf("add %q: %v", name, err)
		}
		if _, err := b.Get(alice, name); !errors.Is(err, identity.ErrName) {
			t.Errorf("get %q: %v", name, err)
		}
		if err := b.Remove(t.Context(), alice, name); !errors.Is(err, identity.ErrName) {
			t.Errorf("remove %q: %v", name, err)
		}
	}
}

func TestCoverageFollowsTheMostSpecificVerifiedIdentity(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	verified := identity.AddOptions{Verified: true}
	for _, name := range []string{
		"example.com", "sub.example.com", "user@example.com", "user@example.org", "MiXed@example.org",
		`"a@b"@example.org`, `"quoted user"@example.org`, "label+only@example.org", "user@[192.0.2.1]",
	} {
		add(t, b, alice, name, verified)
	}
	for _, name := range []string{"pending.example.com", "pending.test", "pending@example.org"} {
		add(t, b, alice, name, identity.AddOptions{})
	}
	add(t, b, bob, "bob.test", verified)

	tests := []struct{ name, address, want string }{
		{"the address before its domain", "user@example.com", "user@example.com"},
		{"any address of a domain", "other@example.com", "example.com"},
		{"the case of a domain", "other@EXAMPLE.Com", "example.com"},
		{"the case of a local part", "USER@example.org", "user@example.org"},
		{"the case of an identity", "mixed@example.org", "mixed@example.org"},
		{"a subdomain", "a@deep.down.example.com", "example.com"},
		{"the nearest parent", "a@x.sub.example.com", "sub.example.com"},
		{"a pending child leaves it to the parent", "a@pending.example.com", "example.com"},
		{"pending does not count", "a@pending.test", ""},
		{"a pending address does not count", "pending@example.org", ""},
		{"an address says nothing of its domain", "other@example.org", ""},
		{"nor of its subdomains", "user@sub.example.org", ""},
		{"a label", "user+news@example.org", "user@example.org"},
		{"two labels", "user+a+b@example.org", "user@example.org"},
		{"an empty label", "user+@example.org", "user@example.org"},
		{"a label in quotes is one too", `"user+x"@example.org`, "user@example.org"},
		{"a label before all", "+user@example.org", ""},
		{"an identity with a label", "label+only@example.org", "label+only@example.org"},
		{"not without that label", "label@example.org", ""},
		{"nor with another", "label+other@example.org", ""},
		{"a minus is no label", "user-news@example.org", ""},
		{"a look-alike suffix", "a@evilexample.com", ""},
		{"a look-alike with a hyphen", "a@evil-example.com", ""},
		{"a look-alike prefix", "a@example.com.evil.test", ""},
		{"the parent of a domain", "a@com", ""},
		{"a quoted at sign is no domain", `"x@example.com"@evil.test`, ""},
		{"a quoted at sign with an identity", `"a@b"@example.org`, `"a@b"@example.org`},
		{"its inside alone", "a@b", ""},
		{"needless quotes", `"user"@example.org`, "user@example.org"},
		{"needed quotes", `"quoted user"@example.org`, `"quoted user"@example.org`},
		{"quotes with a backslash", `"qu\oted user"@example.org`, `"quoted user"@example.org`},
		{"a literal", "user@[192.0.2.1]", "user@[192.0.2.1]"},
		{"another at that literal", "other@[192.0.2.1]", ""},
		{"another account's domain", "a@bob.test", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := mail.ParseAddress(tt.address)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := b.Covers(alice, a)
			if got.Name != tt.want || ok != (tt.want != "") {
				t.Errorf("%s: got %q, %v, want %q", tt.address, got.Name, ok, tt.want)
			}
		})
	}
	if i, ok := b.Covers(alice, mail.Address{}); ok {
		t.Errorf("no address is covered by %+v", i)
	}
}

func TestTwoAccountsNeverSeeEachOthers(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := open(t, dir, k)
	o := identity.AddOptions{Verified: true, DKIM: true, Ed25519: true}
	mine, theirs := add(t, b, alice, "example.com", o), add(t, b, bob, "example.com", o)
	for n, key := range mine.Keys {
		if other := theirs.Keys[n]; key.Selector == other.Selector || key.TXT == other.TXT {
			t.Errorf("both have key %+v", key)
		}
	}
	if got, err := b.Keys(t.Context(), bob, b.KeyRefs(alice, "example.com")); err != nil || len(got) != 0 {
		t.Errorf("bob got alice's keys: %v, %v", got, err)
	}
	if err := b.Remove(t.Context(), bob, "example.com"); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*identity.Book{b, open(t, dir, k)} {
		if list := b.List(alice); len(list) != 1 || list[0].Account != alice {
			t.Errorf("alice's list: %+v", list)
		}
		if list := b.List(bob); len(list) != 0 {
			t.Errorf("bob's list: %+v", list)
		}
		if _, err := b.Get(bob, "example.com"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if _, ok := b.Covers(bob, must(mail.ParseAddress("a@example.com"))); ok {
			t.Error("bob may send as what he removed")
		}
		if _, ok := b.Covers(alice, must(mail.ParseAddress("a@example.com"))); !ok {
			t.Error("alice lost hers")
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAPendingIdentityBecomesVerifiedWithItsKeys(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := open(t, dir, k)
	pending := add(t, b, alice, "example.com", identity.AddOptions{DKIM: true, Ed25519: true})
	if refs := b.KeyRefs(alice, "example.com"); len(refs) != 0 {
		t.Errorf("a pending identity signs: %v", refs)
	}
	now := add(t, b, alice, "example.com", identity.AddOptions{Verified: true, DKIM: true})
	if !now.Verified || now.Status() != "verified" || !slices.Equal(now.Keys, pending.Keys) || !now.Created.Equal(pending.Created) {
		t.Errorf("got %+v, want %+v but verified", now, pending)
	}
	got := must(open(t, dir, k).Get(alice, "example.com"))
	if !got.Verified || !slices.Equal(got.Keys, pending.Keys) {
		t.Errorf("after reopen: %+v", got)
	}
	if _, err := b.Add(t.Context(), alice, "example.com", identity.AddOptions{Verified: true}); !errors.Is(err, account.ErrExists) {
		t.Errorf("a third time: %v", err)
	}
}

func TestAddsAtTheSameTimeMakeOne(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for n := range errs {
		wg.Go(func() { _, errs[n] = b.Add(t.Context(), alice, "example.com", identity.AddOptions{}) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		switch {
		case err == nil:
			made++
		case !errors.Is(err, account.ErrExists):
			t.Errorf("got %v", err)
		}
	}
	if made != 1 || len(b.List(alice)) != 1 {
		t.Errorf("%d made, %d there", made, len(b.List(alice)))
	}
}

func TestAnIdentityThatIsNotKeptIsNotSeen(t *testing.T) {
	dir := &accounttest.Directory{}
	b := open(t, dir, keys(t))
	add(t, b, alice, "kept.test", identity.AddOptions{Verified: true})
	broken := errors.New("disk is gone")
	dir.Fail(broken)
	if _, err := b.Add(t.Context(), alice, "example.com", identity.AddOptions{Verified: true}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := b.Remove(t.Context(), alice, "kept.test"); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if list := b.List(alice); len(list) != 1 || list[0].Name != "kept.test" {
		t.Errorf("got %+v", list)
	}
}

func TestNoPrivateKeyLiesInTheClear(t *testing.T) {
	dir := &accounttest.Directory{}
	b := open(t, dir, keys(t))
	add(t, b, alice, "example.com", identity.AddOptions{Verified: true, DKIM: true, Ed25519: true})
	r := must(dir.Get(t.Context(), account.KindIdentity, alice, "example.com"))
	for _, k := range must(b.Keys(t.Context(), alice, b.KeyRefs(alice, "example.com"))) {
		if der := privateOctets(t, k.Private); bytes.Contains(r.Data, der) || bytes.Contains(unbase64(r.Data), der) {
			t.Errorf("%s is in the clear", k.Selector)
		}
	}
}
