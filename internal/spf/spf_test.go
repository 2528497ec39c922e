package spf_test

import (
	"net/netip"
	"testing"

	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/internal/spf"
	"github.com/sesame-mta/sesame/internal/testdns"
)

func TestCheckReadsTheRecordAsAReceiverDoes(t *testing.T) {
	dns := testdns.New(t, `
		a.example.org TXT "v=spf1 a -all"
		a.example.org A 192.0.2.1
		a.example.org AAAA 2001:db8::1
		mx.example.org TXT "v=spf1 mx ~all"
		mx.example.org MX 10 a.example.org
		ptr.example.org TXT "v=spf1 ptr ?all"
		1.2.0.192.in-addr.arpa PTR host.ptr.example.org.
		host.ptr.example.org A 192.0.2.1
		include.example.org TXT "v=spf1 include:a.example.org -all"
		broken.example.org TXT "v=spf1 nonsense -all"
		two.example.org TXT "v=spf1 -all"
		two.example.org TXT "v=spf1 a -all"
		other.example.org TXT "hello"
		down.example.org TXT "v=spf1 a -all"`)
	dns.Fault("down.example.org", testdns.ServFail())
	r, err := resolver.New(resolver.Options{Servers: []string{dns.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, tt := range []struct {
		domain, addr string
		want         spf.Result
	}{
		{"a.example.org", "192.0.2.1", spf.Pass},
		{"a.example.org", "2001:db8::1", spf.Pass},
		{"a.example.org", "::ffff:192.0.2.1", spf.Pass},
		{"a.example.org", "192.0.2.2", spf.Fail},
		{"mx.example.org", "192.0.2.1", spf.Pass},
		{"mx.example.org", "192.0.2.2", spf.SoftFail},
		{"ptr.example.org", "192.0.2.1", spf.Pass},
		{"ptr.example.org", "192.0.2.9", spf.Neutral},
		{"include.example.org", "192.0.2.1", spf.Pass},
		{"broken.example.org", "192.0.2.1", spf.PermError},
		{"two.example.org", "192.0.2.1", spf.PermError},
		{"other.example.org", "192.0.2.1", spf.None},
		{"none.example.org", "192.0.2.1", spf.None},
		{"down.example.org", "192.0.2.1", spf.TempError},
	} {
		if got, err := spf.Check(t.Context(), r, netip.MustParseAddr(tt.addr), tt.domain); got != tt.want {
			t.Errorf("%s from %s: %s (%v), want %s", tt.domain, tt.addr, got, err, tt.want)
		}
	}
}
