package daemon_test

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// speech is a session with the server, by hand.
type speech struct {
	t *testing.T
	*textproto.Conn
}

// dial connects to the implicit TLS port and says EHLO.
func (r *relay) dial() *speech {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.addrs.ImplicitTLS[0], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		r.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(wait))
	s := &speech{r.t, textproto.NewConn(conn)}
	r.t.Cleanup(func() { _ = s.Close() })
	s.read()
	s.say("EHLO client.example.org")
	return s
}

// login is dial with AUTH.
func (r *relay) login(user, pass string) *speech {
	r.t.Helper()
	s := r.dial()
	s.want("AUTH PLAIN "+plain(user, pass), "235 Authentication successful.")
	return s
}

func plain(user, pass string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + pass))
}

func (s *speech) read() string {
	s.t.Helper()
	for {
		line, err := s.ReadLine()
		if err != nil {
			s.t.Fatal(err)
		}
		if len(line) < 4 || line[3] != '-' {
			return line
		}
	}
}

func (s *speech) say(line string) string {
	s.t.Helper()
	if err := s.PrintfLine("%s", line); err != nil {
		s.t.Fatal(err)
	}
	return s.read()
}

func (s *speech) want(line, reply string) {
	s.t.Helper()
	if got := s.say(line); got != reply {
		s.t.Fatalf("%.30s: %q, want %q", line, got, reply)
	}
}

// send sends one message and gives the reply to its end.
func (s *speech) send(from string, to ...string) string {
	s.t.Helper()
	s.want("MAIL FROM:<"+from+">", "250 Ok")
	for _, rcpt := range to {
		s.want("RCPT TO:<"+rcpt+">", "250 Ok")
	}
	s.want("DATA", "354 End data with <CR><LF>.<CR><LF>")
	return s.say("From: " + from + "\r\nSubject: hi\r\n\r\nhi\r\n.")
}

// accepted sends a message that is taken.
func (s *speech) accepted(from string, to ...string) {
	s.t.Helper()
	if got := s.send(from, to...); !strings.HasPrefix(got, "250 Ok 0100") {
		s.t.Fatalf("refused: %q", got)
	}
}

// tenant makes an account that may send as a domain, and a credential.
func (r *relay) tenant(name, domain string, change admin.AccountChange) admin.NewCredential {
	r.t.Helper()
	change.Account = name
	if _, err := r.admin().CreateAccount(r.t.Context(), change); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.admin().AddIdentity(r.t.Context(), name, domain, identity.AddOptions{Verified: true}); err != nil {
		r.t.Fatal(err)
	}
	c, err := r.admin().CreateCredential(r.t.Context(), name)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *relay) change(q admin.AccountChange) {
	r.t.Helper()
	if _, err := r.admin().ChangeAccount(r.t.Context(), q); err != nil {
		r.t.Fatal(err)
	}
}

