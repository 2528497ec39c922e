package daemon_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

func TestBeyondTheRateMailIsQueuedWhereThatIsWanted(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Limits.QueueOnThrottle = true })
	c := r.tenant("shop", "shop.example.org", admin.AccountChange{Production: value(true), Rate: value(0.01)})
	s := r.login(c.Username, c.Password)
	s.accepted("ann@shop.example.org", "a@example.net", "b@example.net")
	s.accepted("ann@shop.example.org", "c@example.net")
	r.arrived(1)
	r.until("only the second message waits", func() bool { return r.messages() == 1 })
	for e, err := range r.admin().Queue(t.Context(), "", "", "") {
		if err != nil || e.To != "c@example.net" || e.Attempts != 0 || time.Until(e.Next) < 30*time.Second {
			t.Errorf("%+v, %v", e, err)
		}
	}
	r.change(admin.AccountChange{Account: "shop", Throttle: value("refuse")})
	if got := s.send("ann@shop.example.org", "d@example.net"); got != "454 Throttling failure: Maximum sending rate exceeded." {
		t.Errorf("%q", got)
	}
}

func TestARevokedCredentialEndsItsSessions(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	other, err := r.admin().CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	silent, inside, bystander := r.login(r.user, r.pass), r.login(r.user, r.pass), r.login(other.Username, other.Password)
	inside.want("MAIL FROM:<ann@example.org>", "250 Ok")
	inside.want("RCPT TO:<bob@example.net>", "250 Ok")
	inside.want("DATA", "354 End data with <CR><LF>.<CR><LF>")
	if _, err := r.admin().RevokeCredential(t.Context(), r.user); err != nil {
		t.Fatal(err)
	}
	const closing = "421 Service not available, closing transmission channel."
	if got := silent.read(); got != closing {
		t.Errorf("a silent session reads %q", got)
	}
	inside.want("From: ann@example.org\r\n\r\nhi\r\n.", "535 Authentication Credentials Invalid")
	if got := inside.read(); got != closing {
		t.Errorf("a session inside a message reads %q", got)
	}
	for _, s := range []*speech{silent, inside} {
		if _, err := s.ReadLine(); err == nil {
			t.Error("the session goes on")
		}
	}
	r.dial().want("AUTH PLAIN "+plain(r.user, r.pass), "535 Authentication Credentials Invalid")
	bystander.accepted("ann@example.org", "bob@example.net")
	if n := len(r.arrived(1)); n != 1 {
		t.Errorf("%d messages arrived", n)
	}
}

func TestAPauseIsToldAndCountsForOpenSessions(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	r.change(admin.AccountChange{Account: "default", Contact: value("bob@example.net")})
	s := r.login(r.user, r.pass)
	for _, p := range []struct {
		change admin.AccountChange
		want   string
	}{
		{admin.AccountChange{Paused: value(true)}, "554 Message rejected: Sending paused for this account."},
		{admin.AccountChange{Profile: value("ses")}, "554 Message rejected: Sending paused for this account. For more information, " +
			"please check the inbox of the email address associated with your AWS account."},
		{admin.AccountChange{Profile: value(""), Paused: value(false), SendingOff: value(true)}, "554 Message rejected: Email sending for the account is paused."},
	} {
		p.change.Account = "default"
		r.change(p.change)
		if got := s.send("ann@example.org", "eve@example.net"); got != p.want {
			t.Errorf("%q, want %q", got, p.want)
		}
	}
	r.change(admin.AccountChange{Account: "default", SendingOff: value(false)})
	s.accepted("ann@example.org", "eve@example.net")
	var subjects []string
	for _, m := range r.arrived(4) {
		if strings.Contains(strings.Join(m.To, " "), "bob@example.net") {
			if m.From != "" || !strings.Contains(string(m.Data), "From: no-reply@mx1.example.org\r\n") || !strings.Contains(string(m.Data), "d=mx1.example.org") {
				t.Errorf("not a mail of our own: %q\n%s", m.From, m.Data)
			}
			_, rest, _ := strings.Cut(string(m.Data), "Subject: ")
			subject, _, _ := strings.Cut(rest, "\r\n")
			subjects = append(subjects, subject)
		}
	}
	text := strings.Join(subjects, "; ")
	if strings.Count(text, "Sending paused for account default") != 2 || strings.Count(text, "Sending resumed for account default") != 1 {
		t.Errorf("told: %s", text)
	}
}

