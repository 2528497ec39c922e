package admission_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/submission/admission"
)

// tenants: account 1 owns example.org, account 2 example.com.
type tenants struct{}

func (tenants) Covered(account string, a mail.Address) bool {
	return account == "1" && a.Domain() == "example.org" || account == "2" && a.Domain() == "example.com"
}

var clock = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// ask puts one message before the rules and gives the reply and what it says.
type ask struct {
	account    account.Account
	credential account.Credential
	strict     bool
	sigv2      bool
	from       string
	header     string
	to         []string
}

func (a ask) candidate(t *testing.T) *admission.Candidate {
	t.Helper()
	if a.account.ID == "" {
		a.account.ID = "1"
	}
	if a.header == "" {
		a.header = "From: ann@example.org\r\n"
	}
	if a.to == nil {
		a.to = []string{"bob@example.net"}
	}
	section, err := message.Scan([]byte(a.header + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := &admission.Candidate{
		Principal: &auth.Principal{Account: a.account.ID, Strict: a.strict, SigV2: a.sigv2},
		Account:   a.account, Credential: a.credential, Header: section, Content: strings.NewReader(a.header + "\r\n"),
		Size: int64(len(a.header) + 2), HeaderSize: int64(len(a.header) + 2),
	}
	if c.From, err = mail.ParseReversePath(a.from); err != nil {
		t.Fatal(err)
	}
	for _, s := range a.to {
		p, err := mail.ParseForwardPath(s)
		if err != nil {
			t.Fatal(err)
		}
		c.To = append(c.To, p)
	}
	return c
}

func check(t *testing.T, rules []admission.Rule, c *admission.Candidate) (rule, reply string) {
	t.Helper()
	for _, r := range rules {
		err := r.Check(t.Context(), c)
		if err == nil {
			continue
		}
		var reply *mail.Reply
		if !errors.As(err, &reply) {
			t.Fatalf("%s: not a reply: %v", r.Name, err)
		}
		return r.Name, strings.TrimSuffix(string(reply.Wire(nil)), "\r\n")
	}
	return "", ""
}

func options() admission.Options {
	return admission.Options{
		Region: "eu-west-1", Identities: tenants{},
		IsSimulated: func(domain string) bool { return domain == "simulator.example.test" },
		Throttling:  admission.Throttling{Rates: new(quota.Rates), SigV2: 1, Now: func() time.Time { return clock }},
	}
}

func TestAnAccountIsHeldToWhatItMay(t *testing.T) {
	prod := account.Account{Production: true}
	paused, off, both := prod, prod, prod
	paused.Paused, off.SendingOff = true, true
	both.Paused, both.SendingOff = true, true
	terms := func(t account.Terms) account.Credential { return account.Credential{Terms: t} }
	limited := terms(account.Terms{From: []string{"news@example.org"}, RecipientDomains: []string{"*.example.net"}})
	const notVerified = "554 Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: "
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf("recipient%d@example.net", i)
	}
	tests := []struct {
		name       string
		ask        ask
		rule, want string
	}{
		{"in production", ask{account: prod}, "", ""},
		{"in the sandbox to a stranger", ask{}, "sandbox", notVerified + "bob@example.net"},
		{"in the sandbox to its own", ask{to: []string{"me@example.org"}}, "", ""},
		{"in the sandbox to the simulator", ask{to: []string{"bounce+x@simulator.example.test"}}, "", ""},
		{"in the sandbox to another account's", ask{to: []string{"me@example.org", "you@example.com"}}, "sandbox", notVerified + "you@example.com"},
		{"in the sandbox to two strangers, one twice", ask{to: []string{"a@example.net", "b@example.net", "a@example.net"}}, "sandbox",
			notVerified + "a@example.net, b@example.net"},
		{"in the sandbox, sender first", ask{header: "From: x@example.com\r\n"}, "identity", notVerified + "x@example.com"},
		{"paused by the operator", ask{account: paused}, "pause", "554 Message rejected: Sending paused for this account."},
		{"paused by the operator, strict", ask{account: paused, strict: true}, "pause",
			"554 Message rejected: Sending paused for this account. For more information, please check the inbox of the email address associated with your AWS account."},
		{"paused by the owner", ask{account: off}, "pause", "554 Message rejected: Email sending for the account is paused."},
		{"paused by both", ask{account: both}, "pause", "554 Message rejected: Sending paused for this account."},
		{"a pause goes before a bad header", ask{account: paused, header: "To: x@example.org\r\n"}, "pause",
			"554 Message rejected: Sending paused for this account."},
		{"a credential for another From", ask{account: prod, credential: limited, to: []string{"b@a.example.net"}}, "credential",
			"554 Access denied: This credential is not authorized to send from: ann@example.org"},
		{"a credential and its own From", ask{account: prod, credential: limited, header: "From: News <news@example.org>\r\n", to: []string{"b@a.example.net"}}, "", ""},
		{"a credential and another Sender", ask{account: prod, credential: limited, header: "From: news@example.org\r\nSender: ann@example.org\r\n", to: []string{"b@a.example.net"}},
			"credential", "554 Access denied: This credential is not authorized to send from: ann@example.org"},
		{"a credential and another envelope sender", ask{account: prod, credential: limited, from: "ann@example.org", header: "From: news@example.org\r\n", to: []string{"b@a.example.net"}},
			"credential", "554 Access denied: This credential is not authorized to send from: ann@example.org"},
		{"a credential for other recipients", ask{account: prod, credential: limited, header: "From: news@example.org\r\n", to: []string{"b@a.example.net", "c@example.net"}},
			"credential", "554 Access denied: This credential is not authorized to send to: c@example.net"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rule, got := check(t, admission.Rules(options()), tt.ask.candidate(t))
			if rule != tt.rule || got != tt.want {
				t.Errorf("%s: %q\nwant %s: %q", rule, got, tt.rule, tt.want)
			}
		})
	}
	_, got := check(t, admission.Rules(options()), ask{to: many}.candidate(t))
	if len(got) > mail.MaxReplyLine-2 || !strings.HasSuffix(got, "...") {
		t.Errorf("%d octets: %q", len(got), got)
	}
}

