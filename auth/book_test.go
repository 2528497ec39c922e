package auth_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/auth/sigv4"
	"github.com/sesame-mta/sesame/internal/keyfile"
)

var client = netip.MustParseAddr("192.0.2.1")

func books(t testing.TB) *account.Book {
	t.Helper()
	k, err := keyfile.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := account.Open(t.Context(), account.Options{
		Directory: &accounttest.Directory{}, Keys: k,
		Derive: func(secret string) string { return sigv4.SMTPPassword(secret, "local-1") },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAuthenticateGivesThePrincipalOrErrInvalid(t *testing.T) {
	b := books(t)
	c, secret, password, err := b.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	gone, _, gonePassword, err := b.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Revoke(t.Context(), gone.AccessKeyID); err != nil {
		t.Fatal(err)
	}
	if want := sigv4.SMTPPassword(secret, "local-1"); password != want {
		t.Errorf("password %s, want %s", password, want)
	}
	tests := []struct {
		name, user, password string
		ok                   bool
	}{
		{"right", c.AccessKeyID, password, true},
		{"wrong", c.AccessKeyID, "guess", false},
		{"of another region", c.AccessKeyID, sigv4.SMTPPassword(secret, "us-east-1"), false},
		{"of the old derivation", c.AccessKeyID, sigv4.SMTPPasswordV2(secret), false},
		{"the secret itself", c.AccessKeyID, secret, false},
		{"unknown", "AKIAAAAAAAAAAAAAAAAA", password, false},
		{"revoked", gone.AccessKeyID, gonePassword, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := auth.NewBook(b, false).Authenticate(t.Context(), tt.user, tt.password, client)
			if !tt.ok {
				if p != nil || !errors.Is(err, auth.ErrInvalid) || errors.Unwrap(err) != nil {
					t.Errorf("got %v, %v", p, err)
				}
				return
			}
			want := auth.Principal{Account: "000000000001", Name: "default", Credential: c.AccessKeyID}
			if err != nil || !reflect.DeepEqual(*p, want) {
				t.Errorf("got %+v, %v, want %+v", p, err, want)
			}
		})
	}
}

func TestTheAccountsProfileGoesBeforeTheFiles(t *testing.T) {
	b := books(t)
	for name, profile := range map[string]account.Profile{"ses": account.ProfileSES, "own": account.ProfileDefault} {
		if _, err := b.Create(t.Context(), account.Account{Name: name, Profile: profile}); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		account      string
		file, strict bool
	}{
		{"default", false, false}, {"default", true, true},
		{"ses", false, true}, {"ses", true, true},
		{"own", false, false}, {"own", true, false},
	}
	for _, tt := range tests {
		a := auth.NewBook(b, tt.file)
		c, _, password, err := b.CreateCredential(t.Context(), tt.account)
		if err != nil {
			t.Fatal(err)
		}
		p, err := a.Authenticate(t.Context(), c.AccessKeyID, password, client)
		if err != nil || p.Strict != tt.strict {
			t.Errorf("%s, file strict %v: got %+v, %v", tt.account, tt.file, p, err)
		}
		trusted, err := a.Trusted(tt.account)
		if err != nil || trusted.Strict != tt.strict || trusted.Account != p.Account || trusted.Credential != "" {
			t.Errorf("trusted %s: got %+v, %v", tt.account, trusted, err)
		}
	}
	if p, err := auth.NewBook(b, false).Trusted("nobody"); err == nil {
		t.Errorf("an account that does not exist is trusted: %+v", p)
	}
}

func ExampleErrInvalid() {
	fmt.Print(string(auth.ErrInvalid.Wire(nil)))
	// Output: 535 Authentication Credentials Invalid
}

// AUTH is to cost microseconds, for a stranger as for a friend.
func BenchmarkAuthenticate(b *testing.B) {
	accounts := books(b)
	c, _, password, err := accounts.CreateCredential(b.Context(), "default")
	if err != nil {
		b.Fatal(err)
	}
	for name, user := range map[string]string{"known": c.AccessKeyID, "unknown": "AKIAAAAAAAAAAAAAAAAA"} {
		b.Run(name, func(b *testing.B) {
			book := auth.NewBook(accounts, false)
			for b.Loop() {
				_, err := book.Authenticate(b.Context(), user, password, client)
				if (err == nil) != (user == c.AccessKeyID) {
					b.Fatal(err)
				}
			}
		})
	}
}
