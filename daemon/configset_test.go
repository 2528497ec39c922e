package daemon_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/textproto"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// profiles are the two manners to test.
var profiles = map[string]func(*config.Config){
	"default": func(*config.Config) {},
	"ses": func(c *config.Config) {
		c.Profile = config.ProfileSES
		c.Limits.LineLength = config.Strict(c.Hostname).Limits.LineLength
	},
}

// refused gives the reply with which a message is refused, or that it was taken.
func (r *relay) refused(text string) string {
	r.t.Helper()
	_, err := r.send("ann@example.org", []string{"bob@example.net"}, text)
	if reply := (*textproto.Error)(nil); errors.As(err, &reply) {
		return fmt.Sprint(reply.Code, " ", reply.Msg)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return "taken"
}

// letter is a text of these header fields.
func letter(fields ...string) string {
	return "From: ann@example.org\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\nhi\r\n"
}

// session is a client behind TLS, for what a library would not say.
type session struct {
	*textproto.Conn
	t *testing.T
}

func (r *relay) session() *session {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.addrs.ImplicitTLS[0], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		r.t.Fatal(err)
	}
	s := &session{textproto.NewConn(conn), r.t}
	r.t.Cleanup(func() { _ = s.Close() })
	s.reply("220")
	s.say("EHLO app.example.org", "250")
	s.say("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+r.user+"\x00"+r.pass)), "235")
	return s
}

// say sends a line and wants a reply that begins with these words.
func (s *session) say(line, want string) {
	s.t.Helper()
	if err := s.PrintfLine("%s", line); err != nil {
		s.t.Fatal(err)
	}
	s.reply(want)
}

func (s *session) reply(want string) {
	s.t.Helper()
	code, text, err := s.ReadResponse(0)
	if err != nil {
		s.t.Fatalf("instead of %q: %v", want, err)
	}
	if got := fmt.Sprint(code, " ", text); !strings.HasPrefix(got, want) {
		s.t.Fatalf("reply %q, want %q", got, want)
	}
}

func ptr[T any](v T) *T { return &v }

// createSet makes a configuration set of the default account.
func (r *relay) createSet(name string, c admin.SetChange) {
	r.t.Helper()
	if _, err := r.admin().CreateConfigSet(r.t.Context(), "default", name, c); err != nil {
		r.t.Fatal(err)
	}
}

func TestMoreThanFiftyRecipients(t *testing.T) { // checklist 7
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			s := newRelay(t, testmx.Options{}, alter).session()
			s.say("MAIL FROM:<ann@example.org>", "250 Ok")
			for i := range 50 {
				s.say(fmt.Sprintf("RCPT TO:<u%d@example.net>", i), "250 Ok")
			}
			if profile == "default" {
				s.say("RCPT TO:<more@example.net>", "452 4.5.3 Too many recipients")
				return
			}
			s.say("RCPT TO:<more@example.net>", "250 Ok")
			s.say("DATA", "354")
			s.say(letter()+".", "554 Transaction failed: Recipient count exceeds 50.")
		})
	}
}

func TestFieldsThatMayStandOnce(t *testing.T) { // checklist 8
	const signature = "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; h=from; bh=; b="
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			r := newRelay(t, testmx.Options{}, alter)
			for _, c := range []struct {
				field  string
				always bool
				twice  []string
			}{
				{"From", true, []string{"FROM: ann@example.org"}},
				{"Subject", true, []string{"Subject: a", "subject: b"}},
				{"Content-Type", true, []string{"Content-Type: text/plain", "Content-Type: text/html"}},
				{"Reply-To", true, []string{"Reply-To: a@example.org", "Reply-To: b@example.org"}},
				{"DKIM-Signature", false, []string{signature, signature}},
				{"References", false, []string{"References: <a@example.org>", "References: <b@example.org>"}},
			} {
				want := "554 Transaction failed: Duplicate header '" + c.field + "'."
				if profile == "default" && !c.always {
					want = "taken"
				}
				if got := r.refused(letter(c.twice...)); got != want {
					t.Errorf("%s: got %q, want %q", c.field, got, want)
				}
			}
			if got := r.refused(letter("To: a@example.net", "To: b@example.net", signature)); got != "taken" {
				t.Errorf("To twice: %s", got)
			}
		})
	}
}