func (r *relay) messages() int64 {
	r.t.Helper()
	s, err := r.admin().Status(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Queue.Messages
}

// later keeps all mail in the queue.
func later(c *config.Config) { c.Delivery.Retry = []time.Duration{time.Hour} }

// busy is a mail host that never takes anything.
var busy = testmx.Options{Script: func(e testmx.Event) testmx.Action {
	if e.Stage == testmx.Rcpt {
		return testmx.Action{Text: "451 4.3.2 come back later"}
	}
	return testmx.Action{}
}}

func value[T any](v T) *T { return &v }

// Checklist 3 of the SES reference.
func TestAUTHSpeaksAsSES(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	const user, pass = "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"
	for name, steps := range map[string][][2]string{
		"PLAIN with initial response":    {{"AUTH PLAIN " + plain(r.user, r.pass), "235 Authentication successful."}},
		"PLAIN without initial response": {{"AUTH PLAIN", "334 Ok"}, {plain(r.user, r.pass), "235 Authentication successful."}},
		"LOGIN with initial response":    {{"AUTH LOGIN " + b64(r.user), pass}, {b64(r.pass), "235 Authentication successful."}},
		"LOGIN without initial response": {{"AUTH LOGIN", user}, {b64(r.user), pass}, {b64(r.pass), "235 Authentication successful."}},
		"a wrong password":               {{"AUTH PLAIN " + plain(r.user, r.pass+"x"), "535 Authentication Credentials Invalid"}},
		"an unknown user":                {{"AUTH PLAIN " + plain("AKIAAAAAAAAAAAAAAAAA", r.pass), "535 Authentication Credentials Invalid"}},
		"a wrong password by LOGIN":      {{"AUTH LOGIN", user}, {b64(r.user), pass}, {b64("x"), "535 Authentication Credentials Invalid"}},
	} {
		t.Run(name, func(*testing.T) {
			s := r.dial()
			for _, step := range steps {
				s.want(step[0], step[1])
			}
		})
	}
}

// Checklist 4: pairs that were made by SES keep their passwords.
func TestAllVectorsOfSESAuthenticate(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	const some, another, example = "some+secret+key", "another+secret+key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	for i, v := range []struct{ secret, region, password string }{
		{some, "eu-central-1", "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2"},
		{another, "eu-central-1", "BBbphbrQmrKMx42d1N6+C7VINYEBGI5v9VsZeTxwskfh"},
		{some, "us-west-1", "BH+jbMzper5WwlwUar9E1ySBqHa9whi0GPo+sJ0mVYJj"},
		{another, "us-west-1", "BKVmjjMDFk/qqw8EROW99bjCS65PF8WKvK5bSr4Y6EqF"},
		{some, "", "AnkqhOiWEcszZZzTMCQbOY1sPGoLFgMH9zhp4eNgSjo4"},
		{another, "", "Akwqr0Giwi8FsQFgW3DXWCC2DiiQ/jZjqLDWK8TeTBgL"},
		{example, "us-east-1", "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9"},
		{example, "us-west-2", "BF2PynzbSCAjX08zhZZnP/kW+T9P5zs/1Er0pi5vTEmd"},
		{example, "eu-west-1", "BMW5RDrXmmVs0lV7GpI4oLkHXpZ4stDsk6q91z1g38Pk"},
		{example, "ap-northeast-1", "BEBMrlH2tcrvRtSfkd6WbOlpfHSCPAV60ZayJ9ZqHS5c"},
		{example, "", "An60U4ZD3sd4fg+FvXUjayOipTt8LO4rUUmhpdX6ctDy"},
	} {
		id := fmt.Sprintf("AKIAIOSFODNN7EXAMP%02d", i)
		q := admin.ImportRequest{Account: "default", AccessKeyID: id, Secret: v.secret, Region: v.region, SigV2: v.region == ""}
		c, err := r.admin().ImportCredential(t.Context(), q)
		if err != nil || c.SigV2 != (v.region == "") {
			t.Fatalf("%+v, %v", c, err)
		}
		r.login(id, v.password)
	}
}

// Checklist 6.
func TestTheSandboxIsLeftByTheOperatorsWord(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	c := r.tenant("shop", "shop.example.org", admin.AccountChange{})
	s := r.login(c.Username, c.Password)
	const refusal = "554 Message rejected: Email address is not verified. The following identities failed the check in region LOCAL-1: bob@example.net"
	if got := s.send("ann@shop.example.org", "bob@example.net", "me@shop.example.org"); got != refusal {
		t.Errorf("%q", got)
	}
	s.accepted("ann@shop.example.org", "bounce+7@simulator.amazonses.com")
	r.change(admin.AccountChange{Account: "shop", Production: value(true)})
	s.accepted("ann@shop.example.org", "bob@example.net") // the session is the same
	a, err := r.admin().Account(t.Context(), "shop")
	if err != nil || a.Sandbox || a.Usage.Used != 1 {
		t.Errorf("the simulator was charged, or bob was not: %+v, %+v, %v", a, a.Usage, err)
	}
}

func TestTheFileMayLetAccountsBeginOutsideTheSandbox(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Sandbox = false })
	c := r.tenant("shop", "shop.example.org", admin.AccountChange{})
	r.login(c.Username, c.Password).accepted("ann@shop.example.org", "bob@example.net")
	if a, err := r.admin().Account(t.Context(), "shop"); err != nil || a.Sandbox || a.Quota != 0 || a.Rate != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

// Checklist 10, the rate.
func TestMailBeyondTheRateIsRefusedAndPassesLater(t *testing.T) {
	r := newRelay(t, busy, later)
	c := r.tenant("shop", "shop.example.org", admin.AccountChange{Production: value(true), Rate: value(2.0)})
	s := r.login(c.Username, c.Password)
	to := make([]string, 11)
	for i := range to {
		to[i] = fmt.Sprintf("u%d@example.net", i)
	}
	s.accepted("ann@shop.example.org", to...)
	const refusal = "454 Throttling failure: Maximum sending rate exceeded."
	if got := s.send("ann@shop.example.org", "bob@example.net"); got != refusal {
		t.Fatalf("%q", got)
	}
	if n := r.messages(); n != 1 {
		t.Errorf("%d messages in the queue, want the first alone", n)
	}
	if a, err := r.admin().Account(t.Context(), "shop"); err != nil || a.Usage.RateFrees.IsZero() || a.Usage.AtHand > 0 {
		t.Errorf("%+v, %v", a.Usage, err)
	}
	r.until("the rate allows more", func() bool {
		got := s.send("ann@shop.example.org", "bob@example.net")
		if got != refusal && !strings.HasPrefix(got, "250 ") {
			t.Fatalf("%q", got)
		}
		return got != refusal
	})
	if !strings.Contains(r.log.text(), " recipients at once, by a rate of 2 a second, frees at ") {
		t.Error("the log does not tell which limit")
	}
}

