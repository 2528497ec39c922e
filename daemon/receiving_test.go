package daemon_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/dkim"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// receives has bounces come back to mail.example.org.
func receives(c *config.Config) {
	c.Service.Domain = "mail.example.org"
	c.Listen.Feedback = c.Listen.STARTTLS
	c.Feedback.Providers = []string{"staff@example.com", "fbl.example.net"}
}

// stranger sends a message to the server as any host may, and gives the last reply.
func (r *relay) stranger(from, text string, to ...string) string {
	r.t.Helper()
	s, _ := r.connect(r.addrs.STARTTLS[0])
	s.read()
	s.say("EHLO mx.example.net")
	s.want("MAIL FROM:<"+from+">", "250 Ok")
	for _, rcpt := range to {
		if got := s.say("RCPT TO:<" + rcpt + ">"); got != "250 Ok" {
			return got
		}
	}
	s.want("DATA", "354 End data with <CR><LF>.<CR><LF>")
	w := s.DotWriter()
	if _, err := w.Write([]byte(text)); err != nil {
		r.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		r.t.Fatal(err)
	}
	return s.read()
}

// out sends a message that the mail host takes, and gives it as it arrived there.
func (r *relay) out(to ...string) testmx.Message {
	r.t.Helper()
	n := int(r.mx.Count())
	if _, err := r.send("ann@example.org", to, hello); err != nil {
		r.t.Fatal(err)
	}
	return r.arrived(n + 1)[n]
}

// dsn is a report of a host that has taken the message and bounces it later.
func dsn(m testmx.Message, status, reply string, failed ...string) string {
	text := "From: MAILER-DAEMON@mx.example.net\r\nTo: <" + m.From + ">\r\nSubject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n--b\r\n\r\nSorry.\r\n\r\n" +
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n"
	for _, to := range failed {
		text += "\r\nFinal-Recipient: rfc822; " + to + "\r\nAction: failed\r\nStatus: " + status + "\r\nRemote-MTA: dns; inside.example.net\r\n" +
			"Diagnostic-Code: smtp; " + reply + "\r\n"
	}
	return text + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + string(m.Data) + "\r\n--b--\r\n"
}

func TestABounceThatComesBackLaterIsToldAndForwarded(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, testmx.Options{StartTLS: true}, receives, withEvents(dir))
	r.createSet("main", admin.SetChange{})
	r.defaultSet("main")
	r.createDestination(admin.NewDestination{DestinationName: named("f"), Kind: "file", Target: "f"})
	sent := r.out("Bob@example.net")
	if !regexp.MustCompile(`^0100[-0-9a-f]{56}@mail\.example\.org$`).MatchString(sent.From) {
		t.Fatalf("it left under %q", sent.From)
	}
	if strings.Contains(string(sent.Data), "ann@example.org>\r\nReturn-Path") {
		t.Error("a Return-Path left")
	}
	r.empty()
	report := dsn(sent, "5.1.1", "550 5.1.1 <bob@example.net> no such user", "bob@example.net")
	for range 2 { // hosts send again when our reply was lost
		if got := r.stranger("", report, strings.ToUpper(sent.From)); got != "250 Ok" {
			t.Fatalf("answered %q", got)
		}
	}
	got := r.arrived(2)[1]
	if got.From != "" || len(got.To) != 1 || got.To[0] != "ann@example.org" {
		t.Errorf("envelope %+v", got)
	}
	for _, want := range []string{"report-type=delivery-status", "Final-Recipient: rfc822; Bob@example.net", "Status: 5.1.1", "Remote-MTA: dns; inside.example.net",
		"Diagnostic-Code: smtp; 550 5.1.1", "From: MAILER-DAEMON@mail.example.org", "Subject: hi", "d=mail.example.org"} {
		if !strings.Contains(string(got.Data), want) {
			t.Errorf("the bounce mail has no %q:\n%s", want, got.Data)
		}
	}
	r.until("the recipient is suppressed", func() bool { return r.listed("default", "bob@example.net") })
	var bounces int
	for _, line := range fileLines(t, filepath.Join(dir, "f"), 3) {
		var e struct {
			EventType string
			Mail      struct{ Source string }
			Bounce    struct {
				BounceType, ReportingMTA string
				BouncedRecipients        []struct{ EmailAddress, Status, DiagnosticCode string }
			}
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.Mail.Source != "ann@example.org" {
			t.Errorf("source %q", e.Mail.Source)
		}
		if e.EventType == "Bounce" {
			bounces++
			b := e.Bounce
			if b.BounceType != "Permanent" || b.ReportingMTA != "dns; mx.example.net" || b.BouncedRecipients[0].EmailAddress != "Bob@example.net" ||
				b.BouncedRecipients[0].Status != "5.1.1" {
				t.Errorf("%s", line)
			}
		}
	}
	r.empty()
	if n := r.mx.Count(); n != 2 || bounces != 1 {
		t.Errorf("%d mails and %d bounces of one report that came twice", n, bounces)
	}
	id, _, _ := strings.Cut(sent.From, "@")
	if _, life := r.life(admin.TraceQuery{ID: id}); !strings.Contains(life, "no such user") || !strings.Contains(life, "MAIL FROM:\\u003c"+sent.From) {
		t.Errorf("the trace does not know of it:\n%s", life)
	}
}

