package smtpd_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/submission"
)

type mailID = mail.ID

// journal keeps log lines.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestOriginSaysWhereARequestCameFrom(t *testing.T) {
	r := start(t, nil)
	c := dial(t, r.implicit)
	c.startTLS()
	c.reply()
	c.send("EHLO app(\x80;)[\"x] more words\r\n")
	c.reply()
	c.ask("AUTH PLAIN AHVzZXIAc2VjcmV0", "235 Authentication successful.")
	c.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
	c.want("250 Ok")
	c.want("250 Ok")
	c.want("354 End data with <CR><LF>.<CR><LF>")
	c.send("x\r\n.\r\n")
	c.reply()
	got := r.desk.messages()[0]
	if o := got.Origin; o.Client != netip.MustParseAddr("127.0.0.1") || o.Helo != "app????[?x]" || o.Protocol != "ESMTPSA" ||
		o.TLS != "TLSv1.3" || !strings.HasPrefix(o.Cipher, "TLS_") || len(o.Session) != 20 {
		t.Errorf("origin %+v", o)
	}
	if p := got.Principal; p == nil || p.Credential != "user" {
		t.Errorf("principal %+v", p)
	}
}

func TestPanicsEndTheirSessionOnly(t *testing.T) {
	boom := func(*submission.Request) error { panic("boom") }
	tests := []struct {
		name   string
		change func(*smtpd.Options)
		says   string
		starts bool // STARTTLS first
	}{
		{"in the desk", func(o *smtpd.Options) { o.Desk.(*desk).after = boom }, envelope + "DATA\r\nx\r\n.\r\n", false},
		{"in the desk, inside chunks", func(o *smtpd.Options) { o.Desk.(*desk).submit = boom }, envelope + "BDAT 1\r\nx", false},
		{"when asked for room", func(o *smtpd.Options) { o.Desk = panicking{} }, envelope, false},
		{"in the certificate's choice", func(o *smtpd.Options) {
			o.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("boom") }}
		}, "EHLO x\r\nSTARTTLS\r\n", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var j journal
			r := start(t, func(o *smtpd.Options) {
				trusted(o)
				o.Log = j.log()
				tt.change(o)
			})
			bystander := dial(t, r.starttls)
			bystander.hello()
			c := dial(t, r.starttls)
			c.send(tt.says)
			if tt.starts {
				for got := ""; got != "220 Ready to start TLS"; {
					got = c.reply()
				}
				_ = tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true}).Handshake()
			} else {
				for got := ""; got != closing; {
					if got = c.reply(); got == "EOF" {
						t.Fatal("no 421")
					}
				}
				if got := c.line(); got != "EOF" {
					t.Errorf("after 421: %s", got)
				}
			}
			bystander.ask("NOOP", "250 Ok")
			r.stop(t)
			if n := strings.Count(j.String(), "level=ERROR"); n != 1 || !strings.Contains(j.String(), "boom") {
				t.Errorf("%d errors logged:\n%s", n, j.String())
			}
		})
	}
}

// panicking has no room.
type panicking struct{ *desk }

func (panicking) Room(context.Context, mail.ReversePath, int64) error { panic("boom") }

func TestTroubleIsLoggedAndNotShown(t *testing.T) {
	var j journal
	p := newPlayer(t, func(o *smtpd.Options) {
		o.Log = j.log()
		settings("trouble")(o)
	})
	replies, _ := p.play(envelope+"DATA\r\nx\r\n.\r\nQUIT\r\n", whole)
	if strings.Contains(replies, "spool") || !strings.Contains(replies, "451 Temporary service failure\r\n") {
		t.Errorf("replies %q", replies)
	}
	if n := strings.Count(j.String(), "level=ERROR"); n != 1 || !strings.Contains(j.String(), "disk on fire") {
		t.Errorf("log:\n%s", j.String())
	}
}

