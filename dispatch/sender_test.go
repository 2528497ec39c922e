package dispatch_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

const unaligned = "Unauthenticated email from example.com is not accepted due to domain's DMARC policy"

// as submits a message under an identity.
func (r *rig) as(identity string, to ...string) mail.ID {
	r.t.Helper()
	s := r.message(to...)
	s.Message.Identity = identity
	return r.submit(s)
}

// refuses has hosts refuse what is not authenticated, as long as broken says so,
// and gives the number of attempts since it was asked last.
func (r *rig) refuses(broken func(j *delivery.Job, to mail.ForwardPath) bool) (attempts func() int) {
	r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
		out := make([]mail.Outcome, len(j.To))
		for i, to := range j.To {
			if out[i] = accepted(); broken(j, to) {
				out[i] = refused(550, 7, 26, unaligned)
			}
		}
		return out
	}
	last := 0
	return func() int {
		n := r.attempts() - last
		last += n
		return n
	}
}

func always(*delivery.Job, mail.ForwardPath) bool { return true }

// refuse3 has a site refuse an identity for three recipients.
func (r *rig) refuse3(identity string) {
	r.t.Helper()
	for i := range 3 {
		r.as(identity, fmt.Sprintf("r%d@example.org", i))
		synctest.Wait()
	}
}

func TestASenderThatASiteRefusesWaitsThere(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		attempts := r.refuses(always)
		r.begin()
		r.refuse3("example.com")
		if n := attempts(); n != 3 || r.events() != "Bounce r0, Bounce r1, Bounce r2" {
			t.Fatalf("%d attempts, told %s", n, r.events())
		}
		r.wantLog(`msg="sender stopped" `)
		r.wantLog(`from=example.com mx=mx.example.org dur=5m0s code=550 status=5.7.26 text="` + unaligned)
		r.as("example.com", "bob@example.org")
		synctest.Wait()
		if n := attempts(); n != 0 {
			t.Errorf("%d attempts for one that is stopped", n)
		}
		e := r.entries()[0]
		if wait := time.Until(e.Due); e.Attempts != 0 || wait < 5*time.Minute || wait > 8*time.Minute ||
			e.Last.String() != "451 4.7.1 Mail of example.com waits: the remote host refused its sender, last with 550 5.7.26 "+unaligned {
			t.Errorf("waits %v after %d attempts: %v", wait, e.Attempts, e.Last)
		}
		whose := "identity example.com of account " + account + " at site mx.example.org"
		if l := r.wantHeld("bob", mail.LimitSenderStopped, whose); l.Frees != e.Due {
			t.Errorf("limit %v", l)
		}
		r.wantLog(`err="sender_stopped of ` + whose + ", frees at ")
		if n := r.limited(mail.LimitSenderStopped); n != 1 {
			t.Errorf("counted %v times", n)
		}
		if l := r.InForce(10); len(l) != 1 || l[0].Whose != whose {
			t.Errorf("in force %v", l)
		}
		if !strings.HasSuffix(r.events(), "DeliveryDelay bob") {
			t.Errorf("told %s", r.events())
		}
	})
}

func TestWhatAStopIsNotAbout(t *testing.T) {
	for name, c := range map[string]struct {
		identity, to string
		alter        func(*queue.Submission)
	}{
		"another identity":       {"example.net", "bob@example.org", nil},
		"another site":           {"example.com", "bob@example.net", nil},
		"another account":        {"example.com", "bob@example.org", func(s *queue.Submission) { s.Message.Account = "000000000002" }},
		"a notice of ours":       {"example.com", "bob@example.org", func(s *queue.Submission) { s.Message.Notice = true }},
		"mail of no identity":    {"", "bob@example.org", nil},
		"an address of its own":  {"ann@example.com", "bob@example.org", nil},
		"a domain with its name": {"sub.example.com", "bob@example.org", nil},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				attempts := r.refuses(always)
				r.begin()
				r.refuse3("example.com")
				attempts()
				s := r.message(c.to)
				s.Message.Identity = c.identity
				if c.alter != nil {
					c.alter(&s)
				}
				r.submit(s)
				synctest.Wait()
				if n := attempts(); n != 1 {
					t.Errorf("%d attempts", n)
				}
			})
		})
	}
}