func TestTheRateIsTheLastWord(t *testing.T) {
	const refusal = "454 Throttling failure: Maximum sending rate exceeded."
	o := options()
	rules := admission.Rules(o)
	a := account.Account{ID: "1", Production: true, MaxRate: 1}
	// What another rule refuses costs nothing.
	for range 100 {
		check(t, rules, ask{account: a, header: "From: x@example.com\r\n"}.candidate(t))
	}
	for i := range 7 {
		want := ""
		if i >= 5 {
			want = refusal
		}
		if _, got := check(t, rules, ask{account: a, to: []string{"x@simulator.example.test"}}.candidate(t)); got != want {
			t.Errorf("message %d: %q, want %q", i, got, want)
		}
	}
	// Another account has tokens of its own, and one without a rate needs none.
	b := account.Account{ID: "2", Production: true, MaxRate: 1}
	if _, got := check(t, rules, ask{account: b, header: "From: x@example.com\r\n"}.candidate(t)); got != "" {
		t.Errorf("account 2: %q", got)
	}
	a.MaxRate = 0
	if _, got := check(t, rules, ask{account: a}.candidate(t)); got != "" {
		t.Errorf("without a rate: %q", got)
	}
}

func TestSigV2HasABudgetOfItsOwn(t *testing.T) {
	rules := admission.Rules(options())
	a := account.Account{ID: "1", Production: true, MaxRate: 100}
	for i := range 7 {
		want := ""
		if i >= 5 {
			want = "454 Throttling failure: Maximum SigV2 SMTP sending rate exceeded."
		}
		if _, got := check(t, rules, ask{account: a, sigv2: true}.candidate(t)); got != want {
			t.Errorf("message %d: %q, want %q", i, got, want)
		}
	}
	if _, got := check(t, rules, ask{account: a}.candidate(t)); got != "" {
		t.Errorf("the new form waits for the old: %q", got)
	}
}

func TestBeyondTheRateMailWaitsWhereThatIsWanted(t *testing.T) {
	for _, tt := range []struct {
		file     bool
		throttle account.Throttle
		waits    bool
	}{
		{false, account.ThrottleFile, false}, {true, account.ThrottleFile, true},
		{false, account.ThrottleQueue, true}, {true, account.ThrottleRefuse, false},
	} {
		o := options()
		o.Throttling.Queue = tt.file
		rules := admission.Rules(o)
		a := account.Account{ID: "1", Production: true, MaxRate: 1, Throttle: tt.throttle}
		refused := false
		var last time.Duration
		for range 4000 {
			c := ask{account: a}.candidate(t)
			if _, got := check(t, rules, c); got != "" {
				refused = true
				break
			}
			if c.Wait < last {
				t.Fatal("a later message goes earlier")
			}
			last = c.Wait
		}
		if !refused || (last > 0) != tt.waits || last > time.Hour {
			t.Errorf("file %v, account %q: refused %v, waited up to %v", tt.file, tt.throttle, refused, last)
		}
	}
}
