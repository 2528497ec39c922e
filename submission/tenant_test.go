package submission_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
	"github.com/sesame-mta/sesame/submission/admission"
)

// standing makes every principal stand as given.
func standing(a account.Account) func(*submission.Options) {
	return func(o *submission.Options) {
		o.Renew = func(p *auth.Principal) (auth.Standing, error) {
			a.ID = p.Account
			return auth.Standing{Principal: p, Account: a}, nil
		}
	}
}

func TestTheChargeIsOfDistinctRecipientsOutsideTheSimulator(t *testing.T) {
	s := &spool{}
	d := desk(t, s, standing(account.Account{Production: true, MaxDay: 17}), func(o *submission.Options) {
		o.IsSimulated = func(domain string) bool { return domain == "simulator.example.test" }
	})
	r := request(t, "From: a@example.org\r\n\r\n", submission.Facts{})
	r.To = nil
	for _, text := range []string{"b@example.net", "c@example.net", "b@example.net", "bounce@simulator.example.test"} {
		p, err := mail.ParseForwardPath(text)
		if err != nil {
			t.Fatal(err)
		}
		r.To = append(r.To, p)
	}
	if _, err := d.Submit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if c := s.got.Charge; c.Account != "000000000001" || c.Recipients != 2 || c.Limit != 17 {
		t.Errorf("charged %+v", c)
	}
}

func TestAPrincipalThatIsGoodNoMoreIsRefused(t *testing.T) {
	s := &spool{}
	d := desk(t, s, func(o *submission.Options) {
		o.Renew = func(*auth.Principal) (auth.Standing, error) { return auth.Standing{}, auth.ErrInvalid }
	})
	_, err := d.Submit(t.Context(), request(t, "From: a@example.org\r\n\r\n", submission.Facts{}))
	if !errors.Is(err, auth.ErrInvalid) || s.got != nil || !s.content.discarded {
		t.Errorf("got %v, kept %v", err, s.got != nil)
	}
}

func TestQueuedBeyondTheRateIsDueLater(t *testing.T) {
	s := &spool{}
	a := account.Account{Production: true, MaxRate: 0.1, Throttle: account.ThrottleQueue}
	d := desk(t, s, standing(a), func(o *submission.Options) {
		o.Rules = admission.Rules(admission.Options{Region: "local-1", Identities: verified{},
			Throttling: admission.Throttling{Rates: new(quota.Rates), Now: func() time.Time { return accepted }}})
	})
	for i, least := range []time.Duration{0, 0, 10 * time.Second} {
		if _, err := d.Submit(t.Context(), request(t, "From: a@example.org\r\n\r\n", submission.Facts{})); err != nil {
			t.Fatal(err)
		}
		wait := s.got.Due.Sub(s.got.Message.Accepted)
		if i == 0 && wait != 0 || wait < least {
			t.Errorf("message %d waits %v", i, wait)
		}
	}
}

func TestWhatIsRefusedCostsNothingOfTheRate(t *testing.T) {
	for _, why := range []error{queue.ErrQuota, queue.ErrFull} {
		s, rates := &spool{appendErr: why}, new(quota.Rates)
		d := desk(t, s, standing(account.Account{Production: true, MaxDay: 1, MaxRate: 1}), func(o *submission.Options) {
			o.Rules = admission.Rules(admission.Options{Region: "local-1", Identities: verified{},
				Throttling: admission.Throttling{Rates: rates, SigV2: 1, Now: func() time.Time { return accepted }}})
		})
		for range 20 {
			r := request(t, "From: a@example.org\r\n\r\n", submission.Facts{})
			r.Principal.SigV2 = true
			if _, err := d.Submit(t.Context(), r); !errors.As(err, new(*mail.Reply)) || !errors.Is(err, why) {
				t.Fatalf("got %v, want %v", err, why)
			}
		}
		for _, key := range []string{"000000000001", "sigv2 000000000001"} {
			if at, _ := rates.Look(key, 1, accepted); at != quota.Burst {
				t.Errorf("%v: %g recipients at hand of %s, want %d", why, at, key, quota.Burst)
			}
		}
	}
}

func TestACredentialIsHeldToItsNetworksInAnOpenSessionToo(t *testing.T) {
	s := &spool{}
	d := desk(t, s, func(o *submission.Options) {
		o.Renew = func(p *auth.Principal) (auth.Standing, error) {
			c := account.Credential{Terms: account.Terms{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
			return auth.Standing{Principal: p, Account: account.Account{ID: p.Account, Production: true}, Credential: c}, nil
		}
	})
	for client, want := range map[string]bool{"192.0.2.9": true, "::ffff:192.0.2.9": true, "198.51.100.1": false} {
		r := request(t, "From: a@example.org\r\n\r\n", submission.Facts{})
		r.Origin.Client = netip.MustParseAddr(client)
		_, err := d.Submit(t.Context(), r)
		var reply *mail.Reply
		if want && err != nil || !want && (!errors.As(err, &reply) || reply.Text != auth.ErrInvalid.Text) {
			t.Errorf("from %s: %v", client, err)
		}
	}
}