func TestWhatStopsNobody(t *testing.T) {
	for name, c := range map[string]struct {
		to     []string
		answer mail.Outcome
	}{
		"one recipient, again and again": {[]string{"a", "a", "a", "a", "a"}, refused(550, 7, 1, "sender address rejected: blocked by recipient")},
		"three recipients of a message":  {[]string{"a b c", "a b c"}, refused(550, 7, 26, unaligned)},
		"no such user":                   {[]string{"a", "b", "c", "d"}, refused(550, 1, 1, "no such user")},
		"spam":                           {[]string{"a", "b", "c", "d"}, refused(554, 7, 1, "message looks like spam")},
		"our own address":                {[]string{"a", "b", "c", "d"}, refused(554, 7, 1, "blocked using zen.spamhaus.org")},
		"too fast":                       {[]string{"a", "b", "c", "d"}, refused(421, 7, 0, "too many connections")},
		"a reply of ours": {[]string{"a", "b", "c", "d"}, mail.Outcome{
			Result: mail.Deferred, Reply: *mail.Refuse(451, 7, 1, "Mail of example.com waits: the remote host refused its sender")}},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome { return all(j, c.answer) }
				r.begin()
				for _, names := range c.to {
					var to []string
					for _, name := range strings.Fields(names) {
						to = append(to, name+"@example.org")
					}
					r.as("example.com", to...)
					synctest.Wait()
				}
				if l := r.InForce(10); len(l) != 0 {
					t.Errorf("in force %v", l)
				}
			})
		})
	}
}

// A list whose first recipient is always the same is no mailbox's rule.
func TestThreeAttemptsWithManyRecipientsStopASender(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.refuses(always)
		r.begin()
		for i := range 3 {
			if l := r.InForce(10); len(l) != 0 {
				t.Errorf("stopped after %d attempts: %v", i, l)
			}
			r.as("example.com", "a@example.org", "b@example.org", "c@example.org")
			synctest.Wait()
		}
		if l := r.InForce(10); len(l) != 1 {
			t.Errorf("in force %v", l)
		}
	})
}

func TestMailThatIsTakenBetweenRefusalsStopsNobody(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		attempts := r.refuses(func(_ *delivery.Job, to mail.ForwardPath) bool { return to.Local() != "glad" })
		r.begin()
		for i := range 9 {
			if i%2 == 1 {
				r.as("example.com", "glad@example.org")
				synctest.Wait()
			}
			r.as("example.com", fmt.Sprintf("r%d@example.org", i))
			synctest.Wait()
		}
		if n := attempts(); n != 13 || len(r.InForce(10)) != 0 {
			t.Errorf("%d attempts, in force %v", n, r.InForce(10))
		}
	})
}

func TestAfterThePauseOneMessageIsTriedForAll(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		var mended atomic.Bool
		attempts := r.refuses(func(*delivery.Job, mail.ForwardPath) bool { return !mended.Load() })
		r.begin()
		r.refuse3("example.com")
		for i := range 20 {
			r.as("example.com", fmt.Sprintf("w%d@example.org", i))
		}
		synctest.Wait()
		attempts()
		for i, pause := range []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 4 * time.Hour} {
			time.Sleep(pause - time.Second)
			if n := attempts(); n != 0 {
				t.Errorf("pause %d: %d attempts in it", i, n)
			}
			for attempts() == 0 { // the last second, and until the first that waits is due
				time.Sleep(time.Second)
			}
			synctest.Wait()
			if n := len(r.entries()); n != 19-i || len(r.InForce(1)) != 1 {
				t.Fatalf("pause %d: %d wait, in force %v", i, n, r.InForce(1))
			}
		}
		mended.Store(true)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if left := r.entries(); len(left) != 0 || len(r.InForce(1)) != 0 {
			t.Errorf("%d wait, in force %v", len(left), r.InForce(1))
		}
		r.wantLog(`msg="sender goes on" `)
	})
}