func TestForgedBouncesCountForNothing(t *testing.T) {
	r := newRelay(t, testmx.Options{}, receives)
	sent := r.out("bob@example.net")
	r.empty()
	id, domain, _ := strings.Cut(sent.From, "@")
	guessed := strings.Replace(id, id[41:53], "0123456789ab", 1) + "@" + domain
	report := dsn(sent, "5.1.1", "550 5.1.1 no such user", "bob@example.net")
	for name, c := range map[string]struct{ to, text, want string }{
		"an id that we did not make":       {guessed, report, "550 5.1.1 No such address here"},
		"nobody at the service domain":     {"ann@mail.example.org", report, "550 5.1.1 No such address here"},
		"a domain of somebody else":        {"bob@example.net", report, "530 Authentication required"},
		"our senders' domain":              {"ann@example.org", report, "530 Authentication required"},
		"somebody who was not written to":  {sent.From, dsn(sent, "5.1.1", "550 no", "eve@example.com", "cy@example.net"), "250 Ok"},
		"a report that it is only delayed": {sent.From, strings.ReplaceAll(report, "Action: failed", "Action: delayed"), "250 Ok"},
		"a report that it has arrived":     {sent.From, strings.ReplaceAll(report, "Action: failed", "Action: delivered"), "250 Ok"},
		"a client's Message-ID alone": {"fbl@mail.example.org",
			strings.ReplaceAll(strings.ReplaceAll(report, id, "one"), sent.From, "ann@example.org"), "250 Ok"},
	} {
		if got := r.stranger("", c.text, c.to); got != c.want {
			t.Errorf("%s: answered %q, want %q", name, got, c.want)
		}
	}
	r.until("the reports are read", func() bool { return strings.Contains(r.metrics(), `sesame_receiving_messages_total{kind="bounce"} 4`) })
	// Of a message to one recipient a bounce of somebody else is all that is known,
	// so it is told, but nobody is suppressed for it.
	r.empty()
	for _, a := range []string{"bob@example.net", "eve@example.com", "cy@example.net"} {
		if r.listed("default", a) {
			t.Errorf("%s is suppressed", a)
		}
	}
	if n := strings.Count(r.log.text(), "bounce came back"); n != 1 || r.mx.Count() != 2 {
		t.Errorf("%d bounces were told, %d mails were sent", n, r.mx.Count())
	}
}

// complaint is a report of a feedback loop (RFC 5965), signed where a key is given.
func complaint(t *testing.T, from, kind string, m testmx.Message, rcpt string, key *dkim.Key) string {
	t.Helper()
	header := "From: <" + from + ">\r\nTo: fbl@mail.example.org\r\nSubject: complaint\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n"
	body := "--b\r\n\r\nA complaint.\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: " + kind + "\r\n" +
		"User-Agent: Loop/1.0\r\nVersion: 1\r\nOriginal-Rcpt-To: <" + rcpt + ">\r\nArrival-Date: Sun, 22 Nov 2026 11:00:00 +0000\r\n\r\n" +
		"--b\r\nContent-Type: message/rfc822\r\n\r\n" + string(m.Data) + "\r\n--b--\r\n"
	if key == nil {
		return header + body
	}
	signature, err := dkim.Sign([]byte(header), strings.NewReader(body), []*dkim.Key{key}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return string(signature) + header + body
}

// loopKey makes a key of a provider and publishes it.
func (r *relay) loopKey(domain string) *dkim.Key {
	r.t.Helper()
	signer, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		r.t.Fatal(err)
	}
	text, err := dkim.TXT(signer.Public())
	if err != nil {
		r.t.Fatal(err)
	}
	r.dns.Add("loop._domainkey." + domain + ` TXT "` + text + `"`)
	return &dkim.Key{Domain: domain, Selector: "loop", Algorithm: dkim.Ed25519, Private: signer}
}

