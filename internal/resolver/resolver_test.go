package resolver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/internal/testdns"
)

func Example() {
	s, err := testdns.Start(`
		example.org     MX 20 mx2.example.org
		example.org     MX 10 mx1.example.org
		mx1.example.org A  192.0.2.1`)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	r, err := resolver.New(resolver.Options{Servers: []string{s.Addr}})
	if err != nil {
		panic(err)
	}
	defer r.Close()
	hosts, _, err := r.MX(context.Background(), "Example.ORG")
	fmt.Println(hosts, err)
	addrs, err := r.Addrs(context.Background(), hosts[0].Host)
	fmt.Println(addrs, err)
	_, err = r.Addrs(context.Background(), "nowhere.example.org")
	fmt.Println(err)
	// Output:
	// [{mx1.example.org 10} {mx2.example.org 20}] <nil>
	// [192.0.2.1] <nil>
	// A nowhere.example.org: no such name
}

const zone = `
example.org          MX 20 b.example.org
example.org          MX 10 a.example.org
a.example.org        A 192.0.2.1
a.example.org        AAAA 2001:db8::1
b.example.org        A 192.0.2.2
six.example.org      AAAA 2001:db8::6
www.example.org      CNAME deep.example.org
deep.example.org     CNAME a.example.org
dangling.example.org CNAME gone.example.org
null.example.org     MX 0 .
c1.example.org       CNAME c2.example.org
c2.example.org       CNAME c1.example.org
txt.example.org      TXT "v=spf1 " "-all"
txt.example.org      TXT "a \"quote\" \\ and \200"
`

// over gives a resolver that reaches s over sockets.
func over(t *testing.T, s *testdns.Server, change func(*resolver.Options)) *resolver.Resolver {
	t.Helper()
	o := resolver.Options{Servers: []string{s.Addr}, Timeout: 500 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	r, err := resolver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// bubble runs f with a resolver and a server in memory, on a clock of their own.
func bubble(t *testing.T, change func(*resolver.Options), f func(*testing.T, *testdns.Server, *resolver.Resolver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := testdns.InMemory(zone)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		o := resolver.Options{Servers: []string{"127.0.0.1:53"}, Dial: s.Dial}
		if change != nil {
			change(&o)
		}
		r, err := resolver.New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		f(t, s, r)
	})
}

func TestLookups(t *testing.T) {
	s := testdns.New(t, zone)
	r := over(t, s, func(o *resolver.Options) { o.IPv6 = true })
	ctx := t.Context()
	mx := func(name string) (any, error) { l, _, err := r.MX(ctx, name); return l, err }
	addrs := func(name string) (any, error) { return r.Addrs(ctx, name) }
	txt := func(name string) (any, error) { l, _, err := r.TXT(ctx, name); return l, err }
	tests := []struct {
		about string
		look  func(string) (any, error)
		name  string
		want  string
		kind  resolver.Kind
	}{
		{"hosts come by preference", mx, "example.org", "[{a.example.org 10} {b.example.org 20}]", 0},
		{"case and final dot do not matter", mx, "EXAMPLE.org.", "[{a.example.org 10} {b.example.org 20}]", 0},
		{"the root as host is empty", mx, "null.example.org", "[{ 0}]", 0},
		{"both families, IPv4 first", addrs, "a.example.org", "[192.0.2.1 2001:db8::1]", 0},
		{"one family is enough", addrs, "six.example.org", "[2001:db8::6]", 0},
		{"CNAMEs are followed", addrs, "www.example.org", "[192.0.2.1 2001:db8::1]", 0},
		{"a CNAME to nothing is no such name", addrs, "dangling.example.org", "", resolver.NotFound},
		{"a circle of CNAMEs is a failure", addrs, "c1.example.org", "", resolver.Failed},
		{"no record of that type", mx, "a.example.org", "", resolver.NoData},
		{"a name that only has names below it", mx, "org", "", resolver.NoData},
		{"no such name", mx, "nowhere.example.net", "", resolver.NotFound},
		{"texts come joined and in their own octets", txt, "txt.example.org", "[v=spf1 -all a \"quote\" \\ and \xc8]", 0},
		{"an empty name", mx, "", "", resolver.BadName},
		{"an empty label", mx, "a..example.org", "", resolver.BadName},
		{"a label of 64 octets", mx, strings.Repeat("a", 64) + ".org", "", resolver.BadName},
		{"a name of 260 octets", mx, strings.Repeat("abc.", 65) + "org", "", resolver.BadName},
		{"white space in a name", mx, "exa mple.org", "", resolver.BadName},
		{"an escape in a name", mx, `exa\046mple.org`, "", resolver.BadName},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			got, err := tt.look(tt.name)
			if resolver.KindOf(err) != tt.kind {
				t.Fatalf("error %v, want kind %v", err, tt.kind)
			}
			if err == nil && fmt.Sprint(got) != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		about string
		fault testdns.Fault
		want  string
		kind  resolver.Kind
	}{
		{"a failing server", testdns.ServFail(), "", resolver.Failed},
		{"a refusing server", testdns.Refused(), "", resolver.Refused},
		{"a silent server", testdns.Timeout(), "", resolver.Failed},
		{"a name denied", testdns.NXDomain(), "", resolver.NotFound},
		{"a truncated reply is asked for over TCP", testdns.Truncated(), "[192.0.2.1]", 0},
		{"a reply with another number", testdns.WrongID(), "", resolver.Failed},
		{"a reply to another question", testdns.WrongQuestion(), "", resolver.Failed},
		{"a forged reply before the true one", testdns.Forged("a.example.org A 203.0.113.66"), "[192.0.2.1]", 0},
		{"octets that are no reply", testdns.Raw([]byte("xx\x80\x00garbage")), "", resolver.Failed},
		{"an empty reply", testdns.Raw(nil), "", resolver.Failed},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
				s.Fault("a.example.org", tt.fault)
				got, err := r.Addrs(t.Context(), "a.example.org")
				if resolver.KindOf(err) != tt.kind {
					t.Fatalf("error %v, want kind %v", err, tt.kind)
				}
				if err == nil && fmt.Sprint(got) != tt.want {
					t.Errorf("got %v, want %s", got, tt.want)
				}
				var e *resolver.Error
				if errors.As(err, &e) && e.Temporary() != (tt.kind == resolver.Failed || tt.kind == resolver.Refused) {
					t.Errorf("temporary is %v", e.Temporary())
				}
			})
		})
	}
}