func TestAStopEndsWithACommandOrAChangeOfTheIdentity(t *testing.T) {
	var version atomic.Uint64
	for name, lift := range map[string]func(t *testing.T, r *rig, id mail.ID){
		"retry of the message": func(_ *testing.T, r *rig, id mail.ID) { r.retry(queue.Filter{ID: id, Limit: 1}) },
		"retry of the domain":  func(_ *testing.T, r *rig, _ mail.ID) { r.retry(queue.Filter{Domain: "example.org"}) },
		"retry of the account": func(_ *testing.T, r *rig, _ mail.ID) { r.retry(queue.Filter{Account: account}) },
		"retry of all":         func(_ *testing.T, r *rig, _ mail.ID) { r.retry(queue.Filter{}) },
		"a new key": func(t *testing.T, r *rig, _ mail.ID) {
			version.Add(1)
			if _, err := r.queue.Retry(t.Context(), queue.Filter{}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				r.options.IdentityVersion = func(acct, identity string) uint64 {
					if acct != account || identity != "example.com" {
						t.Errorf("asked about %s of %s", identity, acct)
					}
					return version.Load()
				}
				var mended atomic.Bool
				r.refuses(func(*delivery.Job, mail.ForwardPath) bool { return !mended.Load() })
				r.begin()
				r.refuse3("example.com")
				id := r.as("example.com", "bob@example.org")
				synctest.Wait()
				mended.Store(true)
				if _, err := r.queue.Retry(t.Context(), queue.Filter{}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if len(r.entries()) != 1 {
					t.Fatal("it is not stopped")
				}
				lift(t, r, id)
				synctest.Wait()
				if left := r.entries(); len(left) != 0 {
					t.Errorf("left %+v", left)
				}
			})
		})
	}
}

func (r *rig) retry(f queue.Filter) {
	r.t.Helper()
	if n, err := r.Retry(context.Background(), f); err != nil || n != 1 {
		r.t.Errorf("%d retried, %v", n, err)
	}
}

func TestARetryElsewhereLiftsNothing(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.refuses(always)
		r.resolve = func(_ context.Context, domain string) (*route.Route, error) {
			if domain == "gone.example" {
				return nil, mail.Refuse(550, 4, 4, "Invalid domain")
			}
			return &route.Route{Domain: domain, Site: "mx." + domain, Expires: time.Now().Add(time.Hour)}, nil
		}
		r.begin()
		r.refuse3("example.com")
		for _, f := range []queue.Filter{{Domain: "example.net"}, {Domain: "gone.example"}, {Account: "000000000002"}, {Domain: "example.org", Account: "000000000002"}} {
			if _, err := r.Retry(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.InForce(1)) != 1 {
			t.Error("it goes on")
		}
	})
}

func TestWhatWaitsForItsSenderExpires(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		attempts := r.refuses(always)
		r.begin()
		r.refuse3("example.com")
		attempts()
		s := r.message("bob@example.org")
		s.Message.Identity, s.MaxAge = "example.com", 3*time.Minute
		r.submit(s)
		synctest.Wait()
		if e := r.entries()[0]; !e.Due.Equal(e.Expires) {
			t.Errorf("due %v, expires %v", e.Due, e.Expires)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if n := attempts(); n != 0 || len(r.entries()) != 0 || !strings.HasSuffix(r.events(), "Bounce bob") {
			t.Errorf("%d attempts, left %v, told %s", n, r.entries(), r.events())
		}
		r.wantLog("Message expired: unable to deliver in 3 minutes.<451 4.7.1 Mail of example.com waits: ")
	})
}

// A smarthost passes on what the hosts behind it say.
func TestASmarthostSpeaksForTheDomain(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		attempts := r.refuses(func(_ *delivery.Job, to mail.ForwardPath) bool { return to.Domain() == "example.org" })
		r.resolve = func(_ context.Context, domain string) (*route.Route, error) {
			return &route.Route{Domain: domain, Site: "smart.example.net", Trusted: true, Expires: time.Now().Add(time.Hour)}, nil
		}
		r.begin()
		r.refuse3("example.com")
		attempts()
		r.as("example.com", "bob@example.net")
		id := r.as("example.com", "bob@example.org")
		synctest.Wait()
		if n := attempts(); n != 1 || len(r.entries()) != 1 {
			t.Errorf("%d attempts, %d wait", n, len(r.entries()))
		}
		if r.retry(queue.Filter{ID: id}); len(r.InForce(1)) != 0 {
			t.Error("a retry does not lift it")
		}
	})
}

func TestALongReplyIsCutInOurs(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		long := refused(550, 7, 26, "DMARC\n"+strings.Repeat("é", 1000))
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome { return all(j, long) }
		r.begin()
		r.refuse3("example.com")
		r.as("example.com", "bob@example.org")
		synctest.Wait()
		text := r.entries()[0].Last.Text
		if len(text) > 450 || strings.ContainsAny(text, "\n\uFFFD") || !strings.HasSuffix(text, "é...") {
			t.Errorf("%d octets: %s", len(text), text)
		}
	})
}

func TestStopsAreBounded(t *testing.T) {
	known, newest := dispatch.Stops(12_000, time.Now())
	if known > 10_000 || known < 9_000 || !newest {
		t.Errorf("%d stops are remembered, the newest: %v", known, newest)
	}
}