func TestAComplaintOfAProviderIsToldAndForwarded(t *testing.T) {
	r := newRelay(t, testmx.Options{}, receives)
	key := r.loopKey("example.com")
	sent := r.out("bob@example.net", "cy@example.net", "eve@example.net")
	r.empty()
	for range 2 {
		if got := r.stranger("staff@example.com", complaint(t, "staff@example.com", "abuse", sent, "bob@example.net", key), "fbl@mail.example.org"); got != "250 Ok" {
			t.Fatalf("answered %q", got)
		}
	}
	got := r.arrived(2)[1]
	if got.From != "" || got.To[0] != "ann@example.org" {
		t.Errorf("envelope %+v", got)
	}
	for _, want := range []string{"report-type=feedback-report", "Feedback-Type: abuse", "Original-Rcpt-To: <bob@example.net>", "Subject: Fw: hi",
		"Original-Mail-From: <ann@example.org>", "From: complaints@mail.example.org"} {
		if !bytes.Contains(got.Data, []byte(want)) {
			t.Errorf("the complaint mail has no %q:\n%s", want, got.Data)
		}
	}
	r.until("the recipient is suppressed", func() bool { return r.listed("default", "bob@example.net") })
	if r.listed("default", "cy@example.net") {
		t.Error("somebody who did not complain is suppressed")
	}
	// She has pressed the wrong button, and takes it back.
	if got := r.stranger("staff@example.com", complaint(t, "staff@example.com", "not-spam", sent, "bob@example.net", key), "fbl@mail.example.org"); got != "250 Ok" {
		t.Fatalf("answered %q", got)
	}
	if r.listed("default", "bob@example.net") {
		t.Error("still suppressed, though it is no spam")
	}
	r.empty()
	if n := r.mx.Count(); n != 2 {
		t.Errorf("%d mails", n)
	}
}

func TestAComplaintThatHidesWhoComplainedIsOfAllAtTheProvider(t *testing.T) {
	r := newRelay(t, testmx.Options{}, receives)
	key := r.loopKey("fbl.example.net")
	sent := r.out("bob@example.net", "cy@example.net")
	sentElsewhere := sent
	r.empty()
	text := complaint(t, "loop@fbl.example.net", "abuse", sentElsewhere, "redacted@example.net", key)
	if got := r.stranger("", text, sent.From); got != "250 Ok" {
		t.Fatalf("answered %q", got)
	}
	r.until("both are suppressed", func() bool {
		return r.listed("default", "bob@example.net") && r.listed("default", "cy@example.net")
	})
}

func TestComplaintsWithoutAProvidersSignatureCountForNothing(t *testing.T) {
	r := newRelay(t, testmx.Options{}, receives, func(c *config.Config) { c.Service.Postmaster = "ops@example.net" })
	key, other := r.loopKey("example.com"), r.loopKey("evil.example.net")
	sent := r.out("bob@example.net")
	r.empty()
	good := complaint(t, "staff@example.com", "abuse", sent, "bob@example.net", key)
	for name, text := range map[string]string{
		"unsigned":                        complaint(t, "staff@example.com", "abuse", sent, "bob@example.net", nil),
		"signed by somebody else":         complaint(t, "staff@example.com", "abuse", sent, "bob@example.net", other),
		"from another user of the domain": complaint(t, "mallory@example.com", "abuse", sent, "bob@example.net", key),
		"changed after it was signed":     strings.Replace(good, "A complaint.", "A complaint!", 1),
		"with a second From":              "From: mallory@example.net\r\n" + good,
	} {
		n := int(r.mx.Count())
		if got := r.stranger("staff@example.com", text, "fbl@mail.example.org", sent.From); got != "250 Ok" {
			t.Errorf("%s: answered %q", name, got)
		}
		if got := r.arrived(n + 1)[n]; got.To[0] != "ops@example.net" {
			t.Errorf("%s: shown to %v", name, got.To)
		}
	}
	r.empty()
	if r.listed("default", "bob@example.net") || strings.Contains(r.log.text(), "complaint came back") {
		t.Error("a forged complaint counted")
	}
}