func TestRecordWithoutDataIsNoKnowledge(t *testing.T) {
	// An answer with one MX record of no length: were it read as a null MX, all
	// mail for the domain would fail at once.
	reply := []byte("\x00\x00\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" +
		"\x07example\x03org\x00\x00\x0f\x00\x01" + "\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x00")
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Fault("example.org", testdns.Raw(reply))
		if got, _, err := r.MX(t.Context(), "example.org"); resolver.KindOf(err) != resolver.Failed {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestLargeAnswerComesOverTCP(t *testing.T) {
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "big.example.org MX %d host-with-a-long-name-%03d.example.org\n", 300-i, i)
	}
	s := testdns.New(t, b.String())
	got, _, err := over(t, s, nil).MX(t.Context(), "big.example.org")
	if err != nil || len(got) != 100 {
		t.Fatalf("got %d hosts, %v, want 100", len(got), err)
	}
	if got[0].Pref != 1 || got[99].Pref != 100 {
		t.Errorf("kept preferences %d to %d, want the most preferred 1 to 100", got[0].Pref, got[99].Pref)
	}
	q := s.Queries()
	if len(q) != 2 || q[0].Network != "udp" || q[1].Network != "tcp" {
		t.Errorf("asked %v", q)
	}
}

func TestChainLeftUnfinishedIsFollowed(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Fault("*", testdns.Partial())
		got, meta, err := r.A(t.Context(), "www.example.org")
		if err != nil || fmt.Sprint(got) != "[192.0.2.1]" || meta.Name != "a.example.org" {
			t.Errorf("got %v at %q, %v", got, meta.Name, err)
		}
		if _, _, err := r.A(t.Context(), "c1.example.org"); resolver.KindOf(err) != resolver.Failed {
			t.Errorf("circle gave %v", err)
		}
		if n := len(s.Queries()); n > 20 {
			t.Errorf("%d questions", n)
		}
	})
}

func TestAnswersAreRememberedForTheirTTL(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Set("example.org 60 MX 10 a.example.org\nzero.example.org 0 MX 10 a.example.org\nlong.example.org 2000000000 MX 10 a.example.org")
		for _, step := range []struct {
			about string
			name  string
			wait  time.Duration
			want  int
		}{
			{"the first is asked", "example.org", 0, 1},
			{"then remembered", "example.org", 59 * time.Second, 1},
			{"then asked again", "example.org", time.Second, 2},
			{"a TTL of zero lasts for a second", "zero.example.org", 0, 1},
			{"and at once", "zero.example.org", 0, 1},
			{"and no longer", "zero.example.org", time.Second, 2},
			{"a long TTL", "long.example.org", 0, 1},
			{"lasts a day", "long.example.org", 24*time.Hour - 1, 1},
			{"and no longer", "long.example.org", 1, 2},
		} {
			time.Sleep(step.wait)
			if _, _, err := r.MX(t.Context(), step.name); err != nil {
				t.Fatal(err)
			}
			if got := s.Count(step.name, "MX"); got != step.want {
				t.Errorf("%s: asked %d times, want %d", step.about, got, step.want)
			}
		}
	})
}

