package egress_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery/egress"
)

func TestOnlyPublicAddressesAreConnectedTo(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/64")}
	own := []netip.Addr{netip.MustParseAddr("8.8.4.4"), netip.MustParseAddr("2a00::25")}
	g := egress.NewGuard(allow, own)
	for addr, ok := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "172.15.255.255": true, "172.32.0.0": true, "100.63.255.255": true, "100.128.0.0": true,
		"2a00::26": true, "2606:4700::1111": true, "2001:4860::1": true,
		"10.1.2.3": true, "fd00:1::25": true, // allowed by the operator
		"8.8.4.4": false, "2a00::25": false, // ourselves
		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "10.2.0.1": false, "100.64.0.1": false, "100.127.255.255": false,
		"127.0.0.1": false, "127.255.255.255": false, "169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.0.0.8": false, "192.0.2.1": false, "192.88.99.1": false, "192.168.1.1": false, "198.18.0.1": false, "198.19.255.255": false,
		"198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::7f00:1": false, "::ffff:127.0.0.1": false, "::ffff:8.8.8.8": false, "::ffff:10.1.2.3": false,
		"::ffff:0:7f00:1": false, "64:ff9b::7f00:1": false, "64:ff9b::808:808": false, "64:ff9b:1::1": false, "100::1": false,
		"2001::1": false, "2001:0:53aa:64c::1": false, "2001:db8::1": false, "2002:7f00:1::": false, "2002:808:808::1": false,
		"3fff::1": false, "5f00::1": false, "fc00::1": false, "fd00:2::1": false, "fe80::1": false, "fe80::1%eth0": false,
		"fec0::1": false, "ff02::1": false, "4000::1": false, "2a00::26%eth0": false,
	} {
		err := g.Check(netip.MustParseAddr(addr))
		if (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
		var f *egress.Forbidden
		if err != nil && !errors.As(err, &f) {
			t.Errorf("%s: %T", addr, err)
		}
	}
	if g.Check(netip.Addr{}) == nil {
		t.Error("no address at all is allowed")
	}
}

func TestOurOwnInterfacesAreRefused(t *testing.T) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	g := egress.NewGuard(nil, nil)
	for _, a := range list {
		ip, _ := netip.AddrFromSlice(a.(*net.IPNet).IP)
		if g.Check(ip.Unmap()) == nil {
			t.Errorf("%s is allowed", ip)
		}
	}
}

func source(name, addr, pool string) egress.Source {
	return egress.Source{Name: name, Addr: netip.MustParseAddr(addr), Pool: pool}
}

func TestSourcesTakeTurns(t *testing.T) {
	s, err := egress.NewSources("mta.example.com", []egress.Source{
		source("a", "8.8.8.1", ""), source("b", "8.8.8.2", "default"), source("c", "2a00::3", ""),
		source("d", "8.8.8.4", "bulk"), source("e", "2a00::5", "six"),
	})
	if err != nil {
		t.Fatal(err)
	}
	name := func(src *egress.Source) string {
		if src == nil {
			return "-"
		}
		return src.Name
	}
	for _, tc := range []struct{ pool, want string }{
		{"", "a/c"}, {"default", "b/c"}, {"", "a/c"}, {"bulk", "d/-"}, {"bulk", "d/-"}, {"six", "-/e"}, {"unknown", "b/c"},
	} {
		v4, v6 := s.Pick(tc.pool, site)
		if got := name(v4) + "/" + name(v6); got != tc.want {
			t.Errorf("pool %q: %s, want %s", tc.pool, got, tc.want)
		}
	}
	if v4, _ := s.Pick("bulk", site); v4.EHLO != "mta.example.com" {
		t.Errorf("EHLO %q", v4.EHLO)
	}
}

func TestWithoutSourcesTheKernelChooses(t *testing.T) {
	s, err := egress.NewSources("mta.example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	v4, v6 := s.Pick("any", site)
	if v4 == nil || v4.Addr.IsValid() || v4.EHLO != "mta.example.com" || v6 != nil {
		t.Errorf("sources %+v, %+v", v4, v6)
	}
}

func TestBadSourcesAreErrors(t *testing.T) {
	for name, list := range map[string][]egress.Source{
		"no name":        {source("", "8.8.8.1", "")},
		"the same names": {source("a", "8.8.8.1", ""), source("a", "8.8.8.2", "")},
		"no address":     {{Name: "a"}},
		"any address":    {source("a", "0.0.0.0", "")},
	} {
		if _, err := egress.NewSources("mta.example.com", list); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func ExampleLimiter() {
	l := egress.NewLimiter(egress.LimiterOptions{})
	now := time.Unix(0, 0)
	slots, _ := l.Allow("mx.example.org", now)
	fmt.Println("at first", slots)
	for range 5 {
		l.Report("mx.example.org", now, egress.Success)
	}
	slots, _ = l.Allow("mx.example.org", now)
	fmt.Println("after a round of successes", slots)
	l.Report("mx.example.org", now, egress.Busy)
	slots, _ = l.Allow("mx.example.org", now)
	fmt.Println("after a 421", slots)
	// Output:
	// at first 5
	// after a round of successes 6
	// after a 421 3
}
