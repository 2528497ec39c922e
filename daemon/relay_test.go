package daemon_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	netmail "net/mail"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/daemon"
	"github.com/sesame-mta/sesame/internal/testdns"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// wait bounds every wait of these tests; nothing takes it unless it failed.
const wait = 20 * time.Second

// relay is a whole server in this process, with a name server and one mail host
// that its mail goes to.
type relay struct {
	t     *testing.T
	cfg   *config.Config
	dns   *testdns.Server
	mx    *testmx.Server
	log   *logBuffer
	d     *daemon.Daemon
	stop  func()
	addrs daemon.Addrs
	user  string
	pass  string
}

type logBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *logBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

// newRelay starts a server whose account default may send as example.org. All
// of example.net and example.com has the mail host mx.
func newRelay(t *testing.T, mx testmx.Options, alter ...func(*config.Config)) *relay {
	t.Helper()
	server, err := testmx.New(mx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	r := &relay{t: t, mx: server, log: &logBuffer{}, dns: testdns.New(t, `
		example.net MX 10 mx.example.net
		example.com MX 10 mx.example.net
		example.org MX 10 mx.example.net
		mx.example.net A 127.0.0.1
		null.example.net MX 0 .`)}
	cfg := config.Default("mx1.example.org")
	cfg.DataDir = t.TempDir()
	cfg.Listen.STARTTLS = []string{"127.0.0.1:0"}
	cfg.Listen.ImplicitTLS = []string{"127.0.0.1:0"}
	cfg.Listen.Admin = filepath.Join(cfg.DataDir, "admin.sock")
	cfg.Listen.Metrics = "127.0.0.1:0"
	cfg.DNS.Resolvers = []string{r.dns.Addr}
	cfg.Delivery.Port = int(server.Addr().Port())
	cfg.Delivery.AllowNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, f := range alter {
		f(cfg)
	}
	r.cfg = cfg
	r.start()
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Log(r.log.text())
		}
	})
	admin := r.admin()
	if _, err := admin.AddIdentity(t.Context(), "default", "example.org", identity.AddOptions{Verified: true, DKIM: true}); err != nil {
		t.Fatal(err)
	}
	c, err := admin.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	r.user, r.pass = c.Username, c.Password
	return r
}

func (r *relay) start() {
	r.t.Helper()
	log := slog.New(slog.NewTextHandler(r.log, nil))
	d, err := daemon.New(r.t.Context(), daemon.Options{Config: r.cfg, Log: log, Version: "test"})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	r.d, r.addrs = d, d.Addrs()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("run: %v", err)
		}
		if err := d.Close(); err != nil {
			r.t.Errorf("close: %v", err)
		}
	})
}

func (r *relay) admin() *admin.Client { return admin.NewClient(r.cfg.Listen.Admin) }

// send hands one message to the server through STARTTLS and AUTH.
func (r *relay) send(from string, to []string, text string) (reply string, err error) {
	r.t.Helper()
	c, err := smtp.Dial(r.addrs.STARTTLS[0])
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		return "", err
	}
	if err := c.Auth(smtp.PlainAuth("", r.user, r.pass, "127.0.0.1")); err != nil {
		return "", err
	}
	if err := c.Mail(from); err != nil {
		return "", err
	}
	for _, rcpt := range to {
		if err := c.Rcpt(rcpt); err != nil {
			return "", err
		}
	}
	id, err := c.Text.Cmd("DATA")
	if err != nil {
		return "", err
	}
	c.Text.StartResponse(id)
	_, _, err = c.Text.ReadResponse(354)
	c.Text.EndResponse(id)
	if err != nil {
		return "", err
	}
	w := c.Text.DotWriter()
	if _, err := io.WriteString(w, text); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	_, reply, err = c.Text.ReadResponse(250)
	return reply, err
}

// arrived waits for n messages at the mail host.
func (r *relay) arrived(n int) []testmx.Message {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), wait)
	defer cancel()
	got, err := r.mx.Wait(ctx, n)
	if err != nil {
		r.t.Fatalf("%d of %d messages arrived: %v", len(got), n, err)
	}
	return got
}

// empty waits until nothing is in the queue.
func (r *relay) empty() {
	r.t.Helper()
	r.until("the queue is empty", func() bool {
		s, err := r.admin().Status(r.t.Context())
		return err == nil && s.Queue.Messages == 0
	})
}

func (r *relay) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.After(wait)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			r.t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

