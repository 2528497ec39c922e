package dispatch_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/dispatch/scan"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// holding gives what holds the one entry that waits for a recipient.
func (r *rig) holding(local string) (site string, l *mail.Limit) {
	r.t.Helper()
	for _, e := range r.entries() {
		if e.To.Local() == local {
			return r.Holding(e)
		}
	}
	r.t.Fatalf("nothing waits for %s", local)
	return "", nil
}

func (r *rig) wantHeld(local string, want mail.LimitName, whose string) *mail.Limit {
	r.t.Helper()
	_, l := r.holding(local)
	if l == nil || l.Name != want || l.Whose != whose {
		r.t.Fatalf("%s is held by %v, want %s of %s", local, l, want, whose)
	}
	return l
}

// limited gives the counter of a limit.
func (r *rig) limited(name mail.LimitName) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "sesame_dispatch_limited_total" && m.GetLabel()[0].GetValue() == string(name) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

func TestADeferredRecipientWaitsForTheSchedule(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			return all(j, refused(451, 2, 1, "later"))
		}
		r.begin()
		r.send("bob@example.org")
		synctest.Wait()
		l := r.wantHeld("bob", mail.LimitRetry, "recipient")
		if l.Used != 1 || l.Frees != r.entries()[0].Due || !l.Frees.After(time.Now()) {
			t.Errorf("limit %v", l)
		}
		r.wantLog(`text=later dur=1s err="retry_schedule of recipient: 1 attempts, frees at `)
		if n := r.limited(mail.LimitRetry); n != 1 {
			t.Errorf("counted %v times", n)
		}
		if _, err := r.queue.Hold(context.Background(), queue.Filter{}); err != nil {
			t.Fatal(err)
		}
		_ = r.wantHeld("bob", mail.LimitHeld, "operator")
	})
}

func TestMailThatCameTooFastWaitsForItsAccount(t *testing.T) {
	world(t, func(_ *testing.T, r *rig) {
		r.begin()
		s := r.message("bob@example.org")
		s.Due = s.Due.Add(time.Minute)
		r.submit(s)
		synctest.Wait()
		if l := r.wantHeld("bob", mail.LimitQueueOnThrottle, "account "+account); l.Frees != s.Due {
			r.t.Errorf("limit %v", l)
		}
	})
}

func TestASiteThatIsDownHoldsAllOfItsMail(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome { return all(j, unreachable()) }
		r.begin()
		for range 5 {
			r.send("bob@example.org")
		}
		synctest.Wait()
		r.send("cyd@example.org") // it is due, and not tried
		synctest.Wait()
		l := r.wantHeld("cyd", mail.LimitSiteDown, "site mx.example.org")
		if wait := time.Until(l.Frees); wait < 48*time.Second || wait > 72*time.Second {
			t.Errorf("frees in %v", wait)
		}
		if r.limited(mail.LimitSiteDown) == 0 {
			t.Error("not counted")
		}
		r.wantLog(`msg="site left alone" mx=mx.example.org`)
	})
}

func TestMailInLineSaysForWhat(t *testing.T) {
	for name, c := range map[string]struct {
		concurrency int
		domains     []string
		limit       mail.LimitName
		whose       string
		used        float64
	}{
		"all places of its site are taken":      {100, []string{"example.org"}, mail.LimitSiteConcurrency, "site mx.example.org", 5},
		"the rest is for sites that are proven": {10, []string{"example.com", "example.org"}, mail.LimitUnprovenSites, "server", 8},
		"all places are taken":                  {1, []string{"example.com", "example.org"}, mail.LimitConcurrency, "server", 1},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				r.options.Concurrency = c.concurrency
				free := make(chan struct{})
				r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
					<-free
					return all(j, accepted())
				}
				open := sync.OnceFunc(func() { close(free) })
				defer open()
				r.begin()
				for _, d := range c.domains {
					for range 5 {
						r.send("bob@" + d)
					}
					synctest.Wait()
				}
				r.send("cyd@example.org")
				synctest.Wait()
				l := r.wantHeld("cyd", c.limit, c.whose)
				if l.Used != c.used || l.Max != c.used || r.limited(c.limit) == 0 {
					t.Errorf("limit %v, counted %v times", l, r.limited(c.limit))
				}
				under := 0
				for _, e := range r.entries() {
					if site, l := r.Holding(e); l == nil && site != "" {
						under++
					}
				}
				if under != int(c.used) {
					t.Errorf("%d are under way", under)
				}
				open()
				synctest.Wait()
				if len(r.entries()) != 0 {
					t.Errorf("%d are left", len(r.entries()))
				}
			})
		})
	}
}

func TestWhatIsBrokenOfOursIsALimit(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.scanned(scan.Verdict{}, errors.New("clamd is away"))
		r.begin()
		r.send("bob@example.org")
		synctest.Wait()
		r.wantLog(`err="scanner of server, frees at `)
		r.wantLog(`: clamd is away`)
		if r.limited(mail.LimitScanner) != 1 || r.limited(mail.LimitRetry) != 0 {
			t.Error("not counted")
		}
	})
	world(t, func(t *testing.T, r *rig) {
		r.sign = func([]string, []byte, []byte) ([]byte, error) { return nil, errors.New("no key") }
		r.begin()
		s := r.message("bob@example.org")
		s.Message.Keys = []string{"rsa"}
		r.submit(s)
		synctest.Wait()
		r.wantLog(`err="signing of account 000000000001, frees at `)
		if r.limited(mail.LimitSigning) != 1 || strings.Contains(r.entries()[0].Last.String(), "no key") {
			t.Error("not counted, or shown")
		}
	})
}
