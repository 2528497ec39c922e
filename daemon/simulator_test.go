package daemon_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/daemon"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail/report"
)

// simulations are the mailboxes of the simulator and what the log says of their
// outcome.
var simulations = []struct{ local, outcome, code, status, text string }{
	{"success", "delivered", "250", "2.6.0", "Message received"},
	{"success+label", "delivered", "250", "2.6.0", "Message received"},
	{"ooto", "delivered", "250", "2.6.0", "Message received"},
	{"ooto+label", "delivered", "250", "2.6.0", "Message received"},
	{"complaint", "delivered", "250", "2.6.0", "Message received"},
	{"complaint+label", "delivered", "250", "2.6.0", "Message received"},
	{"bounce", "delivery failed", "550", "5.1.1", "user unknown"},
	{"bounce+label", "delivery failed", "550", "5.1.1", "user unknown"},
	{"suppressionlist", "delivery failed", "550", "5.1.1", "As requested: user unknown (suppressed address: suppressionlist@%s)"},
	{"suppressionlist+label", "delivery failed", "550", "5.1.1", "As requested: user unknown (suppressed address: suppressionlist+label@%s)"},
	{"nobody", "delivery failed", "550", "5.1.1", "user unknown"},
}

// outcome reports whether the log has a line for a recipient with these facts.
func (r *relay) outcome(to, outcome, code, status, text string) bool {
	for line := range strings.Lines(r.log.text()) {
		all := strings.Contains(line, "to="+to+" ")
		for key, value := range map[string]string{"msg": outcome, "code": code, "status": status, "text": text} {
			if strings.Contains(value, " ") {
				value = fmt.Sprintf("%q", value)
			}
			all = all && strings.Contains(line, key+"="+value+" ")
		}
		if all {
			return true
		}
	}
	return false
}

func TestTheSimulatorAnswersForEachOfItsMailboxes(t *testing.T) {
	for _, domain := range []string{"simulator.amazonses.com", "simulator.mx1.example.org"} {
		t.Run(domain, func(t *testing.T) {
			r := newRelay(t, testmx.Options{StartTLS: true})
			bounces, complaints, answers := 0, 0, 0
			for _, s := range simulations {
				to := s.local + "@" + domain
				if _, err := r.send("ann@example.org", []string{to}, hello); err != nil {
					t.Fatal(err)
				}
				switch mailbox, _, _ := strings.Cut(s.local, "+"); {
				case s.code == "550":
					bounces++
				case mailbox == "complaint":
					complaints++
				case mailbox == "ooto":
					answers++
				}
				text := s.text
				if strings.Contains(text, "%s") {
					text = fmt.Sprintf(text, domain)
				}
				r.until(to+" has its outcome", func() bool { return r.outcome(to, s.outcome, s.code, s.status, text) })
			}
			// Bounce mail goes to the sender as for any host, and so do complaints and
			// automatic answers.
			got := r.arrived(bounces + complaints + answers)
			r.empty()
			if n := r.mx.Count(); n != int64(len(got)) {
				t.Errorf("%d messages left the house, want %d", n, len(got))
			}
			for _, m := range got {
				in, err := report.Read(m.Data)
				if err != nil || m.From != "" || m.To[0] != "ann@example.org" || bytes.Contains(m.Data, []byte("@amazonses.com")) {
					t.Errorf("envelope <%s> %s, %v: %s", m.From, m.To, err, m.Data)
					continue
				}
				switch in.Kind {
				case report.Bounced:
					if bounces--; !bytes.Contains(m.Data, []byte("Status: 5.1.1")) ||
						!bytes.Contains(m.Data, []byte("Diagnostic-Code: smtp; 550 5.1.1")) {
						t.Errorf("not the DSN of a simulated bounce: %s", m.Data)
					}
				case report.Complaint:
					if complaints--; in.Feedback.Type != "abuse" || in.Feedback.UserAgent != "sesame Mailbox Simulator" ||
						!strings.HasPrefix(in.Feedback.To[0], "complaint") || in.From != "complaints@mx1.example.org" {
						t.Errorf("not a simulated complaint: %s", m.Data)
					}
				case report.AutoReply:
					if answers--; !strings.HasSuffix(in.From, "@simulator.mx1.example.org") || in.Subject != "Auto: hi" {
						t.Errorf("not an automatic answer: %s", m.Data)
					}
				default:
					t.Errorf("neither of them: %s", m.Data)
				}
			}
			if bounces != 0 || complaints != 0 || answers != 0 {
				t.Errorf("missing: %d DSNs, %d complaints, %d answers", bounces, complaints, answers)
			}
			for _, q := range r.dns.Queries() {
				if q.Name == domain {
					t.Errorf("the name server was asked for %s %s", q.Type, q.Name)
				}
			}
		})
	}
}