func TestAbsenceIsRememberedForTheSOA(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Add("example.org 3600 SOA ns.example.org root.example.org 1 1 1 1 40")
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {39 * time.Second, 1}, {time.Second, 2}} {
			time.Sleep(step.wait)
			if _, _, err := r.MX(t.Context(), "new.example.org"); resolver.KindOf(err) != resolver.NotFound {
				t.Fatal(err)
			}
			if _, _, err := r.MX(t.Context(), "a.example.org"); resolver.KindOf(err) != resolver.NoData {
				t.Fatal(err)
			}
			if a, b := s.Count("new.example.org", ""), s.Count("a.example.org", ""); a != step.want || b != step.want {
				t.Errorf("after %v asked %d and %d times, want %d", step.wait, a, b, step.want)
			}
		}
	})
}

func TestFailureIsForgottenAfterASecond(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Fault("example.org", testdns.ServFail())
		for range 3 {
			if _, _, err := r.MX(t.Context(), "example.org"); resolver.KindOf(err) != resolver.Failed {
				t.Fatal(err)
			}
		}
		if got := s.Count("example.org", ""); got != 2 {
			t.Errorf("asked %d times, want the two tries of one lookup", got)
		}
		s.Fault("example.org", testdns.None())
		time.Sleep(time.Second)
		if _, _, err := r.MX(t.Context(), "example.org"); err != nil {
			t.Errorf("after it healed: %v", err)
		}
	})
}

func TestStaleAnswerIsGivenWhileServersFail(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Secure(true)
		if _, meta, err := r.MX(t.Context(), "example.org"); err != nil || meta.Stale || !meta.Authentic {
			t.Fatalf("fresh: %+v, %v", meta, err)
		}
		s.Fault("*", testdns.ServFail())
		time.Sleep(6 * time.Hour)
		got, meta, err := r.MX(t.Context(), "example.org")
		if err != nil || len(got) != 2 || !meta.Stale || meta.Authentic {
			t.Errorf("stale: %v, %+v, %v", got, meta, err)
		}
		asked := s.Count("example.org", "")
		if _, _, err := r.MX(t.Context(), "example.org"); err != nil || s.Count("example.org", "") != asked {
			t.Errorf("a stale answer is asked for at every turn (%v)", err)
		}
		time.Sleep(time.Hour)
		if _, _, err := r.MX(t.Context(), "example.org"); resolver.KindOf(err) != resolver.Failed {
			t.Errorf("too old: %v", err)
		}
		s.Fault("*", testdns.None())
		time.Sleep(time.Second)
		if _, meta, err := r.MX(t.Context(), "example.org"); err != nil || meta.Stale {
			t.Errorf("healed: %+v, %v", meta, err)
		}
	})
}

func TestStaleAnswerGivesWayToKnowledge(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		for _, look := range []func() error{
			func() error { _, _, err := r.MX(t.Context(), "example.org"); return err },
			func() error { _, _, err := r.TXT(t.Context(), "txt.example.org"); return err },
		} {
			if err := look(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		s.Remove("example.org")
		s.Fault("txt.example.org", testdns.ServFail())
		if _, _, err := r.MX(t.Context(), "example.org"); resolver.KindOf(err) != resolver.NoData {
			t.Errorf("a removed MX gave %v", err)
		}
		if _, _, err := r.TXT(t.Context(), "txt.example.org"); resolver.KindOf(err) != resolver.Failed {
			t.Errorf("a stale text was given: %v", err)
		}
	})
}

func TestAuthenticNeedsATrustedServerAndEveryLink(t *testing.T) {
	for _, tt := range []struct {
		about  string
		server string
		secure bool
		want   bool
	}{
		{"a validating server on this machine", "127.0.0.1:53", true, true},
		{"the same on ::1", "[::1]:53", true, true},
		{"one that does not validate", "127.0.0.1:53", false, false},
		{"one that is elsewhere", "192.0.2.53:53", true, false},
	} {
		t.Run(tt.about, func(t *testing.T) {
			bubble(t, func(o *resolver.Options) { o.Servers = []string{tt.server} },
				func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
					s.Secure(tt.secure)
					if _, meta, err := r.A(t.Context(), "a.example.org"); err != nil || meta.Authentic != tt.want {
						t.Errorf("%+v, %v", meta, err)
					}
				})
		})
	}
}

