package dispatch_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

const listed = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"

// from gives the rig sources "a", "b" and so on, in the default pool, and "z" in a
// pool of its own; answer is what hosts say to a recipient of mail from one.
func (r *rig) from(names string, answer func(source string, to mail.ForwardPath) mail.Outcome) (tried func() string) {
	r.t.Helper()
	list := []egress.Source{{Name: "z", Addr: netip.MustParseAddr("8.8.8.99"), Pool: "own"}}
	for i, name := range strings.Split(names, "") {
		list = append(list, egress.Source{Name: name, Addr: netip.AddrFrom4([4]byte{8, 8, 8, byte(i + 1)})})
	}
	sources, err := egress.NewSources("mta.example.com", list)
	if err != nil {
		r.t.Fatal(err)
	}
	r.options.Sources = sources
	var used []string
	r.carry = func(_ context.Context, rt *route.Route, j *delivery.Job) []mail.Outcome {
		v4, _ := sources.Pick(j.Pool, rt.Site)
		r.mu.Lock()
		used = append(used, v4.Name)
		r.mu.Unlock()
		out := make([]mail.Outcome, len(j.To))
		for i, to := range j.To {
			out[i] = answer(v4.Name, to)
			out[i].Source = v4.Name
		}
		return out
	}
	return func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		s := strings.Join(used, "")
		used = nil
		return s
	}
}

// blocks refuses mail from the named sources as one that is on a list.
func blocks(names string) func(string, mail.ForwardPath) mail.Outcome {
	return func(source string, _ mail.ForwardPath) mail.Outcome {
		if strings.Contains(names, source) {
			return refused(554, 7, 1, strings.TrimPrefix(listed, "554 5.7.1 "))
		}
		return accepted()
	}
}

func TestWhatIsRefusedFromOneSourceGoesAtOnceFromAnother(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		tried := r.from("ab", blocks("a"))
		r.begin()
		r.send("bob@example.org")
		synctest.Wait()
		if got := tried(); got != "ab" || len(r.entries()) != 0 || r.events() != "Delivery bob" {
			t.Errorf("tried from %s, left %v, told %s", got, r.entries(), r.events())
		}
		r.wantLog(`msg="source rests" `)
		r.wantLog(`mx=mx.example.org source=a code=554 status=5.7.1 text="Service unavailable; `)
		r.wantLog(`err="source_rest of source a at site mx.example.org, frees at `)
		if n := r.limited(mail.LimitSourceRest); n != 1 {
			t.Errorf("counted %v times", n)
		}
		// The next goes where it is welcome, and other sites are as before.
		for range 3 {
			r.send("bob@example.org")
			synctest.Wait()
		}
		r.send("bob@example.net")
		r.send("bea@example.net")
		synctest.Wait()
		if got := tried(); !strings.HasPrefix(got, "bbb") || strings.Count(got, "a") != 1 {
			t.Errorf("tried from %s", got)
		}
	})
}

func TestOnlyTheRecipientsThatWereRefusedAreTriedAgain(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		again := 0
		tried := r.from("ab", func(source string, to mail.ForwardPath) mail.Outcome {
			switch {
			case to.Local() == "gone":
				return refused(550, 1, 1, "no such user")
			case source == "a":
				return refused(421, 7, 0, "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints")
			}
			again++
			return accepted()
		})
		r.begin()
		r.send("bob@example.org", "gone@example.org", "bea@example.org")
		synctest.Wait()
		if got := tried(); got != "ab" || again != 2 || r.events() != "Delivery bob bea, Bounce gone" {
			t.Errorf("tried from %s, %d again, told %s", got, again, r.events())
		}
	})
}

func TestAHostThatTakesMailFromTheSourceForOthersHasNothingAgainstIt(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		tried := r.from("ab", func(_ string, to mail.ForwardPath) mail.Outcome {
			if to.Local() == "wary" {
				return refused(554, 7, 1, "blocked using zen.spamhaus.org")
			}
			return accepted()
		})
		r.begin()
		r.send("bob@example.org", "wary@example.org")
		synctest.Wait()
		if got := tried(); got != "a" || len(r.options.Sources.Resting()) != 0 {
			t.Errorf("tried from %s, resting %v", got, r.options.Sources.Resting())
		}
	})
}