func TestADeskThatMisbehavesIsLogged(t *testing.T) {
	tests := map[string]func(*desk){
		"accepts what it has not read": func(d *desk) { d.unread = true },
		"refuses with a positive reply": func(d *desk) {
			d.after = func(*submission.Request) error { return mail.Recorded(250, 0, 0, "Ok, ok") }
		},
	}
	for name, misbehave := range tests {
		t.Run(name, func(t *testing.T) {
			var j journal
			p := newPlayer(t, func(o *smtpd.Options) {
				o.Log = j.log()
				misbehave(o.Desk.(*desk))
			})
			p.desk.submit, p.desk.after, p.desk.unread = nil, nil, false
			misbehave(p.desk)
			replies, _ := p.play(envelope+"DATA\r\nx\r\n.\r\nNOOP\r\n", whole)
			if !strings.HasSuffix(replies, "451 Temporary service failure\r\n250 Ok\r\n") {
				t.Errorf("replies %q", replies)
			}
			if n := strings.Count(j.String(), "level=ERROR"); n != 1 {
				t.Errorf("%d errors logged:\n%s", n, j.String())
			}
		})
	}
}

func TestARefusedMessageIsLoggedOnce(t *testing.T) {
	crowd := "EHLO x\r\nMAIL FROM:<a@example.org>\r\n" + strings.Repeat("RCPT TO:<b@example.net>\r\n", 51)
	for name, c := range map[string]struct {
		mode string
		say  string
		want string // in the only line, or no line
	}{
		"by its content, which the desk logs": {"", envelope + "DATA\r\na\nb\r\n.\r\nQUIT\r\n", ""},
		"for its recipients":                  {"strict", crowd + "DATA\r\nx\r\n.\r\nQUIT\r\n", "Recipient count exceeds 50."},
		"for its content and its recipients":  {"strict", crowd + "DATA\r\na\nb\r\n.\r\nQUIT\r\n", "bare LF"},
		"for its recipients, if it came":      {"strict", crowd + "DATA\r\nx\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var j journal
			p := newPlayer(t, func(o *smtpd.Options) {
				settings(c.mode)(o)
				o.Log = j.log()
			})
			_, _ = p.play(c.say, whole)
			n := strings.Count(j.String(), "message refused")
			if c.want == "" && n != 0 || c.want != "" && (n != 1 || !strings.Contains(j.String(), c.want)) {
				t.Errorf("%d lines:\n%s", n, j.String())
			}
		})
	}
}

func TestContentIsOverWithItsMessage(t *testing.T) {
	var kept submission.Content
	p := newPlayer(t, nil)
	p.desk.submit = func(r *submission.Request) error {
		kept = r.Content
		return mail.Recorded(554, 7, 1, "no")
	}
	replies, _ := p.play(envelope+"DATA\r\nx\r\n.\r\nNOOP\r\n", whole)
	if n, err := kept.Read(make([]byte, 100)); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read %d octets, %v", n, err)
	}
	if !strings.HasSuffix(replies, "554 no\r\n250 Ok\r\n") {
		t.Errorf("replies %q", replies)
	}
}

func TestTheLastWordSurvivesWhatTheClientStillSends(t *testing.T) {
	p := newPlayer(t, nil)
	s := &patientScript{script: script{in: []byte("GET / HTTP/1.1\r\n" + strings.Repeat("x", 50000)), cut: whole, closed: make(chan struct{})}}
	p.l.conns <- s
	<-s.closed
	if !s.half || len(s.in) > 0 {
		t.Errorf("closed with %d octets unread, half-closed first: %v", len(s.in), s.half)
	}
}

// patientScript can close its sending half.
type patientScript struct {
	script
	half bool
}

func (s *patientScript) CloseWrite() error {
	s.half = true
	return nil
}

func TestPasswordsAreNeverLogged(t *testing.T) {
	var j journal
	r := start(t, func(o *smtpd.Options) { o.Log = j.log() })
	c := dial(t, r.implicit)
	c.startTLS()
	c.hello()
	c.ask("AUTH PLAIN AHVzZXIAd3Jvbmc=", "535 Authentication Credentials Invalid")
	c.ask("AUTH PLAIN AHVzZXIAc2VjcmV0", "235 Authentication successful.")
	c.ask("QUIT", "221 Bye")
	r.stop(t)
	for _, secret := range []string{"secret", "wrong", "AHVz"} {
		if strings.Contains(j.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, j.String())
		}
	}
}

