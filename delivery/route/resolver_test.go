package route_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/internal/testdns"
	"github.com/sesame-mta/sesame/mail"
)

func Example() {
	s, err := testdns.Start(`
		example.org MX 10 mx1.example.org
		example.org MX 20 mx2.example.org
		null.test   MX 0 .`)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	dns, err := resolver.New(resolver.Options{Servers: []string{s.Addr}})
	if err != nil {
		panic(err)
	}
	defer dns.Close()
	routes := route.New(route.Options{DNS: dns, Hostname: "mx.sesame.test"})
	defer routes.Close()

	r, err := routes.Route(context.Background(), "example.org")
	fmt.Println(r.Site, err)
	for _, h := range r.Order(nil) {
		fmt.Println(h.Pref, h.Name)
	}
	_, err = routes.Route(context.Background(), "null.test")
	fmt.Println(err)
	// Output:
	// mx1.example.org,mx2.example.org <nil>
	// 10 mx1.example.org
	// 20 mx2.example.org
	// 556 5.1.10 Recipient domain does not accept mail
}

const zone = `
example.org         MX 20 b.example.net
example.org         MX 10 a.example.net
example.org         MX 20 c.example.net
same.test           MX 5 c.example.net
same.test           MX 5 a.example.net
same.test           MX 7 b.example.net
twice.test          MX 5 a.example.net
twice.test          MX 9 A.EXAMPLE.NET
null.test           MX 0 .
mixed.test          MX 0 .
mixed.test          MX 10 a.example.net
implicit.test       A 198.51.100.7
text.test           TXT "no address"
cname.test          CNAME example.org
cnamehost.test      CNAME implicit.test
dangling.test       MX 10 gone.example.net
literal.test        MX 10 192.0.2.1
odd.test            MX 10 a\@b.example.net
us.test             MX 10 mx.sesame.test
backup.test         MX 10 a.example.net
backup.test         MX 20 MX.Sesame.test
backup.test         MX 20 b.example.net
backup.test         MX 30 c.example.net
usbyaddr.test       MX 10 a.example.net
usbyaddr.test       MX 20 alias.sesame.test
usbyaddr.test       MX 20 c.example.net
alias.sesame.test   A 192.0.2.99
selfaddr.test       A 192.0.2.99
mx.sesame.test      A 192.0.2.99
a.example.net       A 192.0.2.1
b.example.net       A 192.0.2.2
c.example.net       A 192.0.2.3
`

// bubble runs f with a resolver of routes over a name server in memory.
func bubble(t *testing.T, change func(*route.Options), f func(*testing.T, *testdns.Server, *route.Resolver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := testdns.InMemory(zone)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		dns, err := resolver.New(resolver.Options{Servers: []string{"127.0.0.1:53"}, Dial: s.Dial})
		if err != nil {
			t.Fatal(err)
		}
		defer dns.Close()
		o := route.Options{
			DNS:      dns,
			Hostname: "MX.sesame.test.",
			OwnAddrs: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.99")} },
		}
		if change != nil {
			change(&o)
		}
		r := route.New(o)
		defer r.Close()
		f(t, s, r)
	})
}

// show writes a route as one line.
func show(r *route.Route) string {
	var b strings.Builder
	for _, h := range r.Hosts {
		fmt.Fprintf(&b, "%d %s ", h.Pref, h.Name)
	}
	return b.String() + "@ " + r.Site
}

