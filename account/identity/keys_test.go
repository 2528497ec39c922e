package identity_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/dkim"
	"github.com/sesame-mta/sesame/internal/keyfile"
)

// privateOctets gives the part of a private key that nobody must see.
func privateOctets(t *testing.T, private crypto.Signer) []byte {
	t.Helper()
	switch k := private.(type) {
	case *rsa.PrivateKey:
		return k.D.Bytes()[8:40]
	case ed25519.PrivateKey:
		return k.Seed()
	}
	t.Fatalf("a %T", private)
	return nil
}

var base64Text = regexp.MustCompile(`[A-Za-z0-9+/]{40,}=*`)

// unbase64 gives everything in data that looks like base64, decoded.
func unbase64(data []byte) []byte {
	var out []byte
	for _, s := range base64Text.FindAll(data, -1) {
		raw, _ := base64.StdEncoding.DecodeString(string(s))
		out = append(out, raw...)
	}
	return out
}

func TestKeysComeFromTheNearestVerifiedDomain(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	both := identity.AddOptions{Verified: true, DKIM: true, Ed25519: true}
	parent := add(t, b, alice, "example.com", both)
	child := add(t, b, alice, "sub.example.com", identity.AddOptions{Verified: true, DKIM: true})
	add(t, b, alice, "silent.example.com", identity.AddOptions{Verified: true})
	add(t, b, alice, "pending.example.com", identity.AddOptions{DKIM: true})
	address := add(t, b, alice, "user@example.org", both)
	if len(address.Keys) != 0 {
		t.Errorf("an address has keys: %+v", address.Keys)
	}
	if len(parent.Keys) != 2 || parent.Keys[0].Algorithm != dkim.RSA || parent.Keys[1].Algorithm != dkim.Ed25519 || len(child.Keys) != 1 {
		t.Fatalf("keys: %+v, %+v", parent.Keys, child.Keys)
	}
	tests := []struct {
		domain string
		want   identity.Identity
	}{
		{"example.com", parent}, {"a.b.example.com", parent}, {"pending.example.com", parent},
		{"sub.example.com", child}, {"x.sub.example.com", child},
		{"silent.example.com", identity.Identity{}}, {"x.silent.example.com", identity.Identity{}},
		{"example.org", identity.Identity{}}, {"evilexample.com", identity.Identity{}}, {"com", identity.Identity{}},
		{"[192.0.2.1]", identity.Identity{}}, {"", identity.Identity{}},
	}
	for _, tt := range tests {
		var want []string
		for _, k := range tt.want.Keys {
			want = append(want, tt.want.Name+"/"+k.Selector)
		}
		if got := b.KeyRefs(alice, tt.domain); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", tt.domain, got, want)
		}
		if got := b.KeyRefs(bob, tt.domain); len(got) != 0 {
			t.Errorf("%s: bob got %v", tt.domain, got)
		}
	}
}

func TestPrivateKeysFitTheirRecordsAfterReopen(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	made := add(t, open(t, dir, k), alice, "example.com", identity.AddOptions{Verified: true, DKIM: true, Ed25519: true})
	b := open(t, dir, k)
	refs := b.KeyRefs(alice, "example.com")
	got := must(b.Keys(t.Context(), alice, refs))
	if len(got) != 2 {
		t.Fatalf("%d keys, want 2", len(got))
	}
	for n, key := range got {
		if txt := must(dkim.TXT(key.Private.Public())); txt != made.Keys[n].TXT {
			t.Errorf("published %s, but the key is %s", made.Keys[n].TXT, txt)
		}
		if key.Domain != "example.com" || key.Selector != made.Keys[n].Selector || key.Algorithm != made.Keys[n].Algorithm {
			t.Errorf("got %+v", key)
		}
		if !regexp.MustCompile(`^s\d{8}[a-z2-7]{4}[re]$`).MatchString(key.Selector) {
			t.Errorf("selector %q", key.Selector)
		}
	}
	again := must(b.Keys(t.Context(), alice, refs))
	if got[0] != again[0] || got[1] != again[1] {
		t.Error("the second time the keys were parsed again")
	}
	if err := b.Remove(t.Context(), alice, "example.com"); err != nil {
		t.Fatal(err)
	}
	if left, err := b.Keys(t.Context(), alice, refs); err != nil || len(left) != 0 {
		t.Errorf("after removal: %v, %v", left, err)
	}
	anew := add(t, b, alice, "example.com", identity.AddOptions{Verified: true, DKIM: true})
	if anew.Keys[0].Selector == made.Keys[0].Selector {
		t.Error("the new key has the old selector")
	}
}

