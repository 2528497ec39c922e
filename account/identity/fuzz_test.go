package identity_test

import (
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/mail"
)

// FuzzCovers looks for an address that is covered by an identity to whose owner
// it does not belong.
func FuzzCovers(f *testing.F) {
	b := open(f, &accounttest.Directory{}, keys(f))
	for _, name := range []string{"example.com", "user@example.org"} {
		add(f, b, alice, name, identity.AddOptions{Verified: true})
	}
	for _, s := range []string{
		"a@example.com", "a@b.example.com", "a@evilexample.com", `"a@example.com"@evil.test`, "user+x@example.org",
		`"user+\"x"@EXAMPLE.org`, "user@[192.0.2.1]", "user@example.org.evil.test", "User@sub.example.org",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := mail.ParseAddress(s)
		if err != nil {
			return
		}
		_, covered := b.Covers(alice, a)
		// The same rule in other words: from the text as it goes over the wire.
		wire := strings.ToLower(a.String())
		at := strings.LastIndexByte(wire, '@')
		local, domain := strings.Trim(wire[:at], `"`), wire[at+1:]
		want := domain == "example.com" || strings.HasSuffix(domain, ".example.com") ||
			domain == "example.org" && (local == "user" || strings.HasPrefix(local, "user+"))
		if covered != want {
			t.Errorf("%s: covered %v, want %v", wire, covered, want)
		}
	})
}
