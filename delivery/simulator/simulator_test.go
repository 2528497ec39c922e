package simulator_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/delivery/simulator"
	"github.com/sesame-mta/sesame/mail"
)

// world stands for what the simulator is put before, and counts what comes to it.
type world struct{ routed, carried int }

var errWorld = errors.New("asked the world")

func (w *world) Route(_ context.Context, domain string) (*route.Route, error) {
	w.routed++
	return &route.Route{Domain: domain, Site: "mx." + domain}, errWorld
}

func (w *world) Carry(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
	w.carried++
	return make([]mail.Outcome, len(j.To))
}

func to(t testing.TB, text string) mail.ForwardPath {
	t.Helper()
	p, err := mail.ParseForwardPath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newSimulator() (*simulator.Simulator, *world) {
	w := &world{}
	return &simulator.Simulator{
		Domains: simulator.Domains{simulator.AmazonDomain, "simulator.example.org"}, Router: w, Carrier: w,
	}, w
}

func TestEveryMailboxAnswersAsTheSpecificationSays(t *testing.T) {
	const (
		taken   = "delivered 250 2.6.0 Message received"
		unknown = "failed 550 5.1.1 user unknown"
		listed  = "failed 550 5.1.1 As requested: user unknown (suppressed address: %s)"
	)
	for _, tt := range []struct{ local, want string }{
		{"success", taken}, {"success+label", taken}, {"SUCCESS", taken}, {"Success+", taken},
		{"ooto", taken}, {"ooto+1", taken}, {"complaint", taken}, {"complaint+a+b", taken},
		{"bounce", unknown}, {"bounce+case7", unknown}, {"nobody", unknown}, {"successful", unknown},
		{"+success", unknown}, {"postmaster", unknown},
		{"suppressionlist", listed}, {"suppressionlist+Case", listed},
	} {
		for _, domain := range []string{simulator.AmazonDomain, "simulator.example.org"} {
			s, w := newSimulator()
			p := to(t, tt.local+"@"+domain)
			r, err := s.Route(t.Context(), domain)
			if err != nil {
				t.Fatal(err)
			}
			got := s.Carry(t.Context(), r, &delivery.Job{To: []mail.ForwardPath{p}})
			want := tt.want
			if want == listed {
				want = fmt.Sprintf(listed, p)
			}
			if s := got[0].Result.String() + " " + got[0].Reply.String(); s != want {
				t.Errorf("%s: %s, want %s", p, s, want)
			}
			if !got[0].Remote || got[0].Host != domain {
				t.Errorf("%s: the outcome %+v does not look like a host's", p, got[0])
			}
			if w.routed+w.carried != 0 || len(r.Hosts) != 0 {
				t.Errorf("%s: mail for the simulator went to the world", p)
			}
		}
	}
}

func TestRecipientsOfOneJobAreAnsweredOneByOne(t *testing.T) {
	s, _ := newSimulator()
	r, err := s.Route(t.Context(), simulator.AmazonDomain)
	if err != nil {
		t.Fatal(err)
	}
	got := s.Carry(t.Context(), r, &delivery.Job{To: []mail.ForwardPath{
		to(t, "bounce@simulator.amazonses.com"), to(t, "success@simulator.amazonses.com"),
	}})
	if len(got) != 2 || got[0].Result != mail.Failed || got[1].Result != mail.Delivered {
		t.Errorf("outcomes %+v", got)
	}
}

func TestEverythingElseGoesToTheWorld(t *testing.T) {
	s, w := newSimulator()
	for _, domain := range []string{
		"example.net", "example.org", "x.simulator.example.org", "simulator.amazonses.com.example.net", "(simulator)",
	} {
		if s.Domains.Contains(domain) {
			t.Errorf("%s is simulated", domain)
		}
		before := *w
		r, err := s.Route(t.Context(), domain)
		if !errors.Is(err, errWorld) {
			t.Errorf("%s: error %v was not handed on", domain, err)
		}
		s.Carry(t.Context(), r, &delivery.Job{To: []mail.ForwardPath{to(t, "success@example.net")}})
		if w.routed != before.routed+1 || w.carried != before.carried+1 {
			t.Errorf("%s was kept from the world", domain)
		}
	}
	for _, domain := range []string{"Simulator.AmazonSES.com", "simulator.example.org."} {
		if !s.Domains.Contains(domain) {
			t.Errorf("%s is not simulated", domain)
		}
	}
}

func ExampleSimulator() {
	s := simulator.Simulator{Domains: simulator.Domains{simulator.AmazonDomain}}
	to, _ := mail.ParseForwardPath("bounce+case7@simulator.amazonses.com")
	r, _ := s.Route(context.Background(), to.Domain())
	for _, o := range s.Carry(context.Background(), r, &delivery.Job{To: []mail.ForwardPath{to}}) {
		fmt.Println(o.Result, o.Reply.String())
	}
	// Output: failed 550 5.1.1 user unknown
}