func TestACredentialIsHeldToItsTerms(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	make := func(terms admin.Terms) admin.NewCredential {
		t.Helper()
		c, err := r.admin().CreateCredential(t.Context(), "default", terms)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	away := make(admin.Terms{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	r.dial().want("AUTH PLAIN "+plain(away.Username, away.Password), "535 Authentication Credentials Invalid")
	c := make(admin.Terms{From: []string{"news@example.org"}, RecipientDomains: []string{"example.net"}})
	s := r.login(c.Username, c.Password)
	if got := s.send("ann@example.org", "bob@example.net"); got != "554 Access denied: This credential is not authorized to send from: ann@example.org" {
		t.Errorf("%q", got)
	}
	if got := s.send("news@example.org", "bob@example.com"); got != "554 Access denied: This credential is not authorized to send to: bob@example.com" {
		t.Errorf("%q", got)
	}
	s.accepted("news@example.org", "bob@example.net")
	if _, err := r.admin().SetTerms(t.Context(), c.Username, admin.Terms{}); err != nil {
		t.Fatal(err)
	}
	s.accepted("ann@example.org", "bob@example.com")
	if got, err := r.admin().Credential(t.Context(), c.Username); err != nil || time.Since(got.LastUsed) > time.Minute {
		t.Errorf("last use %v, %v", got.LastUsed, err)
	}
}

func TestADeletedAccountLeavesNothing(t *testing.T) {
	r := newRelay(t, busy, later)
	c := r.tenant("shop", "shop.example.org", admin.AccountChange{Production: value(true), Rate: value(0.0)})
	s := r.login(c.Username, c.Password)
	s.accepted("ann@shop.example.org", "bob@example.net")
	if _, err := r.admin().DeleteAccount(t.Context(), "shop", false); err == nil || !strings.Contains(err.Error(), "waits in the queue") {
		t.Fatalf("got %v", err)
	}
	s.accepted("ann@shop.example.org", "bob@example.net") // nothing has happened
	if _, err := r.admin().DeleteAccount(t.Context(), "shop", true); err != nil {
		t.Fatal(err)
	}
	if got := s.read(); !strings.HasPrefix(got, "421 ") {
		t.Errorf("the session reads %q", got)
	}
	if n := r.messages(); n != 0 {
		t.Errorf("%d messages are left", n)
	}
	for i, err := range r.admin().Identities(t.Context(), "") {
		if err != nil || i.Identity == "shop.example.org" {
			t.Errorf("%+v, %v", i, err)
		}
	}
	r.dial().want("AUTH PLAIN "+plain(c.Username, c.Password), "535 Authentication Credentials Invalid")
	if _, err := r.admin().DeleteAccount(t.Context(), "default", true); err == nil {
		t.Error("account default was deleted")
	}
	r.login(r.user, r.pass).accepted("ann@example.org", "bob@example.net")
}

func TestNoAccountSendsAsAnother(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	c := r.tenant("shop", "shop.example.com", admin.AccountChange{Production: value(true)})
	const refusal = "554 Message rejected: Email address is not verified. The following identities failed the check in region LOCAL-1: "
	if got := r.login(c.Username, c.Password).send("ann@example.org", "bob@example.net"); got != refusal+"ann@example.org" {
		t.Errorf("%q", got)
	}
	if got := r.login(r.user, r.pass).send("ann@shop.example.com", "bob@example.net"); got != refusal+"ann@shop.example.com" {
		t.Errorf("%q", got)
	}
	for account, n := range map[string]int{"shop": 1, "default": 1} {
		for c, err := range r.admin().Credentials(t.Context(), account) {
			if n--; err != nil || c.Account != account {
				t.Errorf("%s: %+v, %v", account, c, err)
			}
		}
		if n != 0 {
			t.Errorf("%s: %d credentials missing", account, n)
		}
	}
}

func TestAfterARotationEverythingIsOpened(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	got, err := r.admin().RotateKey(t.Context())
	if err != nil || got.Key == "" || got.Sealed < 3 { // a credential and two domains
		t.Fatalf("%+v, %v", got, err)
	}
	r.stop()
	r.start()
	r.login(r.user, r.pass).accepted("ann@example.org", "bob@example.net")
	if m := r.arrived(1)[0]; !strings.Contains(string(m.Data), "d=example.org") {
		t.Errorf("unsigned:\n%s", m.Data)
	}
}
