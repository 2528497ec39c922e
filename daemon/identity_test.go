package daemon_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// Item 5 of the checklist of the specification.
func TestAnUnverifiedSenderIsToldAfterData(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Region = "eu-north-1" })
	s := r.talk()
	for _, step := range [][2]string{
		{"MAIL FROM:<a@example.net>\r\n", "250 Ok"},
		{"RCPT TO:<bob@example.net>\r\n", "250 Ok"},
		{"DATA\r\n", "354 "},
		{"From: Somebody <b@example.com>\r\n\r\nx\r\n.\r\n", "554 Message rejected: Email address is not verified. " +
			"The following identities failed the check in region EU-NORTH-1: a@example.net, b@example.com"},
	} {
		if got := s.say(step[0]); !strings.HasPrefix(got, step[1]) || step[1] == "250 Ok" && got != step[1] {
			t.Fatalf("%.30q was answered %q, want %q", step[0], got, step[1])
		}
	}
	if got := s.message("ann@example.org", "From: ann@example.org\r\n"); !strings.HasPrefix(got, taken) {
		t.Errorf("a verified sender after that: %s", got)
	}
}

// Item 18 of the checklist of the specification.
func TestAMailFromDomainWithTwoMXFails(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Service.FeedbackHost = "feedback.example.org" })
	set := func(onFailure string) {
		t.Helper()
		if _, err := r.admin().SetMailFrom(t.Context(), "default", "example.org", "bounce.example.org", onFailure); err != nil {
			t.Fatal(err)
		}
	}
	state := func() identity.State {
		t.Helper()
		checked, err := r.admin().CheckIdentity(t.Context(), "default", "example.org")
		if err != nil {
			t.Fatal(err)
		}
		return checked.Identity.MailFrom.State
	}
	const refusal = "554 MAIL FROM domain not verified: DNS setup for MAIL FROM domain is invalid."
	const me = "From: ann@example.org\r\n"
	s := r.talk()
	set(admin.OnFailureReject)
	if got := s.message("ann@example.org", me); got != refusal {
		t.Errorf("while pending: %s", got)
	}
	r.dns.Add(`bounce.example.org 1 MX 10 feedback.example.org
		bounce.example.org 1 MX 20 mx.example.net
		bounce.example.org 1 TXT "v=spf1 a:mx1.example.org ~all"`)
	if got := state(); got != identity.Failed {
		t.Errorf("with two MX: %s", got)
	}
	if got := s.message("ann@example.org", me); got != refusal {
		t.Errorf("with RejectMessage: %s", got)
	}
	set(admin.OnFailureDefault)
	if got := s.message("ann@example.org", me); !strings.HasPrefix(got, taken) {
		t.Errorf("with UseDefaultValue: %s", got)
	}
	set(admin.OnFailureReject)
	r.dns.Remove("bounce.example.org")
	r.dns.Add(`bounce.example.org 1 MX 10 feedback.example.org
		bounce.example.org 1 TXT "v=spf1 a:mx1.example.org ~all"`)
	r.until("the MAIL FROM domain is set up", func() bool { return state() == identity.Success })
	if got := s.message("ann@example.org", me); !strings.HasPrefix(got, taken) {
		t.Errorf("with one MX: %s", got)
	}
}

func TestTheContactHearsOfWhatFailed(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	r.change(admin.AccountChange{Account: "default", Contact: value("bob@example.net")})
	if _, err := r.admin().SetMailFrom(t.Context(), "default", "example.org", "bounce.example.org", ""); err != nil {
		t.Fatal(err)
	}
	r.dns.Add(`bounce.example.org MX 10 one.example.net
		bounce.example.org MX 20 two.example.net`)
	if _, err := r.admin().CheckIdentity(t.Context(), "default", "example.org"); err != nil {
		t.Fatal(err)
	}
	m := r.arrived(1)[0]
	for _, want := range []string{"Subject: Identity example.org: mail from is FAILED\r\n", "bounce.example.org: several MX records"} {
		if m.From != "" || len(m.To) != 1 || m.To[0] != "bob@example.net" || !strings.Contains(string(m.Data), want) {
			t.Errorf("no %q in the mail from %q to %q:\n%s", want, m.From, m.To, m.Data)
		}
	}
}