func TestANoticeIsSignedWithTheServersOwnKeys(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	add(t, b, account.SystemID, "mx1.example.com", identity.AddOptions{Verified: true, DKIM: true})
	got := must(b.Keys(t.Context(), alice, b.KeyRefs(account.SystemID, "mx1.example.com")))
	if len(got) != 1 || got[0].Domain != "mx1.example.com" {
		t.Errorf("got %+v", got)
	}
	if refs := b.KeyRefs(alice, "mx1.example.com"); len(refs) != 0 {
		t.Errorf("an account signs as the server: %v", refs)
	}
}

func TestReferencesThatNameNothingGiveNoKeys(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	add(t, b, alice, "example.com", identity.AddOptions{Verified: true})
	got, err := b.Keys(t.Context(), alice, []string{"", "/", "example.com", "example.com/", "example.com/s1", "a/b/c"})
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAKeyMovedToAnotherAccountDoesNotOpen(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	add(t, open(t, dir, k), alice, "example.com", identity.AddOptions{Verified: true, DKIM: true})
	r := must(dir.Get(t.Context(), account.KindIdentity, alice, "example.com"))
	r.Account, r.Version = bob, 0
	must(dir.Put(t.Context(), r))
	b := open(t, dir, k)
	if got, err := b.Keys(t.Context(), bob, b.KeyRefs(bob, "example.com")); err == nil {
		t.Errorf("bob signs with alice's key: %v", got)
	}
	b = open(t, dir, keys(t))
	if got, err := b.Keys(t.Context(), alice, b.KeyRefs(alice, "example.com")); err == nil {
		t.Errorf("opened with another key file: %v", got)
	}
}

func TestHostRecordsSayWhatReceiversLookFor(t *testing.T) {
	b := must(identity.Open(t.Context(), identity.Options{
		Directory: &accounttest.Directory{}, Keys: keys(t), Host: "mx1.example.com",
		Sources: []identity.Source{
			{Address: netip.MustParseAddr("192.0.2.10"), EHLO: "a.mx.example.com"},
			{Address: netip.MustParseAddr("2001:db8::1")},
		},
	}))
	own := add(t, b, account.SystemID, "mx1.example.com", identity.AddOptions{Verified: true, DKIM: true})
	if len(b.List("")) != 0 {
		t.Error("the server's own identity is listed with those of accounts")
	}
	want := []identity.Record{
		{Name: "mx1.example.com", Type: "MX", Value: "10 mx1.example.com"},
		{Name: "mx1.example.com", Type: "TXT", Value: "v=spf1 a ip4:192.0.2.10 ip6:2001:db8::1 -all"},
		{Name: "a.mx.example.com", Type: "TXT", Value: "v=spf1 a -all"},
		{Name: "10.2.0.192.in-addr.arpa", Type: "PTR", Value: "a.mx.example.com"},
		{Name: "1." + strings.Repeat("0.", 23) + "8.b.d.0.1.0.0.2.ip6.arpa", Type: "PTR", Value: "mx1.example.com"},
		{Name: own.Keys[0].Selector + "._domainkey.mx1.example.com", Type: "TXT", Value: own.Keys[0].TXT},
	}
	if got := b.HostRecords(); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	b = must(identity.Open(t.Context(), identity.Options{Directory: &accounttest.Directory{}, Keys: keys(t), Host: "mx1.example.com",
		Service: "mail.example.com", Feedback: "fb.example.com"}))
	for _, r := range []identity.Record{{Name: "mail.example.com", Type: "MX", Value: "10 fb.example.com"},
		{Name: "mail.example.com", Type: "TXT", Value: "v=spf1 a:mx1.example.com ~all"}} {
		if got := b.HostRecords(); !slices.Contains(got, r) {
			t.Errorf("no %+v in %+v", r, got)
		}
	}
}

func TestRecordsWithoutAServiceDomain(t *testing.T) {
	b := must(identity.Open(t.Context(), identity.Options{
		Directory: &accounttest.Directory{}, Keys: keys(t), Host: "mx1.example.com",
		Sources: []identity.Source{{Address: netip.MustParseAddr("192.0.2.10")}, {Address: netip.MustParseAddr("2001:db8::1")}},
	}))
	got := b.Records(add(t, b, alice, "example.org", identity.AddOptions{Verified: true}))
	if got[0].Value != "v=spf1 a:mx1.example.com ip4:192.0.2.10 ip6:2001:db8::1 ~all" {
		t.Errorf("got %+v", got)
	}
}

func ExampleBook_Records() {
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
	book, err := identity.Open(ctx, identity.Options{Directory: &accounttest.Directory{}, Keys: k, Host: "mx1.example.com"})
	if err != nil {
		panic(err)
	}
	i, err := book.Add(ctx, account.DefaultID, "example.org", identity.AddOptions{Verified: true})
	if err != nil {
		panic(err)
	}
	for _, r := range book.Records(i) {
		fmt.Println(r.Name, r.Type, r.Value)
	}
	// Output:
	// example.org TXT v=spf1 a:mx1.example.com ~all
	// _dmarc.example.org TXT v=DMARC1; p=none
}