func TestAPipelinedGroupCostsOneReadAndOneWrite(t *testing.T) {
	p := newPlayer(t, nil)
	group := "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n"
	steps := []string{"EHLO x\r\n", group, "x\r\n.\r\n", group, "x\r\n.\r\n", "QUIT\r\n"}
	s := &counted{script: script{closed: make(chan struct{})}, steps: steps}
	p.l.conns <- s
	<-s.closed
	if s.reads != len(steps) || s.writes != len(steps)+1 { // and the greeting
		t.Errorf("%d reads and %d writes for %d steps: %q", s.reads, s.writes, len(steps), s.out.String())
	}
	if n := len(p.desk.messages()); n != 2 {
		t.Errorf("%d messages", n)
	}
}

// counted gives one step a read.
type counted struct {
	script
	steps         []string
	reads, writes int
}

func (s *counted) Read(p []byte) (int, error) {
	if s.reads == len(s.steps) {
		return 0, net.ErrClosed
	}
	s.reads++
	return copy(p, s.steps[s.reads-1]), nil
}

func (s *counted) Write(p []byte) (int, error) {
	s.writes++
	return s.script.Write(p)
}

func TestAFinalReplyDoesNotWaitForTheNextMessage(t *testing.T) {
	second := make(chan struct{})
	r := start(t, func(o *smtpd.Options) {
		trusted(o)
		n := 0
		o.Desk.(*desk).after = func(*submission.Request) error {
			if n++; n == 2 {
				<-second
			}
			return nil
		}
	})
	c := dial(t, r.starttls)
	c.hello()
	const one = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nx\r\n.\r\n"
	c.send(one + one)
	for range 3 {
		c.reply()
	}
	if got := c.reply(); !strings.HasPrefix(got, "250 Ok ") {
		t.Errorf("got %q while the second message waits", got)
	}
	close(second)
	for range 3 {
		c.reply()
	}
	if got := c.reply(); !strings.HasPrefix(got, "250 Ok ") {
		t.Errorf("got %q", got)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	d := newDesk(t)
	good := smtpd.Options{Hostname: "mx.example.org", Auth: users{}, Desk: d}
	tests := map[string]func(*smtpd.Options){
		"host name": func(o *smtpd.Options) { o.Hostname = "" }, "desk": func(o *smtpd.Options) { o.Desk = nil },
		"authenticator": func(o *smtpd.Options) { o.Auth = nil },
		"principal":     func(o *smtpd.Options) { o.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} },
		"TLS":           func(o *smtpd.Options) { o.ImplicitTLS = []net.Listener{failing{}} },
	}
	for want, change := range tests {
		o := good
		change(&o)
		if _, err := smtpd.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about the %s, got %v", want, err)
		}
	}
}

func TestTheTLSVersionIsNamed(t *testing.T) {
	for version, want := range map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"} {
		r := start(t, nil)
		c := dial(t, r.implicit)
		tc := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		c.conn, c.in = tc, bufio.NewReader(tc)
		c.hello()
		c.ask("AUTH PLAIN AHVzZXIAc2VjcmV0", "235 Authentication successful.")
		c.ask("MAIL FROM:<a@example.org>", "250 Ok")
		c.ask("RCPT TO:<b@example.net>", "250 Ok")
		c.send("BDAT 1 LAST\r\nx")
		c.reply()
		if got := r.desk.messages()[0].Origin.TLS; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestABrowserEndsInTheHandshake(t *testing.T) {
	r := start(t, nil)
	for _, tt := range []struct {
		protocols []string
		fine      bool
	}{{nil, true}, {[]string{"smtp"}, true}, {[]string{"h2", "http/1.1"}, false}} {
		c := dial(t, r.implicit)
		err := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true, NextProtos: tt.protocols}).Handshake()
		if (err == nil) != tt.fine {
			t.Errorf("%q: %v", tt.protocols, err)
		}
	}
}