func TestAnAutomaticAnswerIsPassedOnOnce(t *testing.T) {
	r := newRelay(t, testmx.Options{}, receives)
	sent := r.out("bob@example.net")
	for i, from := range []string{"bob@example.net", "bob@example.net", "x@example.com", "y@example.com"} {
		text := "From: Bob <" + from + ">\r\nTo: ann@example.org\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nBack on Monday." + strings.Repeat("!", i) + "\r\n"
		if got := r.stranger("", text, sent.From); got != "250 Ok" {
			t.Fatalf("answered %q", got)
		}
	}
	got := r.arrived(3)[1]
	for _, want := range []string{"Subject: Fw: Out of office", "Back on Monday.", "Auto-Submitted: auto-"} {
		if !bytes.Contains(got.Data, []byte(want)) {
			t.Errorf("no %q in\n%s", want, got.Data)
		}
	}
	if got.From != "" || got.To[0] != "ann@example.org" {
		t.Errorf("envelope %+v", got)
	}
	r.empty()
	if n := r.mx.Count(); n != 3 { // the message, Bob's answer, and one of the others
		t.Errorf("%d mails", n)
	}
	if strings.Contains(r.log.text(), "bounce came back") {
		t.Error("an answer was told as a bounce")
	}
}

func TestRoleAddressesReachAPersonOrSayThatThereIsNone(t *testing.T) {
	const text = "From: eve@example.com\r\nSubject: your mail\r\n\r\nPlease stop.\r\n"
	for _, postmaster := range []string{"", "ops@example.net"} {
		r := newRelay(t, testmx.Options{}, receives, func(c *config.Config) { c.Service.Postmaster = postmaster })
		for n, to := range []string{"postmaster", "Postmaster@mail.example.org", "abuse@mail.example.org", "abuse@mx1.example.org"} {
			got := r.stranger("eve@example.com", text, to)
			if postmaster == "" {
				if !strings.HasPrefix(got, "550 5.7.1 Nobody reads this address") {
					t.Errorf("%s: answered %q", to, got)
				}
				continue
			}
			if got != "250 Ok" {
				t.Errorf("%s: answered %q", to, got)
			}
			if n > 0 && n != 2 {
				continue // the same again
			}
			sum := map[int]int{0: 1, 2: 2}[n]
			passed := r.arrived(sum)[sum-1]
			if passed.From != "" || passed.To[0] != postmaster || !bytes.Contains(passed.Data, []byte("Please stop.")) {
				t.Errorf("%s: passed on %+v", to, passed)
			}
			// A mailbox that passes it back must not start a circle.
			if got := r.stranger("ops@example.net", string(passed.Data), "abuse@mail.example.org", "postmaster@mail.example.org"); got != "250 Ok" {
				t.Errorf("coming back it was answered %q", got)
			}
		}
		r.empty()
		if n := r.mx.Count(); postmaster != "" && n != 2 {
			t.Errorf("%d mails", n)
		}
		r.stop()
	}
}

func TestAClientBouncesWhatItGotFromUs(t *testing.T) {
	r := newRelay(t, testmx.Options{}, receives)
	c := r.tenant("shop", "shop.example.net", admin.AccountChange{Production: value(true)})
	sent := r.out("bob@example.net")
	r.empty()
	s := r.login(c.Username, c.Password)
	s.want("MAIL FROM:<>", "250 Ok")
	s.want("RCPT TO:<"+sent.From+">", "250 Ok")
	s.want("DATA", "354 End data with <CR><LF>.<CR><LF>")
	report := strings.Replace(dsn(sent, "5.1.1", "550 5.1.1 no such user", "bob@example.net"), "MAILER-DAEMON@mx.", "MAILER-DAEMON@shop.", 1)
	if got := s.say(report + "."); !strings.HasPrefix(got, "250 Ok") {
		t.Fatal(got)
	}
	if got := r.arrived(2)[1]; got.To[0] != "ann@example.org" {
		t.Errorf("%+v", got)
	}
	r.until("the recipient is suppressed", func() bool { return r.listed("default", "bob@example.net") })
	r.empty()
}