func TestAConfigurationSetThatIsNotThereOrPaused(t *testing.T) { // checklist 9
	const gone = "554 Configuration Set does not exist: Configuration set <my-set> does not exist."
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			r := newRelay(t, testmx.Options{}, alter)
			ctx := t.Context()
			named := letter("X-SES-CONFIGURATION-SET: my-set")
			check := func(what, text, want string) {
				t.Helper()
				if got := r.refused(text); got != want {
					t.Errorf("%s: got %q, want %q", what, got, want)
				}
			}
			check("unknown", named, gone)
			check("empty", letter("X-SES-CONFIGURATION-SET: ", "x-ses-configuration-set: my-set"), "taken")
			if _, err := r.admin().CreateConfigSet(ctx, "default", "my-set", admin.SetChange{Sending: ptr(false)}); err != nil {
				t.Fatal(err)
			}
			check("paused", named, "554 Message rejected: Sending paused for configuration set <my-set>.")
			if _, err := r.admin().ChangeConfigSet(ctx, "default", "my-set", admin.SetChange{Sending: ptr(true)}); err != nil {
				t.Fatal(err)
			}
			check("resumed", named, "taken")
			check("other case", letter("X-SES-CONFIGURATION-SET: My-Set"),
				strings.ReplaceAll(gone, "my-set", "My-Set"))
			r.defaultSet("my-set")
			check("default of the credential", letter(), "taken")
			if _, err := r.admin().DeleteConfigSet(ctx, "default", "my-set"); err != nil {
				t.Fatal(err)
			}
			check("deleted default", letter(), gone)
			r.createSet("other", admin.SetChange{})
			check("header before default", letter("X-SES-CONFIGURATION-SET: other"), "taken")
			if _, err := r.admin().SetDefaults(ctx, "default", "example.org", identity.Defaults{Set: ptr("my-set")}); err != nil {
				t.Fatal(err)
			}
			r.defaultSet("other")
			check("credential before identity", letter(), "taken")
			r.defaultSet("")
			check("deleted default of the identity", letter(), gone)
		})
	}
}

func TestASetOfAnotherAccountIsNotThere(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	if _, err := r.admin().CreateCredential(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.admin().CreateConfigSet(t.Context(), "shop", "theirs", admin.SetChange{}); err != nil {
		t.Fatal(err)
	}
	const want = "554 Configuration Set does not exist: Configuration set <theirs> does not exist."
	if got := r.refused(letter("X-SES-CONFIGURATION-SET: theirs")); got != want {
		t.Errorf("got %q", got)
	}
}

func TestNullSenderAndSenderWithoutBrackets(t *testing.T) { // checklist 11
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			s := newRelay(t, testmx.Options{}, alter).session()
			want := "250 Ok"
			if profile == "ses" {
				want = "501 Invalid MAIL FROM address provided"
			}
			s.say("MAIL FROM:<>", want)
			s.say("RSET", "250 Ok")
			s.say("MAIL FROM: ann@example.org", "250 Ok")
		})
	}
}

func TestIdleTimeAndMessageCap(t *testing.T) { // checklist 12
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			r := newRelay(t, testmx.Options{}, alter, func(c *config.Config) {
				c.Limits.IdleTimeout = time.Second
				c.Limits.MessagesPerConnection = 2
			})
			s := r.session()
			s.reply("451 4.4.2 Timeout waiting for data from client.")
			if _, err := s.ReadLine(); !errors.Is(err, io.EOF) {
				t.Errorf("after the timeout: %v", err)
			}
			s = r.session()
			for range 2 {
				s.say("MAIL FROM:<ann@example.org>", "250")
				s.say("RCPT TO:<bob@example.net>", "250")
				s.say("DATA", "354")
				s.say(letter()+".", "250 Ok 0100")
			}
			s.say("MAIL FROM:<ann@example.org>", "421 Connection closed by server. Maximum message count per session reached.")
			if _, err := s.ReadLine(); !errors.Is(err, io.EOF) {
				t.Errorf("after the cap: %v", err)
			}
		})
	}
}