func TestRoutes(t *testing.T) {
	const lookupFailed = "421 4.4.0 Unable to lookup DNS for "
	tests := []struct {
		about  string
		domain string
		want   string // the route, or the reply
		strict string // the reply of the strict profile, where it differs
	}{
		{"hosts by preference", "example.org", "10 a.example.net 20 b.example.net 20 c.example.net @ a.example.net,b.example.net,c.example.net", ""},
		{"case and final dot do not matter", "Example.ORG.", "10 a.example.net 20 b.example.net 20 c.example.net @ a.example.net,b.example.net,c.example.net", ""},
		{"the same hosts make the same site", "same.test", "5 a.example.net 5 c.example.net 7 b.example.net @ a.example.net,b.example.net,c.example.net", ""},
		{"a host that is listed twice counts once", "twice.test", "5 a.example.net @ a.example.net", ""},
		{"null MX", "null.test", "556 5.1.10 Recipient domain does not accept mail", ""},
		{"a null MX beside others is passed over", "mixed.test", "10 a.example.net @ a.example.net", ""},
		{"without MX the domain itself", "implicit.test", "0 implicit.test @ implicit.test", ""},
		{"without MX and address there is nowhere to go", "text.test", "550 5.4.4 Invalid domain", lookupFailed + "text.test"},
		{"a CNAME is followed to the MX", "cname.test", "10 a.example.net 20 b.example.net 20 c.example.net @ a.example.net,b.example.net,c.example.net", ""},
		{"a CNAME to a host without MX", "cnamehost.test", "0 cnamehost.test @ cnamehost.test", ""},
		{"an MX without address never falls back to the domain", "dangling.test", "10 gone.example.net @ gone.example.net", ""},
		{"an address in an MX record is no host", "literal.test", "550 5.4.4 Invalid domain", lookupFailed + "literal.test"},
		{"nor is a name with odd characters", "odd.test", "550 5.4.4 Invalid domain", lookupFailed + "odd.test"},
		{"no such domain", "nowhere.invalid", "550 5.4.4 Invalid domain", lookupFailed + "nowhere.invalid"},
		{"no domain at all", "..", "550 5.4.4 Invalid domain", ""},
		{"ourselves alone", "us.test", "550 5.4.6 Mail for this domain loops back to this host", ""},
		{"ourselves as backup: only better hosts are left", "backup.test", "10 a.example.net @ a.example.net", ""},
		{"ourselves under another name", "usbyaddr.test", "10 a.example.net @ a.example.net", ""},
		{"ourselves without MX", "selfaddr.test", "550 5.4.6 Mail for this domain loops back to this host", ""},
		{"an address literal", "[192.0.2.1]", "550 5.1.2 Address literals are not accepted as destination", ""},
		{"an address literal that is none", "[x-tag:hello]", "550 5.1.2 Address literals are not accepted as destination", ""},
	}
	for _, strict := range []bool{false, true} {
		bubble(t, func(o *route.Options) { o.Strict = strict }, func(t *testing.T, s *testdns.Server, r *route.Resolver) {
			for _, tt := range tests {
				want := tt.want
				if strict && tt.strict != "" {
					want = tt.strict
				}
				rt, err := r.Route(t.Context(), tt.domain)
				var got string
				var reply *mail.Reply
				switch {
				case err == nil:
					got = show(rt)
				case errors.As(err, &reply):
					got = reply.String()
				default:
					got = "not a reply: " + err.Error()
				}
				if got != want {
					t.Errorf("%s (strict %v): got %s, want %s", tt.about, strict, got, want)
				}
			}
			if n := s.Count("dangling.test", "A"); n != 0 {
				t.Errorf("the A record of a domain with MX was asked for")
			}
		})
	}
}

func TestLookupThatFailsIsTransient(t *testing.T) {
	for _, tt := range []struct {
		about string
		name  string
		fault testdns.Fault
	}{
		{"SERVFAIL", "example.org", testdns.ServFail()},
		{"refused", "example.org", testdns.Refused()},
		{"no answer", "example.org", testdns.Timeout()},
		{"no MX, and the address cannot be had", "implicit.test", testdns.ServFail()},
	} {
		t.Run(tt.about, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, s *testdns.Server, r *route.Resolver) {
				if tt.name == "implicit.test" {
					s.Set("implicit.test CNAME host.implicit.test")
					s.Fault("*", testdns.Partial())
					s.Fault("host.implicit.test", tt.fault)
				} else {
					s.Fault(tt.name, tt.fault)
				}
				_, err := r.Route(t.Context(), tt.name)
				var reply *mail.Reply
				if !errors.As(err, &reply) || reply.String() != "421 4.4.0 Unable to lookup DNS for "+tt.name {
					t.Errorf("got %v", err)
				}
				s.Fault("*", testdns.None())
				s.Fault(tt.name, testdns.None())
				s.Fault("host.implicit.test", testdns.None())
				s.Add("host.implicit.test A 192.0.2.1")
				time.Sleep(time.Second)
				if _, err := r.Route(t.Context(), tt.name); err != nil {
					t.Errorf("after it healed: %v", err)
				}
			})
		})
	}
}

func TestCallerWhoGivesUpGetsATransientReply(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *route.Resolver) {
		s.Delay("*", 2*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Route(ctx, "example.org")
		var reply *mail.Reply
		if !errors.As(err, &reply) || !reply.Temporary() || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOwnAddressInAllowedNetworkIsNotOurs(t *testing.T) {
	allow := func(o *route.Options) { o.AllowNetworks = []netip.Prefix{netip.MustParsePrefix("192.0.2.96/28")} }
	bubble(t, allow, func(t *testing.T, _ *testdns.Server, r *route.Resolver) {
		if rt, err := r.Route(t.Context(), "selfaddr.test"); err != nil || len(rt.Hosts) != 1 {
			t.Errorf("got %v, %v", rt, err)
		}
	})
}

func TestHostThatCannotBeLookedUpIsNotOurs(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *route.Resolver) {
		s.Fault("alias.sesame.test", testdns.ServFail())
		if rt, err := r.Route(t.Context(), "usbyaddr.test"); err != nil || len(rt.Hosts) != 3 {
			t.Errorf("got %v, %v", rt, err)
		}
	})
}

func TestLiteralInAllowedNetworkIsAHost(t *testing.T) {
	allow := func(o *route.Options) {
		o.AllowNetworks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	}
	bubble(t, allow, func(t *testing.T, _ *testdns.Server, r *route.Resolver) {
		for _, tt := range []struct{ domain, addr string }{
			{"[192.0.2.1]", "192.0.2.1"},
			{"[IPv6:2001:DB8::7]", "2001:db8::7"},
			{"[IPv6:::ffff:192.0.2.1]", "192.0.2.1"},
			{"[198.51.100.1]", ""},
			{"[IPv6:2001:db9::7]", ""},
		} {
			rt, err := r.Route(t.Context(), tt.domain)
			if tt.addr == "" {
				if err == nil {
					t.Errorf("%s was accepted", tt.domain)
				}
				continue
			}
			if err != nil || rt.Hosts[0].Addr.String() != tt.addr || rt.Trusted {
				t.Errorf("%s: got %+v, %v", tt.domain, rt, err)
			}
		}
	})
}

