package submission_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
	"github.com/sesame-mta/sesame/submission/admission"
)

// remembers gives the id of the first message of a key again.
type remembers struct {
	*spool
	first map[string]mail.ID
}

func (r *remembers) Append(ctx context.Context, q queue.Submission) (mail.ID, error) {
	if id, ok := r.first[q.Key]; ok {
		return id, nil
	}
	r.first[q.Key] = q.Message.ID
	return r.spool.Append(ctx, q)
}

func TestARepeatCostsNothingAndIsNotToldAsAnother(t *testing.T) {
	var rates quota.Rates
	var log bytes.Buffer
	sent := 0
	s := &spool{}
	d := desk(t, s, func(o *submission.Options) {
		o.Queue = &remembers{s, map[string]mail.ID{}}
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		o.Observe = func(*queue.Message, event.Type, []event.Recipient) { sent++ }
		o.Renew = func(p *auth.Principal) (auth.Standing, error) {
			return auth.Standing{Principal: p, Account: account.Account{ID: p.Account, Production: true, MaxRate: 0.4}}, nil
		}
		o.Rules = admission.Rules(admission.Options{Identities: verified{}, Throttling: admission.Throttling{Rates: &rates}})
	})
	send := func(key, header string) (mail.ID, error) {
		r := request(t, header+"From: a@example.org\r\n\r\n", submission.Facts{})
		r.Key = key
		return d.Submit(t.Context(), r)
	}
	first, err := send("one", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{"", "X-Sesame-Idempotency-Key: two\r\n"} { // the request's goes first
		for range 5 {
			if id, err := send("one", header); err != nil || id != first {
				t.Fatalf("the repeat has %v, %v; the first %v", id, err, first)
			}
		}
	}
	if id, err := send("", "X-Sesame-Idempotency-Key: two\r\n"); err != nil || id == first {
		t.Errorf("another key: %v, %v", id, err)
	}
	if sent != 2 || strings.Count(log.String(), "message accepted") != 2 || strings.Count(log.String(), "message repeated") != 10 {
		t.Errorf("%d sent; log:\n%s", sent, log.String())
	}
}

func TestALongKeyIsRefusedNotCut(t *testing.T) {
	const want = "554 5.6.0 Transaction failed: Idempotency key cannot exceed 255 characters."
	long := strings.Repeat("k", 256)
	for name, c := range map[string]struct{ key, header, want string }{
		"in the request": {long, "", want},
		"in the header":  {"", "X-Sesame-Idempotency-Key: " + long + "\r\n", want},
		"just so long":   {long[1:], "", ""},
		"one of a call":  {long[1:] + "\x00100", "", ""},
	} {
		s := &spool{}
		r := request(t, c.header+"From: a@example.org\r\n\r\n", submission.Facts{})
		r.Key = c.key
		_, err := desk(t, s).Submit(t.Context(), r)
		got := ""
		var reply *mail.Reply
		if errors.As(err, &reply) {
			got = reply.String()
		}
		if got != c.want || (s.got == nil) != (want == c.want) {
			t.Errorf("%s: %q, kept %v", name, got, s.got != nil)
		}
	}
}
