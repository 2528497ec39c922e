package account_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/mail"
)

func address(t testing.TB, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return a
}

func normal(t testing.TB, terms account.Terms) account.Terms {
	t.Helper()
	n, err := terms.Normal()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAPatternCoversWhatItSaysAndNothingElse(t *testing.T) {
	tests := []struct {
		pattern, address string
		want             bool
	}{
		{"news@example.org", "news@example.org", true},
		{"News@Example.ORG", "nEWS@example.org", true},
		{"news@example.org", "news+label@example.org", false},
		{"news@example.org", "anews@example.org", false},
		{"example.org", "anyone@example.org", true},
		{"example.org", "anyone@sub.example.org", false},
		{"*@example.org", "anyone@example.org", true},
		{"*@*.example.org", "a@sub.example.org", true},
		{"*@*.example.org", "a@deep.sub.example.org", true},
		{"*@*.example.org", "a@example.org", false},
		{"*@*.example.org", "a@evilexample.org", false},
		{"bounce+*@example.org", "bounce+17@example.org", true},
		{"bounce+*@example.org", "bounce@example.org", false},
		{"a*b*c@example.org", "aXbYc@example.org", true},
		{"a*b*c@example.org", "acb@example.org", false},
		{"a*a@example.org", "a@example.org", false},
		{"*", "a@example.org", true},
		// A quoted local part may hold an @ and is still no other address.
		{"*@example.org", `"x@example.org"@example.com`, false},
		{"*@example.org", `"x@evil.example.com"@example.org`, true},
		{"x@example.org", `"x"@example.org`, true},
		{"*@example.org", "a@example.org.example.com", false},
		{"*@192.0.2.1.example.org", "a@[192.0.2.1]", false},
	}
	for _, tt := range tests {
		terms := normal(t, account.Terms{From: []string{tt.pattern}})
		if got := terms.MayFrom(address(t, tt.address)); got != tt.want {
			t.Errorf("%s covers %s: %v", tt.pattern, tt.address, got)
		}
	}
}

func TestTermsWithoutListsAllowEverything(t *testing.T) {
	var none account.Terms
	if !none.MayFrom(address(t, "a@example.org")) || !none.MayTo("example.org") || !none.MayConnect(netip.MustParseAddr("192.0.2.1")) {
		t.Error("empty terms narrow")
	}
}

func TestRecipientDomainsAndNetworks(t *testing.T) {
	terms := normal(t, account.Terms{
		RecipientDomains: []string{"Example.net", "*.example.com"},
		Networks:         []netip.Prefix{netip.MustParsePrefix("192.0.2.77/24"), netip.MustParsePrefix("2001:db8::/32")},
	})
	for domain, want := range map[string]bool{
		"example.net": true, "sub.example.net": false, "a.example.com": true, "example.com": false, "example.org": false, "[192.0.2.1]": false,
	} {
		if got := terms.MayTo(domain); got != want {
			t.Errorf("to %s: %v", domain, got)
		}
	}
	for client, want := range map[string]bool{
		"192.0.2.1": true, "::ffff:192.0.2.1": true, "192.0.3.1": false, "2001:db8::1": true, "2001:db9::1": false,
	} {
		if got := terms.MayConnect(netip.MustParseAddr(client)); got != want {
			t.Errorf("client %s: %v", client, got)
		}
	}
	if terms.MayConnect(netip.Addr{}) {
		t.Error("a client without an address is in a network")
	}
}

func TestTermsThatMakeNoSenseAreRefused(t *testing.T) {
	tests := []struct {
		name  string
		terms account.Terms
	}{
		{"an empty pattern", account.Terms{From: []string{""}}},
		{"a pattern without a domain", account.Terms{From: []string{"a@"}}},
		{"a pattern without a local part", account.Terms{From: []string{"@example.org"}}},
		{"white space", account.Terms{From: []string{"a b@example.org"}}},
		{"two addresses", account.Terms{From: []string{"a@example.org,b@example.org"}}},
		{"quotes", account.Terms{From: []string{`"a"@example.org`}}},
		{"a line end", account.Terms{From: []string{"a@example.org\n"}}},
		{"a bad domain", account.Terms{RecipientDomains: []string{"exa mple.org"}}},
		{"no network", account.Terms{Networks: []netip.Prefix{{}}}},
		{"a bad name of a set", account.Terms{ConfigurationSet: "a b"}},
		{"a long name of a set", account.Terms{ConfigurationSet: strings.Repeat("a", 65)}},
		{"a tag without a name", account.Terms{Tags: []account.Tag{{Value: "b"}}}},
		{"a tag without a value", account.Terms{Tags: []account.Tag{{Name: "a"}}}},
		{"a tag with a line end", account.Terms{Tags: []account.Tag{{Name: "a", Value: "b\r\nX: y"}}}},
		{"a tag that is reserved", account.Terms{Tags: []account.Tag{{Name: "ses:source-ip", Value: "b"}}}},
		{"too many", account.Terms{From: make([]string, 51)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.terms.Normal(); !errors.Is(err, account.ErrTerms) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzTerms checks that whatever is taken as a pattern is kept as it is the
// second time, and never covers an address of another domain than it names.
func FuzzTerms(f *testing.F) {
	for _, s := range []string{"*@example.org", "example.org", "a*b@*.example.org", "*", "@", `"a@b"@example.org`} {
		f.Add(s, "a@example.org")
	}
	f.Fuzz(func(t *testing.T, pattern, from string) {
		terms, err := account.Terms{From: []string{pattern}}.Normal()
		if err != nil {
			return
		}
		again, err := terms.Normal()
		if err != nil || again.From[0] != terms.From[0] {
			t.Fatalf("%q became %q, %v", terms.From, again.From, err)
		}
		a, err := mail.ParseAddress(from)
		if err != nil {
			return
		}
		_, domain, _ := strings.Cut(terms.From[0], "@")
		if terms.MayFrom(a) && !strings.Contains(domain, "*") && domain != a.Domain() {
			t.Errorf("%q covers %s", terms.From[0], a)
		}
	})
}