func TestMailLeavesUnderTheMailFromDomainOfItsIdentity(t *testing.T) {
	r := newRelay(t, testmx.Options{}, receives)
	if _, err := r.admin().SetMailFrom(t.Context(), "default", "example.org", "bounce.example.org", "default"); err != nil {
		t.Fatal(err)
	}
	if got := r.out("bob@example.net"); !strings.HasSuffix(got.From, "@mail.example.org") {
		t.Errorf("before it is set up mail leaves under %s", got.From)
	}
	r.dns.Add(`bounce.example.org MX 10 mx1.example.org
		bounce.example.org TXT "v=spf1 include:mail.example.org ~all"`)
	r.until("the MAIL FROM domain is set up", func() bool {
		c, err := r.admin().CheckIdentity(t.Context(), "default", "example.org")
		return err == nil && c.Identity.MailFrom != nil && c.Identity.MailFrom.State == identity.Success
	})
	sent := r.out("cy@example.net")
	if !strings.HasSuffix(sent.From, "@bounce.example.org") {
		t.Fatalf("mail leaves under %s", sent.From)
	}
	r.empty()
	if got := r.stranger("", dsn(sent, "5.2.2", "552 5.2.2 mailbox full", "cy@example.net"), sent.From); got != "250 Ok" {
		t.Fatalf("answered %q", got)
	}
	if got := r.arrived(3)[2]; !bytes.Contains(got.Data, []byte("Status: 5.2.2")) {
		t.Errorf("%s", got.Data)
	}
	if got := r.stranger("", "Subject: x\r\n\r\nx\r\n", "ann@bounce.example.org"); got != "550 5.1.1 No such address here" {
		t.Errorf("answered %q", got)
	}
}

func TestNothingComesBackUnlessItIsAskedFor(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Service.Domain = "mail.example.org" })
	if sent := r.out("bob@example.net"); sent.From != "ann@example.org" {
		t.Errorf("mail leaves under %s", sent.From)
	}
	s, _ := r.connect(r.addrs.STARTTLS[0])
	s.read()
	s.say("EHLO mx.example.net")
	s.want("MAIL FROM:<>", "530 Must issue a STARTTLS command first")
}

func TestWhatComesBackIsNotForwardedWhereSomebodyElseHearsOfIt(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, testmx.Options{}, receives, withEvents(dir))
	r.createDestination(admin.NewDestination{DestinationName: ofIdentity("log"), Kind: "file", Target: "a.jsonl", Events: []string{"bounce", "complaint"}})
	off := false
	r.setNotifications(identity.Notifications{Forwarding: &off})
	sent := r.out("bob@example.net")
	r.empty()
	if got := r.stranger("", dsn(sent, "5.1.1", "550 5.1.1 no such user", "bob@example.net"), sent.From); got != "250 Ok" {
		t.Fatalf("answered %q", got)
	}
	if line := fileLines(t, filepath.Join(dir, "a.jsonl"), 1)[0]; !bytes.Contains(line, []byte(`"notificationType":"Bounce"`)) {
		t.Errorf("told %s", line)
	}
	r.empty()
	if n := r.mx.Count(); n != 1 {
		t.Errorf("%d mails", n)
	}
}

func TestTheStrictProfileReceivesTheSame(t *testing.T) {
	r := newRelay(t, testmx.Options{}, receives, func(c *config.Config) { c.Profile = config.ProfileSES })
	sent := r.out("bob@example.net")
	r.empty()
	id, _, _ := strings.Cut(sent.From, "@")
	if !bytes.Contains(sent.Data, []byte("Message-ID: <"+id+"@mail.example.org>")) {
		t.Errorf("the Message-ID is not ours in\n%s", sent.Data)
	}
	// To the postmaster, as some old hosts do: the original names the message.
	if got := r.stranger("", dsn(sent, "5.1.1", "550 5.1.1 no such user", "bob@example.net"), "postmaster@mail.example.org"); got != "250 Ok" {
		t.Fatalf("answered %q", got)
	}
	if got := r.arrived(2)[1]; got.To[0] != "ann@example.org" {
		t.Errorf("%+v", got)
	}
}
