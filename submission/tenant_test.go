package submission_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
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
