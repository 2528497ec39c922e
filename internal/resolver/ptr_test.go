package resolver_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/internal/testdns"
)

func TestPTRGivesTheNamesOfAnAddress(t *testing.T) {
	dns := testdns.New(t, `
		10.2.0.192.in-addr.arpa PTR MX1.example.org.
		10.2.0.192.in-addr.arpa PTR www.example.org.
		11.2.0.192.in-addr.arpa CNAME 11.0-31.2.0.192.in-addr.arpa.
		11.0-31.2.0.192.in-addr.arpa PTR mx2.example.org.
		1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mx6.example.org.`)
	r, err := resolver.New(resolver.Options{Servers: []string{dns.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for addr, want := range map[string][]string{
		"192.0.2.10":        {"mx1.example.org", "www.example.org"},
		"::ffff:192.0.2.10": {"mx1.example.org", "www.example.org"},
		"192.0.2.11":        {"mx2.example.org"}, // RFC 2317
		"2001:db8::1":       {"mx6.example.org"},
	} {
		got, _, err := r.PTR(t.Context(), netip.MustParseAddr(addr))
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", addr, got, err)
		}
	}
	if _, _, err := r.PTR(t.Context(), netip.MustParseAddr("192.0.2.12")); resolver.KindOf(err) != resolver.NotFound {
		t.Errorf("an address without name: %v", err)
	}
	if _, _, err := r.PTR(t.Context(), netip.Addr{}); resolver.KindOf(err) != resolver.BadName {
		t.Errorf("no address: %v", err)
	}
	if !r.Local() {
		t.Error("a server on loopback is not local")
	}
	far, err := resolver.New(resolver.Options{Servers: []string{dns.Addr, "192.0.2.53:53"}})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if far.Local() {
		t.Error("a server elsewhere is local")
	}
}