func TestAPausedIdentityIsRefused(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	s := r.talk()
	const me = "From: ann@sub.example.org\r\n"
	for _, pause := range []bool{true, false} {
		if _, err := r.admin().PauseIdentity(t.Context(), "default", "example.org", pause); err != nil {
			t.Fatal(err)
		}
		want := taken
		if pause {
			want = "554 Message rejected: Sending paused for identity example.org."
		}
		if got := s.message("ann@example.org", me); !strings.HasPrefix(got, want) {
			t.Errorf("paused %v: %s", pause, got)
		}
	}
}

func TestADomainIsVerifiedThroughDNS(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Service.Domain = "mail.example.org" })
	i, err := r.admin().AddIdentity(t.Context(), "default", "shop.example.com", identity.AddOptions{DKIM: true})
	if err != nil {
		t.Fatal(err)
	}
	s := r.talk()
	const me = "From: ann@shop.example.com\r\n"
	if got := s.message("", me); got != unverified+"ann@shop.example.com" {
		t.Errorf("while pending: %s", got)
	}
	for _, rec := range i.Records {
		r.dns.Add((identity.Record{Name: rec.Name, Type: rec.Type, Value: rec.Value}).Zone())
	}
	for rec, err := range r.admin().ServiceRecords(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		r.dns.Add(rec.Zone())
	}
	r.until("the domain is verified", func() bool {
		checked, err := r.admin().CheckIdentity(t.Context(), "default", "shop.example.com")
		return err == nil && checked.Identity.Status == "verified" && checked.Identity.DKIM == identity.Success && len(checked.Problems) == 0
	})
	if got := s.message("", me); !strings.HasPrefix(got, taken) {
		t.Errorf("once verified: %s", got)
	}
	if data := string(r.arrived(1)[0].Data); !strings.Contains(data, "d=shop.example.com") {
		t.Errorf("not signed:\n%s", data)
	}
}

var linkForm = regexp.MustCompile(`https://mail\.example\.org(/verify\?link=\S+)`)

func TestAnAddressIsVerifiedThroughItsMail(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) {
		c.Listen.Public = "127.0.0.1:0"
		c.Service.PublicURL = "https://mail.example.org"
	})
	i, err := r.admin().AddIdentity(t.Context(), "default", "eve@example.com", identity.AddOptions{DKIM: true})
	if err != nil || !i.Mailed || i.Status != "pending" {
		t.Fatalf("%+v, %v", i, err)
	}
	got := r.arrived(1)[0]
	if got.From != "" || got.To[0] != "eve@example.com" || !strings.Contains(string(got.Data), "Auto-Submitted: auto-generated") {
		t.Errorf("%+v", got)
	}
	m := linkForm.FindStringSubmatch(strings.ReplaceAll(string(got.Data), "=\r\n", ""))
	if m == nil {
		t.Fatalf("no link in\n%s", got.Data)
	}
	at, err := url.Parse("http://" + r.addrs.Public + m[1])
	if err != nil {
		t.Fatal(err)
	}
	status := func() string {
		t.Helper()
		i, err := r.admin().Identity(t.Context(), "default", "eve@example.com")
		if err != nil {
			t.Fatal(err)
		}
		return i.Status
	}
	page := func(resp *http.Response, err error) (int, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	// A scanner opens the link.
	if code, body := page(http.Get(at.String())); code != http.StatusOK || !strings.Contains(body, "<form") || status() != "pending" {
		t.Fatalf("%d, %s:\n%s", code, status(), body)
	}
	form := url.Values{"link": {at.Query().Get("link")}}
	if code, _ := page(http.PostForm("http://"+r.addrs.Public+"/verify", form)); code != http.StatusOK || status() != "verified" {
		t.Fatalf("%d, %s", code, status())
	}
	if code, _ := page(http.PostForm("http://"+r.addrs.Public+"/verify", form)); code != http.StatusNotFound {
		t.Errorf("a second time: %d", code)
	}
	if reply := r.talk().message("eve@example.com", "From: eve@example.com\r\n"); !strings.HasPrefix(reply, taken) {
		t.Errorf("sending as it: %s", reply)
	}
}
