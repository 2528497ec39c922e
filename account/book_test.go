package account_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/internal/keyfile"
)

// derive stands for auth/sigv4, which the books do not know.
func derive(secret string) string { return "smtp:" + secret }

func keys(t *testing.T) *keyfile.File {
	t.Helper()
	k, err := keyfile.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t *testing.T, dir account.Directory, k *keyfile.File) *account.Book {
	t.Helper()
	b, err := account.Open(t.Context(), account.Options{Directory: dir, Keys: k, Derive: derive})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheDefaultAccountExistsFromTheStart(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	for range 2 { // the second open finds it
		b := open(t, dir, k)
		a, err := b.Lookup("default")
		if err != nil {
			t.Fatal(err)
		}
		if a.ID != "000000000001" || !a.Production || a.MaxDay != 0 || a.MaxRate != 0 || a.Created.IsZero() {
			t.Errorf("got %+v", a)
		}
		if n := len(b.Accounts()); n != 1 {
			t.Errorf("%d accounts, want 1", n)
		}
	}
}

func TestAnAccountIsFoundByNameAndIDAfterReopen(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	made, err := open(t, dir, k).Create(t.Context(), account.Account{Name: "shop", Profile: account.ProfileSES, MaxDay: 200, MaxRate: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[1-9][0-9]{11}$`).MatchString(made.ID) {
		t.Errorf("id %q is not 12 digits", made.ID)
	}
	b := open(t, dir, k)
	for _, s := range []string{"shop", made.ID} {
		if got, err := b.Lookup(s); err != nil || got != made {
			t.Errorf("%s: got %+v, %v, want %+v", s, got, err, made)
		}
	}
	if _, err := b.Lookup("shop2"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestAccountsThatCannotBeAreRefused(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	tests := []struct {
		name string
		a    account.Account
		want error
	}{
		{"no name", account.Account{}, account.ErrName},
		{"upper case", account.Account{Name: "Shop"}, account.ErrName},
		{"white space", account.Account{Name: "my shop"}, account.ErrName},
		{"a line end", account.Account{Name: "shop\n"}, account.ErrName},
		{"a path", account.Account{Name: "../shop"}, account.ErrName},
		{"too long", account.Account{Name: strings.Repeat("a", 65)}, account.ErrName},
		{"an id for a name", account.Account{Name: "123456789012"}, account.ErrName},
		{"taken", account.Account{Name: "default"}, account.ErrExists},
		{"unknown profile", account.Account{Name: "shop", Profile: "lax"}, account.ErrProfile},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := b.Create(t.Context(), tt.a); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if n := len(b.Accounts()); n != 1 {
		t.Errorf("%d accounts, want the default alone", n)
	}
}

func TestACredentialHasTheShapeOfAWSAndIsSealed(t *testing.T) {
	dir := &accounttest.Directory{}
	b := open(t, dir, keys(t))
	c, secret, password, err := b.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(c.AccessKeyID) {
		t.Errorf("access key id %q", c.AccessKeyID)
	}
	if len(secret) != 40 || password != derive(secret) {
		t.Errorf("secret %q, password %q", secret, password)
	}
	all, err := dir.Since(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if bytes.Contains(r.Data, []byte(secret)) || bytes.Contains(r.Data, []byte(password)) {
			t.Errorf("the secret is in the clear in %s", r.Name)
		}
	}
	other, secret2, _, err := b.CreateCredential(t.Context(), "default")
	if err != nil || other.AccessKeyID == c.AccessKeyID || secret == secret2 {
		t.Errorf("two credentials are the same: %v, %v", other, err)
	}
}

func TestVerifyTellsNothingButYesOrNo(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := open(t, dir, k)
	shop, err := b.Create(t.Context(), account.Account{Name: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	c, secret, password, err := b.CreateCredential(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	other, _, otherPassword, err := b.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	gone, _, gonePassword, err := b.CreateCredential(t.Context(), shop.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Revoke(t.Context(), gone.AccessKeyID); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*account.Book{b, open(t, dir, k)} { // before and after a restart
		tests := []struct {
			name, user, password string
			want                 error
		}{
			{"right", c.AccessKeyID, password, nil},
			{"wrong password", c.AccessKeyID, password + "x", account.ErrPassword},
			{"empty password", c.AccessKeyID, "", account.ErrPassword},
			{"the secret itself", c.AccessKeyID, secret, account.ErrPassword},
			{"another's password", c.AccessKeyID, otherPassword, account.ErrPassword},
			{"another's name", other.AccessKeyID, password, account.ErrPassword},
			{"name in lower case", strings.ToLower(c.AccessKeyID), password, account.ErrPassword},
			{"unknown", "AKIAAAAAAAAAAAAAAAAA", password, account.ErrPassword},
			{"unknown and empty", "AKIAAAAAAAAAAAAAAAAA", "", account.ErrPassword},
			{"nothing at all", "", "", account.ErrPassword},
			{"account name", "shop", password, account.ErrPassword},
			{"revoked", gone.AccessKeyID, gonePassword, account.ErrPassword},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				gotC, gotA, err := b.Verify(tt.user, tt.password)
				// The very value: nothing is wrapped that could tell more.
				if !errors.Is(err, tt.want) || err != nil && err.Error() != tt.want.Error() {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if tt.want == nil && (gotC.AccessKeyID != c.AccessKeyID || gotA.ID != shop.ID) {
					t.Errorf("got %+v, %+v", gotC, gotA)
				}
				if tt.want != nil && (gotC.AccessKeyID != "" || gotA != account.Account{}) {
					t.Errorf("a refusal came with %+v, %+v", gotC, gotA)
				}
			})
		}
	}
}

func TestRevokeIsForGoodAndMayBeRepeated(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := open(t, dir, k)
	c, _, _, err := b.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	first, err := b.Revoke(t.Context(), c.AccessKeyID)
	if err != nil || !first.Revoked() {
		t.Fatalf("got %+v, %v", first, err)
	}
	again, err := open(t, dir, k).Revoke(t.Context(), c.AccessKeyID)
	if err != nil || again.RevokedAt != first.RevokedAt {
		t.Errorf("got %+v, %v, want %+v", again, err, first)
	}
	if _, err := b.Revoke(t.Context(), "AKIAAAAAAAAAAAAAAAAA"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestCredentialsAreListedForTheirAccountAlone(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	if _, err := b.Create(t.Context(), account.Account{Name: "shop"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shop", "default", "shop"} {
		if _, _, _, err := b.CreateCredential(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"": 3, "shop": 2, "default": 1, account.DefaultID: 1} {
		list, err := b.ListCredentials(name)
		if err != nil || len(list) != want {
			t.Errorf("%q: %d credentials, %v, want %d", name, len(list), err, want)
		}
	}
	if _, err := b.ListCredentials("nobody"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, _, _, err := b.CreateCredential(t.Context(), "nobody"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestAChangeThatIsNotKeptIsNotSeen(t *testing.T) {
	dir := &accounttest.Directory{}
	b := open(t, dir, keys(t))
	c, _, password, err := b.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk is gone")
	dir.Fail(broken)
	if _, err := b.Create(t.Context(), account.Account{Name: "shop"}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, _, _, err := b.CreateCredential(t.Context(), "default"); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Revoke(t.Context(), c.AccessKeyID); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Lookup("shop"); err == nil {
		t.Error("an account that was not kept is there")
	}
	if list, _ := b.ListCredentials(""); len(list) != 1 {
		t.Errorf("%d credentials, want 1", len(list))
	}
	if _, _, err := b.Verify(c.AccessKeyID, password); err != nil {
		t.Errorf("the credential was revoked in memory only: %v", err)
	}
}

func TestASecretMovedToAnotherPlaceIsRefusedAtOpen(t *testing.T) {
	tests := []struct {
		name string
		move func(*account.Record)
	}{
		{"to another account", func(r *account.Record) { r.Account = account.DefaultID }},
		{"to another name", func(r *account.Record) { r.Name = "AKIAAAAAAAAAAAAAAAAA" }},
		{"an unknown form", func(r *account.Record) { r.Data = []byte(`{"v":9}`) }},
		{"no JSON", func(r *account.Record) { r.Data = []byte("\x00") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, k := &accounttest.Directory{}, keys(t)
			b := open(t, dir, k)
			shop, err := b.Create(t.Context(), account.Account{Name: "shop"})
			if err != nil {
				t.Fatal(err)
			}
			c, _, _, err := b.CreateCredential(t.Context(), "shop")
			if err != nil {
				t.Fatal(err)
			}
			r, err := dir.Get(t.Context(), account.KindCredential, shop.ID, c.AccessKeyID)
			if err != nil {
				t.Fatal(err)
			}
			if err := dir.Delete(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			tt.move(&r)
			r.Version = 0
			if _, err := dir.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if _, err := account.Open(t.Context(), account.Options{Directory: dir, Keys: k, Derive: derive}); err == nil {
				t.Error("opened")
			}
		})
	}
}

func TestBooksDoNotOpenWithAnotherKeyFile(t *testing.T) {
	dir := &accounttest.Directory{}
	if _, _, _, err := open(t, dir, keys(t)).CreateCredential(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	_, err := account.Open(t.Context(), account.Options{Directory: dir, Keys: keys(t), Derive: derive})
	if err == nil || !strings.Contains(err.Error(), "key file") {
		t.Errorf("got %v, want one that names the key file", err)
	}
}

func TestMoreRecordsThanAPageAreAllRead(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := open(t, dir, k)
	const n = 2000 // two full pages: the border case
	for range n {
		if _, _, _, err := b.CreateCredential(t.Context(), "default"); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := open(t, dir, k).ListCredentials(""); err != nil || len(list) != n {
		t.Errorf("%d credentials after reopen, %v, want %d", len(list), err, n)
	}
}

func ExampleBook_Verify() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	k, err := keyfile.Open(dir)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	book, err := account.Open(ctx, account.Options{Directory: &accounttest.Directory{}, Keys: k, Derive: derive})
	if err != nil {
		panic(err)
	}
	c, _, password, err := book.CreateCredential(ctx, "default")
	if err != nil {
		panic(err)
	}
	_, a, err := book.Verify(c.AccessKeyID, password)
	fmt.Println(a.ID, err)
	_, _, err = book.Verify(c.AccessKeyID, "guess")
	fmt.Println(err)
	// Output:
	// 000000000001 <nil>
	// no such credential, or another password
}
