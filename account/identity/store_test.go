package identity_test

import (
	"slices"
	"testing"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/store/bolt"
)

// real opens the books on disk as the server does.
func real(t *testing.T, dir string) (*account.Book, *identity.Book, func()) {
	t.Helper()
	books := must(bolt.OpenBooks(bolt.Options{Dir: dir}))
	k := must(keyfile.Open(dir))
	accounts := must(account.Open(t.Context(), account.Options{
		Directory: books, Keys: k, Derive: func(secret string) string { return "smtp:" + secret },
	}))
	return accounts, open(t, books, k), func() {
		if err := books.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEverythingIsThereAfterAReopenOfTheRealStore(t *testing.T) {
	dir := t.TempDir()
	accounts, identities, done := real(t, dir)
	shop := must(accounts.Create(t.Context(), account.Account{Name: "shop"}))
	good, _, goodPassword, err := accounts.CreateCredential(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	gone, _, gonePassword, err := accounts.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	must(accounts.Revoke(t.Context(), gone.AccessKeyID))
	made := add(t, identities, shop.ID, "example.org", identity.AddOptions{DKIM: true})
	add(t, identities, shop.ID, "example.org", identity.AddOptions{Verified: true})
	add(t, identities, alice, "example.com", identity.AddOptions{Verified: true})
	if err := identities.Remove(t.Context(), alice, "example.com"); err != nil {
		t.Fatal(err)
	}
	done()

	accounts, identities, done = real(t, dir)
	defer done()
	if _, a, err := accounts.Verify(good.AccessKeyID, goodPassword); err != nil || a != shop {
		t.Errorf("got %+v, %v, want %+v", a, err, shop)
	}
	if _, _, err := accounts.Verify(gone.AccessKeyID, gonePassword); err == nil {
		t.Error("the revoked credential works again")
	}
	if i, ok := identities.Covers(shop.ID, must(mail.ParseAddress("a@example.org"))); !ok || !slices.Equal(i.Keys, made.Keys) {
		t.Errorf("got %+v, want the keys of %+v", i, made)
	}
	if list := identities.List(alice); len(list) != 0 {
		t.Errorf("the removed identity is back: %+v", list)
	}
	if keys := must(identities.Keys(t.Context(), shop.ID, identities.KeyRefs(shop.ID, "example.org"))); len(keys) != 1 {
		t.Errorf("%d keys, want 1", len(keys))
	}
}
