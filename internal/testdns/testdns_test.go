package testdns_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sesame-mta/sesame/internal/testdns"
)

func Example() {
	s, err := testdns.Start("example.org MX 10 mx.example.org")
	if err != nil {
		panic(err)
	}
	defer s.Close()
	s.Fault("broken.example.org", testdns.ServFail())

	// A net.Resolver of the standard library will do as client.
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr)
	}}
	list, err := r.LookupMX(context.Background(), "example.org.")
	fmt.Println(list[0].Host, list[0].Pref, err)
	fmt.Println(s.Queries()[0])
	// Output:
	// mx.example.org. 10 <nil>
	// {example.org MX udp}
}

// ask puts a question without any of the checks of a resolver.
func ask(t *testing.T, s *testdns.Server, network, name string, qtype uint16) (*dns.Msg, error) {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	m.SetEdns0(1232, false)
	m.AuthenticatedData = true
	c := &dns.Client{Net: network, Timeout: 2 * time.Second}
	reply, _, err := c.Exchange(m, s.Addr)
	return reply, err
}

// show writes what matters of a reply.
func show(m *dns.Msg) string {
	list := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		list = append(list, strings.Join(strings.Fields(rr.String()), " "))
	}
	return strings.Join(list, "; ")
}

func TestZone(t *testing.T) {
	s := testdns.New(t, `
		example.org           MX 10 mx.example.org
		*.example.org         A  192.0.2.7
		deep.under.example.org 60 A 192.0.2.8
		*.bulk.test           MX 5 mx.example.org
		www.example.org       CNAME deep.under.example.org
		circle.test           CNAME circle.test
	`)
	for _, tt := range []struct {
		about string
		name  string
		qtype uint16
		want  string
	}{
		{"a record", "example.org", dns.TypeMX, "NOERROR; example.org. 300 IN MX 10 mx.example.org."},
		{"in any case", "EXAMPLE.org", dns.TypeMX, "NOERROR; example.org. 300 IN MX 10 mx.example.org."},
		{"no such type", "example.org", dns.TypeTXT, "NOERROR"},
		{"a wildcard", "any.example.org", dns.TypeA, "NOERROR; any.example.org. 300 IN A 192.0.2.7"},
		{"a wildcard, further down", "a.b.example.org", dns.TypeA, "NOERROR; a.b.example.org. 300 IN A 192.0.2.7"},
		{"not below a name that exists", "x.under.example.org", dns.TypeA, "NXDOMAIN"},
		{"an empty name between others", "under.example.org", dns.TypeA, "NOERROR"},
		{"a domain of many", "d99999.bulk.test", dns.TypeMX, "NOERROR; d99999.bulk.test. 300 IN MX 5 mx.example.org."},
		{"a CNAME", "www.example.org", dns.TypeA, "NOERROR; www.example.org. 300 IN CNAME deep.under.example.org.; deep.under.example.org. 60 IN A 192.0.2.8"},
		{"nothing", "example.net", dns.TypeA, "NXDOMAIN"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			m, err := ask(t, s, network, tt.name, tt.qtype)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(m); got != tt.want {
				t.Errorf("%s over %s: got %s, want %s", tt.about, network, got, tt.want)
			}
		}
	}
	if m, err := ask(t, s, "udp", "circle.test", dns.TypeA); err != nil || len(m.Answer) == 0 {
		t.Errorf("a circle gave %v, %v", m, err)
	}
}

