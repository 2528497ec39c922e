//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
)

// receivingPostfix is the MX of all domains.
func receivingPostfix(t *testing.T, more ...string) *mta.Postfix {
	t.Helper()
	dir := t.TempDir()
	makeCertificate(t, dir)
	files := map[string]string{}
	for _, name := range []string{"cert.pem", "key.pem"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(b)
	}
	p, err := mta.StartPostfix(t.Context(), mta.PostfixOptions{
		Main: mta.Maildirs("example.com, example.net") + `
smtpd_tls_security_level = may
smtpd_tls_cert_file = $config_directory/cert.pem
smtpd_tls_key_file = $config_directory/key.pem
smtpd_tls_received_header = yes
` + strings.Join(more, "\n"),
		Files: files,
	})
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the log of the MX:\n%s", mta.Tail(p.LogFile(), 40))
		}
		p.Stop()
	})
	return p
}

// arrival waits for the one message whose subject holds a text.
func arrival(t *testing.T, mx *mta.Postfix, subject string) []byte {
	t.Helper()
	return arrivalOf(t, mx, "with subject "+subject, func(b []byte) bool {
		return bytes.Contains(b, []byte("\nSubject: "+subject+"\n"))
	})
}

func arrivalOf(t *testing.T, mx *mta.Postfix, what string, is func([]byte) bool) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for n := 0; ; {
		mail, err := mx.Mail(ctx, n+1)
		for _, b := range mail {
			if is(b) {
				return b
			}
		}
		if err != nil {
			t.Fatalf("no message %s: %v", what, err)
		}
		n = len(mail)
	}
}

// dkimCheck verifies every signature of a message on standard input with the
// library of Debian, against the records of a file.
const dkimCheck = `
import dkim, json, sys
records = json.load(open(sys.argv[1]))
def txt(name, timeout=5):
    return records[name.decode().rstrip(".")].encode()
d = dkim.DKIM(sys.stdin.buffer.read())
n = sum(1 for name, _ in d.headers if name.lower() == b"dkim-signature")
print(n, all(d.verify(idx=i, dnsfunc=txt) for i in range(n)))
`

// gates are the four kinds of ports that clients send through.
var gates = []gate{{"587", false}, {"465", true}, {"2587", false}, {"2465", true}}

// gate is one port of the documentation, with TLS from the first octet or not.
type gate struct {
	port     string
	implicit bool
}

// in puts the port where a recipe has 587 or 465.
func (g gate) in(recipe string) string {
	if g.implicit {
		return strings.ReplaceAll(recipe, "465", g.port)
	}
	return strings.ReplaceAll(recipe, "587", g.port)
}

// arrivals looks at what came to the MX, with the DKIM records as they would be
// published.
type arrivals struct {
	mx      *mta.Postfix
	records string // file
}

func newArrivals(t *testing.T, mx *mta.Postfix, records map[string]string) arrivals {
	t.Helper()
	b, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "records.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return arrivals{mx, file}
}

// signed wants a message that came by TLS, with as many signatures that hold.
func (a arrivals) signed(t *testing.T, subject string) []byte {
	t.Helper()
	got := arrival(t, a.mx, subject)
	out := program(t, "", nil, got, "/usr/bin/python3", "-c", dkimCheck, a.records)
	if strings.TrimSpace(out) != "2 True" {
		t.Errorf("DKIM: %q, want two signatures that hold, in\n%s", out, got)
	}
	// By the MX, of our delivery.
	if want := "using TLSv1.3"; !bytes.Contains(got, []byte(want)) {
		t.Errorf("no %q in\n%s", want, got)
	}
	return got
}