func TestServersTakeTurns(t *testing.T) {
	dead := testdns.New(t, zone)
	dead.Fault("*", testdns.ServFail())
	gone := testdns.New(t)
	gone.Close()
	live := testdns.New(t, zone)
	r := over(t, live, func(o *resolver.Options) { o.Servers = []string{gone.Addr, dead.Addr, live.Addr} })
	for _, name := range []string{"a.example.org", "b.example.org"} {
		if _, err := r.Addrs(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if live.Count("b.example.org", "") != 1 {
		t.Error("the living server was not asked")
	}
}

func TestServerThatIsSilentIsNotAskedFirstAgain(t *testing.T) {
	bubble(t, nil, func(t *testing.T, live *testdns.Server, _ *resolver.Resolver) {
		silent, err := testdns.InMemory()
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		silent.Fault("*", testdns.Timeout())
		servers := map[string]*testdns.Server{"192.0.2.1:53": silent, "192.0.2.2:53": live}
		r, err := resolver.New(resolver.Options{
			Servers: []string{"192.0.2.1:53", "192.0.2.2:53"},
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return servers[addr].Dial(ctx, network, addr)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		start := time.Now()
		for _, name := range []string{"a.example.org", "b.example.org", "www.example.org"} {
			if _, err := r.Addrs(t.Context(), name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if took := time.Since(start); took != 3*time.Second || len(silent.Queries()) != 1 {
			t.Errorf("took %v and %d questions, want 3 s and 1", took, len(silent.Queries()))
		}
	})
}

func TestFamilyThatFailsIsNotTakenForAbsent(t *testing.T) {
	six := func(o *resolver.Options) { o.IPv6 = true }
	bubble(t, six, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Fault("six.example.org AAAA", testdns.ServFail())
		if _, err := r.Addrs(t.Context(), "six.example.org"); resolver.KindOf(err) != resolver.Failed {
			t.Errorf("no IPv4, IPv6 unknown: %v", err)
		}
		s.Fault("a.example.org A", testdns.ServFail())
		if got, err := r.Addrs(t.Context(), "a.example.org"); err != nil || len(got) != 1 {
			t.Errorf("IPv4 unknown, IPv6 known: %v, %v", got, err)
		}
		if _, err := r.Addrs(t.Context(), "nowhere.test"); resolver.KindOf(err) != resolver.NotFound {
			t.Error(err)
		}
		if n := s.Count("nowhere.test", "AAAA"); n != 0 {
			t.Errorf("a name that does not exist was asked for %d times more", n)
		}
	})
}

func TestSilentServerHasItsTimeAndNoMore(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Fault("*", testdns.Timeout())
		start := time.Now()
		if _, err := r.Addrs(t.Context(), "a.example.org"); resolver.KindOf(err) != resolver.Failed {
			t.Error(err)
		}
		if took := time.Since(start); took != 6*time.Second {
			t.Errorf("two tries of 3 s took %v", took)
		}
	})
}

func TestLookupEndsWithItsContext(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Delay("*", 2*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Addrs(ctx, "a.example.org")
		if !errors.Is(err, context.DeadlineExceeded) || resolver.KindOf(err) != resolver.Failed {
			t.Errorf("got %v", err)
		}
		if _, err := r.Addrs(t.Context(), "a.example.org"); err != nil || s.Count("a.example.org", "") != 1 {
			t.Errorf("the lookup was not finished for the next caller: %v", err)
		}
	})
}

func TestCloseEndsLookups(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Fault("*", testdns.Timeout())
		done := make(chan error)
		go func() {
			_, err := r.Addrs(context.Background(), "a.example.org")
			done <- err
		}()
		synctest.Wait()
		start := time.Now()
		r.Close()
		if err := <-done; err == nil || time.Since(start) > 0 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestOneQuestionForManyCallers(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *testdns.Server, r *resolver.Resolver) {
		s.Delay("*", time.Second)
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if _, _, err := r.MX(t.Context(), "example.org"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := s.Count("example.org", ""); got != 1 {
			t.Errorf("%d questions, want 1", got)
		}
	})
}

func TestBadServerIsAnError(t *testing.T) {
	if _, err := resolver.New(resolver.Options{Servers: []string{"localhost:53"}}); err == nil {
		t.Error("a name server given by name was accepted")
	}
}

func TestSystemServersAreUsedByDefault(t *testing.T) {
	r, err := resolver.New(resolver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}