const hello = "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nBcc: eve@example.com\r\nSubject: hi\r\n\r\n.dot\r\nbye\r\n"

var idForm = regexp.MustCompile(`^Ok (0100[0-9a-f]{12}-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}-000000)$`)

func TestAMessageGoesFromTheDoorToTheMailHost(t *testing.T) {
	r := newRelay(t, testmx.Options{StartTLS: true})
	reply, err := r.send("ann@example.org", []string{"bob@example.net", "eve@example.com"}, hello)
	if err != nil {
		t.Fatal(err)
	}
	m := idForm.FindStringSubmatch(reply)
	if m == nil {
		t.Fatalf("the reply is %q", reply)
	}
	for _, got := range r.arrived(2) { // one transaction for each domain
		msg, err := netmail.ReadMessage(bytes.NewReader(got.Data))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(msg.Body)
		switch {
		case got.From != "ann@example.org" || got.Hello != "mx1.example.org":
			t.Errorf("envelope %+v", got)
		case string(body) != ".dot\r\nbye\r\n":
			t.Errorf("body %q", body)
		case msg.Header.Get("Bcc") != "":
			t.Error("Bcc left the house")
		case !strings.Contains(msg.Header.Get("Received"), "with ESMTPSA"), !strings.Contains(msg.Header.Get("Received"), m[1]):
			t.Errorf("Received: %s", msg.Header.Get("Received"))
		case strings.Count(string(got.Data), "127.0.0.1") != 1 || !strings.HasSuffix(msg.Header.Get("X-SES-Outgoing"), "-127.0.0.1"):
			t.Error("the client's address left the house")
		case msg.Header.Get("Message-Id") != "<"+m[1]+"@mx1.example.org>":
			t.Errorf("Message-ID: %s", msg.Header.Get("Message-Id"))
		case !strings.Contains(msg.Header.Get("DKIM-Signature"), "d=example.org"):
			t.Error("no signature of the sender's domain")
		case got.TLS == 0:
			t.Error("sent in clear to a host that offers STARTTLS")
		}
	}
	r.empty()
	for _, want := range []string{"message accepted", "msg=delivered"} {
		if !strings.Contains(r.log.text(), want) {
			t.Errorf("the log has no line %q", want)
		}
	}
}

func TestASenderIsToldWhatFailed(t *testing.T) {
	r := newRelay(t, testmx.Options{StartTLS: true},
		func(c *config.Config) { c.Delivery.Retry = []time.Duration{time.Hour} })
	if _, err := r.send("ann@example.org", []string{"nobody@null.example.net"}, hello); err != nil {
		t.Fatal(err)
	}
	dsn := r.arrived(1)[0]
	if dsn.From != "" || len(dsn.To) != 1 || dsn.To[0] != "ann@example.org" {
		t.Fatalf("envelope %+v", dsn)
	}
	for _, want := range []string{"multipart/report", "Final-Recipient: rfc822; nobody@null.example.net", "Status: 5.1.10",
		"Auto-Submitted: auto-replied", "Subject: hi", "Reporting-MTA: dns; mx1.example.org", "d=mx1.example.org"} {
		if !bytes.Contains(dsn.Data, []byte(want)) {
			t.Errorf("the DSN does not have %q:\n%s", want, dsn.Data)
		}
	}
	if bytes.Contains(dsn.Data, []byte("eve@example.com")) {
		t.Error("the DSN shows Bcc")
	}
	r.empty()
}