func TestAWholeSessionAtOnce(t *testing.T) { // checklist 13
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			r := newRelay(t, testmx.Options{}, alter)
			conn, err := tls.Dial("tcp", r.addrs.ImplicitTLS[0], &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
				t.Fatal(err)
			}
			b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
			lines := []string{"EHLO example.org", "AUTH LOGIN", b64(r.user), b64(r.pass), "MAIL FROM: ann@example.org",
				"RCPT TO: bob@example.net", "DATA", letter() + ".", "QUIT", ""}
			if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")); err != nil {
				t.Fatal(err)
			}
			var codes []string
			for sc := bufio.NewScanner(conn); sc.Scan(); {
				if line := sc.Text(); line[3] == ' ' {
					codes = append(codes, line[:3])
				}
			}
			if got := strings.Join(codes, " "); got != "220 250 334 334 235 250 250 354 250 221" {
				t.Errorf("replies %s", got)
			}
			r.arrived(1)
		})
	}
}

var (
	feedbackForm = regexp.MustCompile(`^a1:b\.2:1\.local-1\.[A-Za-z0-9+/]{43}=:sesame$`)
	outgoingForm = regexp.MustCompile(`^X-SES-Outgoing: 20[0-9]{2}\.[01][0-9]\.[0-3][0-9]-127\.0\.0\.1\r\n`)
)

func TestWhatLeavesCarriesOurFieldsAndNoneThatSteersUs(t *testing.T) { // checklist 14 but for VERP
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			r := newRelay(t, testmx.Options{StartTLS: true}, alter, func(c *config.Config) { c.Service.Domain = "mail.example.com" })
			r.createSet("my-set", admin.SetChange{})
			reply, err := r.send("ann@example.org", []string{"bob@example.net"}, letter(
				"X-SES-CONFIGURATION-SET: my-set", "x-ses-message-tags: ses:feedback-id-a=a1, campaign=x,ses:feedback-id-b=b.2",
				"X-SES-Source-ARN: arn:x", "X-SES-FROM-ARN: arn:x", "X-SES-RETURN-PATH-ARN: arn:x",
				"X-SES-LIST-MANAGEMENT-OPTIONS: list", "X-SES-TENANT: t", "Return-Path: <ann@example.org>",
				"Bcc: eve@example.com", "Message-ID: <mine@example.org>", "Date: Mon, 2 Feb 2026 00:00:00 +0000", "X-Mine: stays"))
			if err != nil {
				t.Fatal(err)
			}
			id := strings.TrimPrefix(reply, "Ok ")
			data := r.arrived(1)[0].Data
			if !outgoingForm.Match(data) {
				t.Errorf("it begins with %.60q", data)
			}
			h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(data))).ReadMIMEHeader()
			if err != nil {
				t.Fatal(err)
			}
			for name := range h {
				if strings.HasPrefix(name, "X-Ses-") && name != "X-Ses-Outgoing" || name == "Bcc" || name == "Return-Path" {
					t.Errorf("%s left the house", name)
				}
			}
			if h.Get("X-Mine") != "stays" || !feedbackForm.MatchString(h.Get("Feedback-ID")) {
				t.Errorf("X-Mine %q, Feedback-ID %q", h.Get("X-Mine"), h.Get("Feedback-ID"))
			}
			signatures := h.Values("DKIM-Signature")
			if len(signatures) != 2 || !strings.Contains(signatures[0], "d=example.org;") || !strings.Contains(signatures[1], "d=mail.example.com;") {
				t.Fatalf("signatures %q", signatures)
			}
			for _, s := range signatures {
				if !strings.Contains(s, "Feedback-ID") || strings.Contains(s, "X-SES") {
					t.Errorf("signed: %s", s)
				}
			}
			strict := profile == "ses"
			if replaced := h.Get("Message-ID") == "<"+id+"@mail.example.com>"; replaced != strict {
				t.Errorf("Message-ID %s", h.Get("Message-ID"))
			}
			if replaced := h.Get("Date") != "Mon, 2 Feb 2026 00:00:00 +0000"; replaced != strict {
				t.Errorf("Date %s", h.Get("Date"))
			}
			if added := h.Get("MIME-Version") == "1.0"; added != strict {
				t.Errorf("MIME-Version %q", h.Get("MIME-Version"))
			}
		})
	}
}