// came wants one that sesame also took by TLS and kept the envelope of.
func (a arrivals) came(t *testing.T, subject string) {
	t.Helper()
	got := a.signed(t, subject)
	for _, want := range []string{"Return-Path: <sender@example.com>", "with ESMTPSA"} {
		if !bytes.Contains(got, []byte(want)) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// Clients that nobody here wrote send by the recipes of docs/howto through all
// four kinds of ports; a real Postfix receives, and every signature holds.
func TestClients(t *testing.T) {
	mx := receivingPostfix(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr)})
	a := newArrivals(t, mx, s.verify("example.com"))
	for _, c := range clients {
		for _, g := range gates {
			if g.implicit && c.implicit == nil {
				continue
			}
			t.Run(c.name+" at "+g.port, func(t *testing.T) {
				t.Parallel()
				a.came(t, c.send(t, s.door, g))
			})
		}
	}
	t.Run("Python as written for TLS from the first octet", func(t *testing.T) {
		text := s.door.fill(recipe(t, "libraries.md", "send_tls.py", ""))
		script(t, []string{"SSL_CERT_FILE=" + s.door.ca}, "send.py", text, "/usr/bin/python3", "send.py")
		a.came(t, "Hello from Python over TLS")
	})
	t.Run("openssl by hand", func(t *testing.T) {
		t.Parallel()
		need(t, "openssl")
		out := script(t, nil, "openssl.sh", s.door.fill(recipe(t, "libraries.md", "openssl.sh", "")), "sh", "openssl.sh")
		if !strings.Contains(out, "250 Ok 0100") {
			t.Errorf("no acknowledgement in\n%s", out)
		}
		a.came(t, "Hello from openssl")
	})
}

// The same programs against the profile that answers as Amazon SES does, each
// through one of the ports.
func TestClientsInTheStrictProfile(t *testing.T) {
	mx := receivingPostfix(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr), top: `profile = "ses"`})
	a := newArrivals(t, mx, s.verify("example.com"))
	strict := func(t *testing.T, subject string) {
		t.Helper()
		if got := a.signed(t, subject); bytes.Contains(got, []byte("ESMTPSA")) {
			t.Errorf("a Received field of ours in\n%s", got)
		}
	}
	for i, c := range clients {
		g := gates[i%len(gates)]
		if c.implicit == nil {
			g = gates[0]
		}
		t.Run(c.name+" at "+g.port, func(t *testing.T) {
			t.Parallel()
			strict(t, c.send(t, s.door, g))
		})
	}
	t.Run("openssl without a session", func(t *testing.T) {
		need(t, "openssl")
		var shown []string
		for line := range strings.Lines(recipe(t, "libraries.md", "reach.sh", "")) {
			out := program(t, "", nil, []byte("QUIT\n"), "sh", "-c", s.door.fill(line))
			for line := range strings.Lines(out) {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "2") {
					shown = append(shown, line)
				}
			}
		}
		if len(shown) != 4 || shown[0] != "250 Ok" || shown[1] != "221 Bye" || !strings.HasPrefix(shown[2], "220 mail.example.com ESMTP SimpleEmailService-d-") {
			t.Errorf("shown: %q", shown)
		}
	})
	for name, send := range mailServers(s.door, gates[0]) {
		t.Run(name, func(t *testing.T) {
			if err := send(t, "sender@example.com", "Hello from "+name); err != nil {
				t.Fatal(err)
			}
			strict(t, "Hello from "+name)
		})
	}
	t.Run("Postfix and configuration sets", func(t *testing.T) {
		s.run(nil, "configset", "create", "newsletter", "--account", "default", "--json")
		p := postfixClient(t, s.door, gates[0])
		for _, set := range []string{"newsletter", "unknown"} {
			content := append([]byte("X-SES-CONFIGURATION-SET: "+set+"\n"), message("Under the set "+set)...)
			if err := p.Run(t.Context(), content, "sendmail", "-f", "sender@example.com", recipient[0]); err != nil {
				t.Fatal(err)
			}
		}
		if got := a.signed(t, "Under the set newsletter"); bytes.Contains(got, []byte("X-SES-CONFIGURATION-SET")) {
			t.Errorf("the field left the house in\n%s", got)
		}
		logged(t, p, "said: 554 Configuration Set does not exist: Configuration set <unknown> does not exist.")
	})
	t.Run("Postfix and what SES refuses", func(t *testing.T) {
		p := postfixClient(t, s.door, gates[0])
		for from, want := range map[string]string{
			"":                   "said: 501 Invalid MAIL FROM address provided",
			"sender@example.net": "said: 554 Message rejected: Email address is not verified. The following identities failed the check in region LOCAL-1: sender@example.net",
		} {
			if err := p.Run(t.Context(), message("Refused"), "sendmail", "-f", from, recipient[0]); err != nil {
				t.Fatal(err)
			}
			logged(t, p, want)
		}
	})
}

// logged waits for a line in a Postfix's log.
func logged(t *testing.T, p *mta.Postfix, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if b, err := os.ReadFile(p.LogFile()); err == nil && bytes.Contains(b, []byte(text)) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("no %q in\n%s", text, mta.Tail(p.LogFile(), 20))
		case <-tick.C:
		}
	}
}