// Checklist 10, the quota.
func TestMailBeyondTheQuotaIsRefusedAlsoAfterARestart(t *testing.T) {
	r := newRelay(t, busy, later)
	c := r.tenant("shop", "shop.example.org", admin.AccountChange{Production: value(true), Quota: value(int64(3)), Rate: value(0.0)})
	const refusal = "454 Throttling failure: Daily message quota exceeded."
	s := r.login(c.Username, c.Password)
	s.accepted("ann@shop.example.org", "a@example.net", "b@example.net")
	s.accepted("ann@shop.example.org", "success@simulator.amazonses.com")
	if got := s.send("ann@shop.example.org", "c@example.net", "d@example.net"); got != refusal {
		t.Errorf("%q", got)
	}
	s.accepted("ann@shop.example.org", "c@example.net")
	r.stop()
	r.start()
	s = r.login(c.Username, c.Password)
	if got := s.send("ann@shop.example.org", "d@example.net"); got != refusal {
		t.Errorf("after the restart: %q", got)
	}
	a, err := r.admin().Account(t.Context(), "shop")
	if err != nil || a.Usage.Used != 3 || time.Until(a.Usage.QuotaFrees) < 23*time.Hour {
		t.Errorf("%+v, %v", a.Usage, err)
	}
	if !strings.Contains(r.log.text(), "3 of 3 recipients in 24 hours, frees at") {
		t.Error("the log does not tell which limit")
	}
	// Another account is not touched by it.
	r.login(r.user, r.pass).accepted("ann@example.org", "d@example.net")
}

func TestFiveHundredSessionsNeverPassTheQuotaByOne(t *testing.T) {
	const sessions, quota = 500, 333
	// Without TLS: the handshakes would cost more than all the rest.
	r := newRelay(t, busy, later, func(c *config.Config) {
		c.Listen.TrustedNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Limits.ConnectionsPerIP = sessions + 10
	})
	r.change(admin.AccountChange{Account: "default", Quota: value(int64(quota))})
	var taken, refused atomic.Int64
	var wg sync.WaitGroup
	ready, gun := make(chan struct{}, sessions), make(chan struct{})
	for i := range sessions {
		wg.Go(func() {
			conn, err := net.Dial("tcp", r.addrs.STARTTLS[0])
			if err != nil {
				t.Error(err)
				ready <- struct{}{}
				return
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(3 * wait))
			c := textproto.NewConn(conn)
			step := func(line string, code int) error {
				if line != "" {
					if err := c.PrintfLine("%s", line); err != nil {
						return err
					}
				}
				_, _, err := c.ReadResponse(code)
				return err
			}
			for _, s := range []struct {
				line string
				code int
			}{{"", 220}, {"EHLO x.example.org", 250}, {"MAIL FROM:<ann@example.org>", 250},
				{"RCPT TO:<a@example.net>", 250}, {"RCPT TO:<b@example.net>", 250}, {"DATA", 354}} {
				if s.line == "RCPT TO:<b@example.net>" && i%2 == 0 {
					continue
				}
				if err := step(s.line, s.code); err != nil {
					t.Errorf("%s: %v", s.line, err)
				}
			}
			ready <- struct{}{}
			<-gun
			err = step("From: ann@example.org\r\n\r\nhi\r\n.", 250)
			switch {
			case err == nil:
				taken.Add(int64(1 + i%2))
			case err.Error() == `454 "Throttling failure: Daily message quota exceeded."`:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	for range sessions {
		<-ready
	}
	close(gun)
	wg.Wait()
	if got := taken.Load(); got > quota || got < quota-1 || refused.Load() == 0 {
		t.Errorf("%d of %d recipients taken, %d refused", got, quota, refused.Load())
	}
	for range 2 {
		a, err := r.admin().Account(t.Context(), "default")
		if err != nil || a.Usage.Used != taken.Load() {
			t.Errorf("%d used, want %d, %v", a.Usage.Used, taken.Load(), err)
		}
		r.stop()
		r.start()
	}
}