func TestANullReversePathGetsNoDSN(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	if _, err := r.send("", []string{"nobody@null.example.net"}, hello); err != nil {
		t.Fatal(err)
	}
	r.empty()
	if n := r.mx.Count(); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

func TestWhatIsDeferredSurvivesARestartAndIsRetried(t *testing.T) {
	var mu sync.Mutex
	busy := true
	r := newRelay(t, testmx.Options{Script: func(e testmx.Event) testmx.Action {
		mu.Lock()
		defer mu.Unlock()
		if e.Stage == testmx.Rcpt && busy {
			return testmx.Action{Text: "451 4.3.2 come back later"}
		}
		return testmx.Action{}
	}}, func(c *config.Config) { c.Delivery.Retry = []time.Duration{time.Hour} })
	reply, err := r.send("ann@example.org", []string{"bob@example.net"}, hello)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimPrefix(reply, "Ok ")
	deferred := func() bool {
		for e, err := range r.admin().Queue(t.Context(), "", "", "") {
			if err == nil && e.ID == id && e.Attempts == 1 && strings.Contains(e.LastReply, "451 4.3.2 come back later") {
				return true
			}
		}
		return false
	}
	r.until("the message is deferred", deferred)
	r.stop()
	r.start()
	if !deferred() {
		t.Fatal("attempts or reply were lost by the restart")
	}
	mu.Lock()
	busy = false
	mu.Unlock()
	if _, err := r.admin().Change(t.Context(), "retry", admin.Selection{ID: id}); err != nil {
		t.Fatal(err)
	}
	r.arrived(1)
	r.empty()
}

func TestNothingIsRelayedWithoutAuthentication(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	c, err := textproto.Dial("tcp", r.addrs.STARTTLS[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, _, err := c.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"EHLO x.example.org", "MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.net>", "DATA"} {
		if err := c.PrintfLine("%s", line); err != nil {
			t.Fatal(err)
		}
		code, _, _ := c.ReadResponse(0)
		if line != "EHLO x.example.org" && code/100 == 2 || code == 354 {
			t.Errorf("%s was answered %d", line, code)
		}
	}
}

func TestATrustedNetworkNeedsNoAuthentication(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) {
		c.Listen.TrustedNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	if err := smtp.SendMail(r.addrs.STARTTLS[0], nil, "ann@example.org", []string{"bob@example.net"}, []byte(hello)); err == nil {
		r.arrived(1)
		return
	}
	// net/smtp insists on a certificate once STARTTLS is offered: speak by hand.
	conn, err := net.Dial("tcp", r.addrs.STARTTLS[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	br := bufio.NewReader(conn)
	lines := []string{"", "HELO x.example.org", "MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.net>", "DATA",
		strings.TrimSuffix(strings.ReplaceAll(hello, "\r\n.", "\r\n.."), "\r\n") + "\r\n."}
	for _, l := range lines {
		if l != "" {
			fmt.Fprintf(conn, "%s\r\n", l)
		}
		reply, err := br.ReadString('\n')
		if err != nil || reply[0] > '3' {
			t.Fatalf("%.20q was answered %q, %v", l, reply, err)
		}
	}
	r.arrived(1)
}

func TestImplicitTLSAndLOGIN(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	conn, err := tls.Dial("tcp", r.addrs.ImplicitTLS[0], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	c := textproto.NewConn(conn)
	defer func() { _ = c.Close() }()
	b64 := base64.StdEncoding.EncodeToString
	for _, step := range []struct {
		line string
		want int
	}{{"", 220}, {"EHLO x.example.org", 250}, {"AUTH LOGIN", 334}, {b64([]byte(r.user)), 334}, {b64([]byte(r.pass)), 235},
		{"MAIL FROM:<x@example.net>", 250}, {"RCPT TO:<bob@example.net>", 250}, {"DATA", 354}} {
		if step.line != "" {
			if err := c.PrintfLine("%s", step.line); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := c.ReadResponse(step.want); err != nil {
			t.Fatalf("%s: %v", step.line, err)
		}
	}
	if err := c.PrintfLine("From: x@example.net\r\n\r\nhi\r\n."); err != nil {
		t.Fatal(err)
	}
	_, text, _ := c.ReadResponse(250)
	const want = "Message rejected: Email address is not verified. The following identities failed the check in region LOCAL-1: x@example.net"
	if text != want {
		t.Errorf("refused with %q, want %q", text, want)
	}
}

func TestHealthAndMetrics(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	if _, err := r.send("ann@example.org", []string{"bob@example.net"}, hello); err != nil {
		t.Fatal(err)
	}
	r.arrived(1)
	r.empty()
	for path, want := range map[string]string{
		"/healthz": "ok\n",
		"/readyz":  "ready\n",
		"/metrics": "sesame_submission_accepted_total 1\n",
	} {
		resp, err := http.Get("http://" + r.addrs.Metrics + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d, without %q", path, resp.StatusCode, want)
		}
	}
}

func TestASecondServerOnTheSameDataIsRefused(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	second := *r.cfg
	second.Listen.Admin = filepath.Join(t.TempDir(), "admin.sock")
	d, err := daemon.New(t.Context(), daemon.Options{Config: &second})
	if err == nil {
		_ = d.Close()
		t.Fatal("a second server opened the same data")
	}
	t.Log(err)
}
