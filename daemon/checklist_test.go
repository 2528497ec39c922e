package daemon_test

import (
	"crypto/tls"
	"encoding/base64"
	"net"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// connect is a session with the server at a port, and its connection, so that
// the session can go on behind TLS.
func (r *relay) connect(addr string) (*speech, net.Conn) {
	r.t.Helper()
	conn, err := net.DialTimeout("tcp", addr, wait)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return &speech{r.t, textproto.NewConn(conn)}, conn
}

// behindTLS goes on after a handshake.
func (r *relay) behindTLS(conn net.Conn) *speech {
	return &speech{r.t, textproto.NewConn(tls.Client(conn, &tls.Config{InsecureSkipVerify: true}))}
}

// lines gives the lines of one reply.
func (s *speech) lines() []string {
	s.t.Helper()
	var lines []string
	for {
		line, err := s.ReadLine()
		if err != nil {
			s.t.Fatal(err)
		}
		lines = append(lines, line)
		if len(line) < 4 || line[3] != '-' {
			return lines
		}
	}
}

// Checklist 1: five ports, three that turn to TLS on demand and two that begin
// with it, and nothing is told or taken in clear text.
func TestFivePortsEachInItsTLSMode(t *testing.T) {
	listen := config.Default("mail.example.org").Listen
	if !slices.Equal(listen.STARTTLS, []string{":25", ":587", ":2587"}) || !slices.Equal(listen.ImplicitTLS, []string{":465", ":2465"}) {
		t.Errorf("listens at %v with STARTTLS and at %v with TLS at once", listen.STARTTLS, listen.ImplicitTLS)
	}
	const free = "127.0.0.1:0"
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			r := newRelay(t, testmx.Options{}, alter, func(c *config.Config) {
				c.Listen.STARTTLS = []string{free, free, free}
				c.Listen.ImplicitTLS = []string{free, free}
			})
			goesOn := func(s *speech) {
				t.Helper()
				if got := s.say("EHLO client.example.org"); !strings.HasPrefix(got, "250 ") {
					t.Errorf("EHLO behind TLS: %q", got)
				}
				if got := s.say("STARTTLS"); got[0] != '5' {
					t.Errorf("STARTTLS behind TLS: %q", got)
				}
				s.want("MAIL FROM:<ann@example.org>", "530 Authentication required")
				s.want("AUTH PLAIN "+plain(r.user, r.pass), "235 Authentication successful.")
				s.accepted("ann@example.org", "bob@example.net")
			}
			for _, addr := range r.addrs.STARTTLS {
				s, conn := r.connect(addr)
				s.read()
				s.say("EHLO client.example.org")
				for _, line := range []string{"AUTH PLAIN " + plain(r.user, r.pass), "AUTH LOGIN", "MAIL FROM:<ann@example.org>"} {
					s.want(line, "530 Must issue a STARTTLS command first")
				}
				s.want("STARTTLS", "220 Ready to start TLS")
				goesOn(r.behindTLS(conn))
			}
			for _, addr := range r.addrs.ImplicitTLS {
				_, conn := r.connect(addr)
				s := r.behindTLS(conn)
				s.read()
				goesOn(s)
			}
			r.arrived(5)
		})
	}
}

// Checklist 2, and what spec section 1.2 says of the greeting.
func TestEHLOOffersWhatSESOffers(t *testing.T) {
	r := newRelay(t, testmx.Options{}, profiles["ses"])
	s, conn := r.connect(r.addrs.STARTTLS[0])
	if got := s.read(); !regexp.MustCompile(`^220 mx1\.example\.org ESMTP SimpleEmailService-d-[A-Z0-9]{9} [A-Za-z0-9]{20}$`).MatchString(got) {
		t.Errorf("greeting %q", got)
	}
	offers := func(s *speech, want ...string) {
		t.Helper()
		if err := s.PrintfLine("EHLO app.example.org"); err != nil {
			t.Fatal(err)
		}
		got := s.lines()
		// SIZE, which SES has dropped, is kept so that clients fail early.
		want = append(append([]string{"250-mx1.example.org"}, want...), "250-AUTH PLAIN LOGIN", "250 Ok")
		if !slices.Equal(got, want) {
			t.Errorf("EHLO:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	offers(s, "250-8BITMIME", "250-SIZE 41943040", "250-STARTTLS")
	s.want("STARTTLS", "220 Ready to start TLS")
	s = r.behindTLS(conn)
	offers(s, "250-8BITMIME", "250-SIZE 41943040")
	s.want("QUIT", "221 Bye")
}

// The transcript of spec section 1.9, line by line.
func TestASessionReadsAsOneOfSES(t *testing.T) {
	r := newRelay(t, testmx.Options{}, profiles["ses"])
	s, conn := r.connect(r.addrs.STARTTLS[0])
	s.read()
	s.say("EHLO app.example.org")
	s.want("STARTTLS", "220 Ready to start TLS")
	s = r.behindTLS(conn)
	b64 := func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) }
	for _, step := range [][2]string{
		{"EHLO app.example.org", "250 Ok"},
		{"AUTH LOGIN", "334 VXNlcm5hbWU6"},
		{b64(r.user), "334 UGFzc3dvcmQ6"},
		{b64(r.pass), "235 Authentication successful."},
		{"MAIL FROM:<ann@example.org>", "250 Ok"},
		{"RCPT TO:<bob@example.net>", "250 Ok"},
		{"DATA", "354 End data with <CR><LF>.<CR><LF>"},
	} {
		s.want(step[0], step[1])
	}
	got := s.say("From: ann@example.org\r\nTo: bob@example.net\r\n\r\nhi\r\n.")
	if id, ok := strings.CutPrefix(got, "250 "); !ok || !idForm.MatchString(id) {
		t.Errorf("the message was answered %q", got)
	}
	s.want("RSET", "250 Ok")
	s.want("NOOP", "250 Ok")
	s.want("QUIT", "221 Bye")
}
