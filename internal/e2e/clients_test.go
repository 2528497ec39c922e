//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
)

// receivingPostfix is the MX of all domains.
func receivingPostfix(t *testing.T) *mta.Postfix {
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
`,
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

// Clients that nobody here wrote send by the recipes of docs/howto, over both
// kinds of TLS; a real Postfix receives, and every signature holds.
func TestClients(t *testing.T) {
	mx := receivingPostfix(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr)})
	records := s.verify("example.com")
	d := s.door

	recordsFile := filepath.Join(t.TempDir(), "records.json")
	b, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordsFile, b, 0o600); err != nil {
		t.Fatal(err)
	}
	// arrived checks a message that came, and is the end of every client's test.
	arrived := func(t *testing.T, subject string) {
		t.Helper()
		got := arrival(t, mx, subject)
		out := program(t, "", nil, got, "/usr/bin/python3", "-c", dkimCheck, recordsFile)
		if strings.TrimSpace(out) != "2 True" {
			t.Errorf("DKIM: %q, want two signatures that hold, in\n%s", out, got)
		}
		for _, want := range []string{
			"Return-Path: <sender@example.com>",
			"using TLSv1.3", // by the MX, of our delivery
			"with ESMTPSA",  // by us, of the submission
		} {
			if !bytes.Contains(got, []byte(want)) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
	}
	message := func(subject string) []byte {
		return []byte("From: Sender <sender@example.com>\nTo: recipient@example.net\nSubject: " + subject + "\n\nIt was sent by a relay.\n")
	}
	library := func(file string) string { return d.fill(recipe(t, "libraries.md", file, "")) }
	to := []string{"recipient@example.net"}

	t.Run("swaks", func(t *testing.T) {
		need(t, "swaks")
		out := script(t, nil, "swaks.sh", library("swaks.sh"), "sh", "swaks.sh")
		if !strings.Contains(out, "<~  250 Ok 0100") {
			t.Errorf("no acknowledgement in\n%s", out)
		}
		arrived(t, "Hello from swaks")
	})
	t.Run("swaks with LOGIN and TLS from the first octet", func(t *testing.T) {
		need(t, "swaks")
		text := strings.NewReplacer(":"+d.starttls+" --tls", ":"+d.implicit+" --tls-on-connect", "PLAIN", "LOGIN", "from swaks", "from swaks by LOGIN").Replace(library("swaks.sh"))
		script(t, nil, "swaks.sh", text, "sh", "swaks.sh")
		arrived(t, "Hello from swaks by LOGIN")
	})
	t.Run("openssl", func(t *testing.T) {
		need(t, "openssl")
		out := script(t, nil, "openssl.sh", library("openssl.sh"), "sh", "openssl.sh")
		if !strings.Contains(out, "250 Ok 0100") {
			t.Errorf("no acknowledgement in\n%s", out)
		}
		arrived(t, "Hello from openssl")
	})
	t.Run("Python", func(t *testing.T) {
		env := []string{"SSL_CERT_FILE=" + d.ca}
		script(t, env, "send.py", library("send.py"), "/usr/bin/python3", "send.py")
		arrived(t, "Hello from Python")
		script(t, env, "send.py", library("send_tls.py"), "/usr/bin/python3", "send.py")
		arrived(t, "Hello from Python over TLS")
	})
	t.Run("Node", func(t *testing.T) {
		modules := filepath.Join(mta.Roots(), "node", "node_modules")
		if _, err := os.Stat(filepath.Join(modules, "nodemailer")); err != nil {
			if inCI() {
				t.Fatal(err)
			}
			t.Skip("nodemailer is not installed; run .ci/counterparts")
		}
		out := script(t, []string{"NODE_PATH=" + modules, "NODE_EXTRA_CA_CERTS=" + d.ca}, "send.cjs", library("send.cjs"), "node", "send.cjs")
		if !strings.Contains(out, "250 Ok 0100") {
			t.Errorf("printed %q, want the acknowledgement", out)
		}
		arrived(t, "Hello from Node")
	})
	t.Run("PHP", func(t *testing.T) {
		script(t, nil, "send.php", library("send.php"), "php", "-d", "openssl.cafile="+d.ca, "-d", "include_path=/usr/share/php", "send.php")
		arrived(t, "Hello from PHP")
	})
	t.Run("Java", func(t *testing.T) {
		need(t, "keytool")
		store := filepath.Join(t.TempDir(), "trust.p12")
		program(t, "", nil, nil, "keytool", "-importcert", "-noprompt", "-file", d.ca, "-keystore", store, "-storepass", "changeit")
		script(t, nil, "Send.java", library("Send.java"), "java",
			"-Djavax.net.ssl.trustStore="+store, "-Djavax.net.ssl.trustStorePassword=changeit",
			"-cp", "/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar", "Send.java")
		arrived(t, "Hello from Java")
	})
	t.Run("Go", func(t *testing.T) {
		script(t, []string{"SSL_CERT_FILE=" + d.ca}, "send.go", library("send.go"), "go", "run", "send.go")
		arrived(t, "Hello from Go")
	})
	t.Run("msmtp", func(t *testing.T) {
		need(t, "msmtp")
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "msmtprc"), []byte(library(".msmtprc")), 0o600); err != nil {
			t.Fatal(err)
		}
		program(t, dir, nil, message("Hello from msmtp"), "msmtp", "-C", "msmtprc", to[0])
		arrived(t, "Hello from msmtp")
	})
	t.Run("Postfix", func(t *testing.T) {
		p := postfixClient(t, d, false)
		if err := p.Run(t.Context(), message("Hello from Postfix"), "sendmail", "-f", "sender@example.com", to[0]); err != nil {
			t.Fatal(err)
		}
		arrived(t, "Hello from Postfix")

		// A bounce of its own has the null reverse-path, which -f "" asks for.
		bounce := []byte("From: MAILER-DAEMON@example.com\nTo: recipient@example.net\nSubject: A bounce of Postfix\n\nIt failed.\n")
		if err := p.Run(t.Context(), bounce, "sendmail", "-f", "", to[0]); err != nil {
			t.Fatal(err)
		}
		if got := arrival(t, mx, "A bounce of Postfix"); !bytes.Contains(got, []byte("Return-Path: <>")) {
			t.Errorf("the reverse-path is not null in\n%s", got)
		}

		// More recipients than we take at once come in two transactions.
		many := []string{"-f", "sender@example.com"}
		for i := range 60 {
			many = append(many, fmt.Sprintf("many%d@example.net", i))
		}
		if err := p.Run(t.Context(), message("Hello to sixty"), "sendmail", many...); err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			to := fmt.Sprintf("\nDelivered-To: many%d@example.net\n", i)
			arrivalOf(t, mx, "for"+to, func(b []byte) bool { return bytes.Contains(b, []byte(to)) })
		}
	})
	t.Run("Postfix with TLS from the first octet", func(t *testing.T) {
		p := postfixClient(t, d, true)
		if err := p.Run(t.Context(), message("Hello from Postfix over TLS"), "sendmail", "-f", "sender@example.com", to[0]); err != nil {
			t.Fatal(err)
		}
		arrived(t, "Hello from Postfix over TLS")
	})
	t.Run("Sendmail", func(t *testing.T) {
		if err := sendmailClient(t, d).Send(t.Context(), "sender@example.com", to, message("Hello from Sendmail")); err != nil {
			t.Fatal(err)
		}
		arrived(t, "Hello from Sendmail")
	})
	t.Run("Exim", func(t *testing.T) {
		if err := eximClient(t, d).Send(t.Context(), "sender@example.com", to, message("Hello from Exim")); err != nil {
			t.Fatal(err)
		}
		arrived(t, "Hello from Exim")
	})
}