func TestSmarthostTakesEverything(t *testing.T) {
	smart := func(o *route.Options) {
		o.DNS = nil
		o.Smarthost = &route.Host{Name: "smart.example.net", Port: 2525}
	}
	bubble(t, smart, func(t *testing.T, _ *testdns.Server, r *route.Resolver) {
		for _, domain := range []string{"example.org", "nowhere.invalid", "[127.0.0.1]"} {
			rt, err := r.Route(t.Context(), domain)
			if err != nil || !rt.Trusted || rt.Site != "smart.example.net:2525" || rt.Hosts[0].Port != 2525 {
				t.Errorf("%s: got %+v, %v", domain, rt, err)
			}
		}
	})
}

func TestRouteIsRememberedAndSharedByCallers(t *testing.T) {
	metrics := prometheus.NewRegistry()
	with := func(o *route.Options) { o.Metrics = metrics }
	bubble(t, with, func(t *testing.T, s *testdns.Server, r *route.Resolver) {
		s.Delay("example.org", time.Second)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := r.Route(t.Context(), "example.org"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		want := `
			# HELP sesame_delivery_routes_total Routes looked up, by what was found.
			# TYPE sesame_delivery_routes_total counter
			sesame_delivery_routes_total{result="mx"} 1
		`
		if err := testutil.GatherAndCompare(metrics, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	})
}

func TestRouteEndsWithItsTTLWithinBounds(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *route.Resolver) {
		s.Set("short.test 1 MX 10 a.example.net\nmiddle.test 600 MX 10 a.example.net\nlong.test 86400 MX 10 a.example.net")
		for name, want := range map[string]time.Duration{
			"short.test": time.Minute, "middle.test": 10 * time.Minute, "long.test": time.Hour,
		} {
			rt, err := r.Route(t.Context(), name)
			if err != nil || time.Until(rt.Expires) != want {
				t.Errorf("%s: got %v, %v, want %v", name, time.Until(rt.Expires), err, want)
			}
		}
		s.Set("short.test 1 MX 10 b.example.net")
		time.Sleep(time.Minute)
		if rt, err := r.Route(t.Context(), "short.test"); err != nil || rt.Hosts[0].Name != "b.example.net" {
			t.Errorf("a change is not seen: %+v, %v", rt, err)
		}
	})
}

func TestHugeSetOfHostsIsBounded(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *route.Resolver) {
		for i := range 90 {
			s.Add(fmt.Sprintf("huge.test MX %d host-%02d.a-rather-long-name.example.net", 100-i, i))
			s.Add(fmt.Sprintf("equal.test MX 5 host-%02d.a-rather-long-name.example.net", i))
		}
		rt, err := r.Route(t.Context(), "huge.test")
		if err != nil || len(rt.Hosts) != route.MaxHosts || rt.Hosts[0].Pref != 11 || len(rt.Site) > 200 {
			t.Errorf("got %+v, %v", rt, err)
		}
		other, err := r.Route(t.Context(), "equal.test")
		if err != nil || len(other.Hosts) != route.MaxHosts || other.Site == rt.Site {
			t.Errorf("got %+v, %v", other, err)
		}
	})
}

func TestLongSitesDifferWhenOneHostDoes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *route.Resolver) {
		sites := make(map[string]bool)
		for _, domain := range []string{"one.test", "two.test", "three.test"} {
			for i := range 9 {
				s.Add(fmt.Sprintf("%s MX 5 host-%d.a-rather-long-name.example.net", domain, i))
			}
		}
		s.Add("one.test MX 5 other-1.example.net\ntwo.test MX 5 other-2.example.net\nthree.test MX 9 other-2.example.net")
		for _, domain := range []string{"one.test", "two.test", "three.test"} {
			rt, err := r.Route(t.Context(), domain)
			if err != nil {
				t.Fatal(err)
			}
			sites[rt.Site] = true
		}
		if len(sites) != 2 {
			t.Errorf("sites %v, want 2", sites)
		}
	})
}

func TestOrderShufflesEqualsAndNothingElse(t *testing.T) {
	rt := &route.Route{Hosts: []route.Host{{Name: "a", Pref: 1}, {Name: "b", Pref: 5}, {Name: "c", Pref: 5}, {Name: "d", Pref: 9}}}
	seen := make(map[string]int)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var names []string
		for _, h := range rt.Order(rng) {
			names = append(names, h.Name)
		}
		seen[strings.Join(names, "")]++
	}
	if len(seen) != 2 || seen["abcd"] < 400 || seen["acbd"] < 400 {
		t.Errorf("orders seen: %v", seen)
	}
	if rt.Hosts[1].Name != "b" {
		t.Error("the route itself was changed")
	}
}