func TestASetDecidesOnTLSAndTime(t *testing.T) {
	r := newRelay(t, testmx.Options{}) // without STARTTLS
	r.createSet("private", admin.SetChange{TLS: ptr("require"), MaxDelivery: ptr(int64(300))})
	reply, err := r.send("ann@example.org", []string{"bob@example.net"}, letter("X-SES-CONFIGURATION-SET: private"))
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimPrefix(reply, "Ok ")
	var m admin.Message
	r.until("the message is deferred", func() bool {
		m, err = r.admin().Message(t.Context(), id)
		return err == nil && m.Recipients[0].Attempts == 1
	})
	if last := m.Recipients[0].LastReply; !strings.Contains(last, "Encryption is required") {
		t.Errorf("deferred with %q", last)
	}
	if age := m.Recipients[0].Expires.Sub(m.Accepted); age != 300*time.Second {
		t.Errorf("it expires after %v", age)
	}
	if n := r.mx.Count(); n != 0 {
		t.Error("it was sent in clear")
	}
	// Without the set the same host takes mail.
	if got := r.refused(letter()); got != "taken" {
		t.Error(got)
	}
	r.arrived(1)
}

func TestASetChoosesThePoolOfSources(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) {
		c.Sources = []config.Source{
			{Name: "a", Address: netip.MustParseAddr("127.0.0.2"), EHLO: "a.example.org", Pool: "default"},
			{Name: "b", Address: netip.MustParseAddr("127.0.0.3"), EHLO: "b.example.org", Pool: "bulk"},
		}
	})
	r.createSet("news", admin.SetChange{Pool: ptr("bulk")})
	if _, err := r.admin().CreateConfigSet(t.Context(), "default", "x", admin.SetChange{Pool: ptr("Bulk")}); err == nil ||
		err.Error() != `pool "Bulk": no source has that pool; there are bulk, default` {
		t.Errorf("an unknown pool: %v", err)
	}
	for i, c := range []struct{ field, hello, from string }{
		{"X-Mine: x", "a.example.org", "127.0.0.2"},
		{"X-SES-CONFIGURATION-SET: news", "b.example.org", "127.0.0.3"},
	} {
		if got := r.refused(letter(c.field)); got != "taken" {
			t.Fatal(got)
		}
		m := r.arrived(i + 1)[i]
		if m.Hello != c.hello || !strings.HasPrefix(m.Remote, c.from+":") || !strings.Contains(string(m.Data), "-"+c.from+"\r\n") {
			t.Errorf("%s: came from %s as %s", c.field, m.Remote, m.Hello)
		}
	}
}

func TestTagsThatBreakTheRules(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	for tags, want := range map[string]string{
		"a=b":                     "taken",
		"a=b, c-d=e@.,":           "taken",
		"":                        "taken",
		"caf\xc3\xa9=1":           "taken",
		"=?utf-8?q?caf=C3=A9?==1": "taken",
		"=b":                      "554 Transaction failed: The tag name must be specified.",
		"a":                       "554 Transaction failed: The tag value must be specified.",
		"a b=c":                   "554 Transaction failed: Invalid tag name <a b>: only alphanumeric ASCII characters, '_',  '-' are allowed.",
		"ses:source-ip=c":         "554 Transaction failed: Invalid tag name <ses:source-ip>: only alphanumeric ASCII characters, '_',  '-' are allowed.",
		"a=b:c":                   "554 Transaction failed: Invalid tag value <b:c>: only alphanumeric ASCII characters, '_',  '-' , '.', '@' are allowed.",
	} {
		if got := r.refused(letter("X-SES-MESSAGE-TAGS: " + tags)); got != want {
			t.Errorf("%q: got %q, want %q", tags, got, want)
		}
	}
}

func TestForbiddenAttachments(t *testing.T) {
	const text = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b"
	parts := func(n int, name string) string {
		return letter(text) + strings.Repeat("--b\r\n\r\nhi\r\n", n-1) +
			"--b\r\nContent-Disposition: attachment; filename=" + name + "\r\n\r\nx\r\n--b--\r\n"
	}
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			r := newRelay(t, testmx.Options{}, alter, func(c *config.Config) { c.Limits.MIMEParts = 3 })
			for body, want := range map[string]string{
				parts(3, "report.pdf"): "taken",
				parts(2, "setup.EXE"):  "554 Transaction failed: Attachments with the file extension '.exe' are not allowed.",
				parts(4, "report.pdf"): "554 Transaction failed: Message has more than 3 MIME parts.",
			} {
				if profile == "default" {
					want = "taken"
				}
				if got := r.refused(body); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// defaultSet gives the relay's credential a default configuration set.
func (r *relay) defaultSet(name string) {
	r.t.Helper()
	if _, err := r.admin().SetTerms(r.t.Context(), r.user, admin.Terms{ConfigurationSet: name}); err != nil {
		r.t.Fatal(err)
	}
}