func TestSimulatedMailCountsToTheRateButNotToTheQuota(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	quota, rate := int64(2), 0.02 // one message, and then none for minutes
	a, err := r.admin().CreateAccount(t.Context(), admin.AccountChange{Account: "shop", Quota: &quota, Rate: &rate})
	if err != nil || !a.Sandbox {
		t.Fatalf("account %+v, %v", a, err)
	}
	if _, err := r.admin().AddIdentity(t.Context(), "shop", "shop.example.org", identity.AddOptions{Verified: true}); err != nil {
		t.Fatal(err)
	}
	c, err := r.admin().CreateCredential(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	r.user, r.pass = c.Username, c.Password
	const text = "From: a@shop.example.org\r\n\r\nhi\r\n"
	send := func(to ...string) string {
		t.Helper()
		_, err := r.send("a@shop.example.org", to, text)
		if reply, ok := errors.AsType[*textproto.Error](err); ok {
			return fmt.Sprint(reply.Code, " ", reply.Msg)
		}
		if err != nil {
			t.Fatal(err)
		}
		return ""
	}
	free := func() {
		t.Helper()
		a, err := r.admin().Account(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		if a.Usage.Used != 0 {
			t.Errorf("%d recipients are charged", a.Usage.Used)
		}
	}
	const refusal = "554 Message rejected: Email address is not verified. The following identities failed the check in region LOCAL-1: bob@example.net"
	if got := send("success@simulator.amazonses.com", "bob@example.net"); got != refusal {
		t.Errorf("in the sandbox: %q", got)
	}
	if got := send("success@simulator.amazonses.com", "bounce+x@simulator.mx1.example.org", "ooto@simulator.amazonses.com"); got != "" {
		t.Fatalf("more simulated recipients than the quota has: %s", got)
	}
	free()
	if got := send("success@simulator.amazonses.com"); got != "454 Throttling failure: Maximum sending rate exceeded." {
		t.Errorf("beyond the rate: %q", got)
	}
	r.empty()
	free()
}

func TestTheSimulatorsDomainIsConfigured(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Service.SimulatorDomain = "Sim.example.net" })
	for _, to := range []string{"success@sim.example.net", "success@simulator.amazonses.com"} {
		if _, err := r.send("ann@example.org", []string{to}, hello); err != nil {
			t.Fatal(err)
		}
		r.until(to+" is delivered", func() bool { return r.outcome(to, "delivered", "250", "2.6.0", "Message received") })
	}
	r.empty()
	if n := r.mx.Count(); n != 0 {
		t.Errorf("%d messages left the house", n)
	}
}

func TestASmarthostGetsNoSimulatedMail(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) {
		c.Delivery.Smarthost = net.JoinHostPort("127.0.0.1", fmt.Sprint(c.Delivery.Port))
	})
	if _, err := r.send("ann@example.org", []string{"success@simulator.amazonses.com", "bob@example.net"}, hello); err != nil {
		t.Fatal(err)
	}
	if got := r.arrived(1); got[0].To[0] != "bob@example.net" {
		t.Errorf("the smarthost got mail for %s", got[0].To)
	}
	r.empty()
	if n := r.mx.Count(); n != 1 {
		t.Errorf("the smarthost got %d messages, want that to bob alone", n)
	}
}

func TestDevSimulatesWhatItDoesNotCapture(t *testing.T) {
	d, stop := dev(t, t.TempDir())
	defer stop()
	r := &relay{t: t, user: d.Credential.Username, pass: d.Credential.Password, addrs: d.Addrs()}
	to := []string{"you@example.net", "bounce+x@simulator.amazonses.com", "success@simulator.localhost.localdomain"}
	if _, err := r.send("app@example.com", to, strings.ReplaceAll(hello, "example.org", "example.com")); err != nil {
		t.Fatal(err)
	}
	// The mail to you, and the bounce mail to app.
	var mails []daemon.DevMail
	r.until("two mails are captured", func() bool {
		var err error
		mails, err = daemon.DevInbox(d.Inbox)
		return err == nil && len(mails) >= 2
	})
	for _, m := range mails {
		if len(m.To) != 1 || m.To[0].String() != "you@example.net" && m.To[0].String() != "app@example.com" {
			t.Errorf("captured %s", m.To)
		}
	}
}