func TestZoneChangesWhileItRuns(t *testing.T) {
	s := testdns.New(t, "a.test A 192.0.2.1")
	want := func(answer string) {
		t.Helper()
		m, err := ask(t, s, "udp", "a.test", dns.TypeA)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(m); got != answer {
			t.Errorf("got %s, want %s", got, answer)
		}
	}
	s.Set("a.test A 192.0.2.2")
	want("NOERROR; a.test. 300 IN A 192.0.2.2")
	s.Add("a.test 5 A 192.0.2.3")
	want("NOERROR; a.test. 300 IN A 192.0.2.2; a.test. 5 IN A 192.0.2.3")
	s.Remove("a.test")
	want("NXDOMAIN")
	s.Add("x.a.test A 192.0.2.3")
	want("NOERROR")
	s.Secure(true)
	if m, err := ask(t, s, "udp", "x.a.test", dns.TypeA); err != nil || !m.AuthenticatedData {
		t.Errorf("no AD bit: %v, %v", m, err)
	}
	if n := s.Count("A.test", "A"); n != 4 {
		t.Errorf("%d questions noted, want 4", n)
	}
}

func TestFaults(t *testing.T) {
	s := testdns.New(t, "a.test A 192.0.2.1\na.test A 192.0.2.2")
	for _, tt := range []struct {
		about string
		fault testdns.Fault
		sees  func(*dns.Msg, error) bool
	}{
		{"failure", testdns.ServFail(), func(m *dns.Msg, err error) bool { return err == nil && m.Rcode == dns.RcodeServerFailure }},
		{"refusal", testdns.Refused(), func(m *dns.Msg, err error) bool { return err == nil && m.Rcode == dns.RcodeRefused }},
		{"denial", testdns.NXDomain(), func(m *dns.Msg, err error) bool { return err == nil && m.Rcode == dns.RcodeNameError }},
		{"truncation", testdns.Truncated(), func(m *dns.Msg, err error) bool { return err == nil && m.Truncated && len(m.Answer) == 1 }},
		{"another question", testdns.WrongQuestion(), func(m *dns.Msg, err error) bool {
			return err == nil && m.Question[0].Name == "other.test."
		}},
		{"garbage", testdns.Raw([]byte("12garbage")), func(_ *dns.Msg, err error) bool { return err != nil }},
		{"none", testdns.None(), func(m *dns.Msg, err error) bool { return err == nil && len(m.Answer) == 2 }},
	} {
		s.Fault("a.test", tt.fault)
		if m, err := ask(t, s, "udp", "a.test", dns.TypeA); !tt.sees(m, err) {
			t.Errorf("%s: got %v, %v", tt.about, m, err)
		}
	}
}

func TestFaultOfOneTypeLeavesTheOthersAlone(t *testing.T) {
	s := testdns.New(t, "a.test A 192.0.2.1")
	s.Fault("a.test AAAA", testdns.ServFail())
	for qtype, want := range map[uint16]int{dns.TypeA: dns.RcodeSuccess, dns.TypeAAAA: dns.RcodeServerFailure} {
		if m, err := ask(t, s, "udp", "A.test", qtype); err != nil || m.Rcode != want {
			t.Errorf("%s: got %v, %v", dns.TypeToString[qtype], m, err)
		}
	}
}

func TestDelayEndsWithTheServer(t *testing.T) {
	s, err := testdns.Start("a.test A 192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	s.Delay("*", time.Hour)
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn := &dns.Conn{Conn: c}
	m := new(dns.Msg)
	m.SetQuestion("a.test.", dns.TypeA)
	if err := conn.WriteMsg(m); err != nil {
		t.Fatal(err)
	}
	s.Close() // hangs if it waits for the delay
}

func TestBadZoneIsAnError(t *testing.T) {
	if _, err := testdns.Start("a.test A not-an-address"); err == nil {
		t.Error("a bad zone was taken")
	}
}

func BenchmarkWildcard(b *testing.B) {
	s := testdns.New(b, "*.bulk.test MX 5 mx.example.org")
	c, err := net.Dial("udp", s.Addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	conn := &dns.Conn{Conn: c}
	for i := 0; b.Loop(); i++ {
		m := new(dns.Msg)
		m.SetQuestion(fmt.Sprintf("d%d.bulk.test.", i%100_000), dns.TypeMX)
		if err := conn.WriteMsg(m); err != nil {
			b.Fatal(err)
		}
		if _, err := conn.ReadMsg(); err != nil {
			b.Fatal(err)
		}
	}
}