func TestTheHostsWordStandsWhenNoSourceIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		sources, pool, tried string
	}{
		"of one source":                    {"a", "", "a"},
		"of two":                           {"ab", "", "ab"},
		"of a pool of one":                 {"ab", "own", "z"},
		"of more than are tried in a row":  {"abcdefg", "", "abcde"},
		"of none that the dispatcher told": {"a", "none", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				tried := r.from(c.sources, blocks("abcdefgz"))
				r.begin()
				s := r.message("bob@example.org")
				s.Message.Pool = c.pool
				r.submit(s)
				synctest.Wait()
				if got := tried(); got != c.tried || r.events() != "Bounce bob" {
					t.Errorf("tried from %s, told %s", got, r.events())
				}
			})
		})
	}
}

func TestATransientRefusalOfAllSourcesWaitsForTheScheduleOnce(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		tried := r.from("ab", func(string, mail.ForwardPath) mail.Outcome {
			return refused(421, 7, 0, "temporarily rate limited due to IP reputation")
		})
		r.begin()
		r.send("bob@example.org")
		synctest.Wait()
		e := r.entries()[0]
		if got := tried(); got != "ab" || e.Attempts != 1 || time.Until(e.Due) > 2*time.Minute {
			t.Errorf("tried from %s, %d attempts, due in %v", got, e.Attempts, time.Until(e.Due))
		}
		// All rest: each attempt is made from one, as if there were no other.
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := tried(); len(got) != 1 {
			t.Errorf("then from %s", got)
		}
	})
}

// A source that gets nowhere must not be left alone with mail for a site that refuses
// the other, or the site counts as down for everybody.
func TestASourceThatGetsNowhereIsNotTheOnlyOne(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		tried := r.from("ab", func(source string, to mail.ForwardPath) mail.Outcome {
			if source == "b" {
				return unreachable()
			}
			return blocks("a")(source, to)
		})
		r.begin()
		r.send("bob@example.org")
		synctest.Wait()
		if got := tried(); got != "ab" || len(r.options.Sources.Resting()) != 0 {
			t.Errorf("tried from %s, resting %v", got, r.options.Sources.Resting())
		}
		// Neither the refusal nor the broken source takes the last attempt for good.
		for range 6 {
			time.Sleep(time.Hour)
			synctest.Wait()
		}
		if got := tried(); !strings.Contains(got, "a") || !strings.Contains(got, "b") {
			t.Errorf("then from %s", got)
		}
		for _, l := range r.InForce(10) {
			t.Errorf("in force %v", l)
		}
	})
}

func TestARetryByTheOperatorWakesSources(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.from("ab", blocks("a"))
		r.begin()
		resting := func() (sites []string) {
			for _, l := range r.InForce(10) {
				if l.Name != mail.LimitSourceRest || l.Frees.Before(time.Now()) {
					t.Errorf("in force %v", l)
				}
				sites = append(sites, l.Whose)
			}
			return sites
		}
		// Sources take turns over all sites, so that mail for one may not try this one.
		for tries := 0; len(resting()) < 2; tries++ {
			if tries == 20 {
				t.Fatalf("resting %v", resting())
			}
			r.send("bob@example.org")
			r.send("bob@example.net")
			r.send("bob@example.com")
			synctest.Wait()
		}
		if got := r.InForce(1); len(got) != 1 {
			t.Errorf("asked for one, got %v", got)
		}
		for _, f := range []queue.Filter{{Domain: "example.org"}, {Account: account}, {}} {
			before := len(resting())
			if _, err := r.Retry(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			after := resting()
			switch {
			case f.Account != "" && len(after) != before:
				t.Error("an account's retry woke the server's sources")
			case f == (queue.Filter{}) && len(after) != 0:
				t.Errorf("still %v", after)
			case f.Domain != "" && strings.Contains(strings.Join(after, ","), "mx.example.org"):
				t.Errorf("still %v", after)
			}
		}
	})
}

// The sites that a host points to are its own affair: what it says of our address
// must not be taken for what others say.
func TestAHostSpeaksForItselfAlone(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.from("ab", blocks("ab"))
		r.begin()
		r.send("bob@example.org")
		synctest.Wait()
		for _, rest := range r.options.Sources.Resting() {
			if rest.Site != "mx.example.org" {
				t.Errorf("%s rests at %s", rest.Source, rest.Site)
			}
		}
	})
}
