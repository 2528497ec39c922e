//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/internal/mta"
)

// client is a program that sends one message by a recipe of libraries.md.
type client struct {
	name string // as in its Subject field, "Hello from name"
	file string // of the recipe
	// need is the program; the recipe is the file of that name in its folder.
	need string
	// implicit rewrites the recipe for TLS from the first octet, in pairs; nil
	// when the client cannot.
	implicit []string
	// run runs it in the folder, with the CA of the server.
	run func(t *testing.T, dir, ca, subject string) string
	// says is in what it prints.
	says string
}

// runs makes a client's run of a command line and of its environment, in which
// CA stands for the file.
func runs(env []string, args ...string) func(*testing.T, string, string, string) string {
	return func(t *testing.T, dir, ca, _ string) string {
		t.Helper()
		var e, a []string
		for _, s := range env {
			e = append(e, strings.ReplaceAll(s, "CA", ca))
		}
		for _, s := range args {
			a = append(a, strings.ReplaceAll(s, "CA", ca))
		}
		return program(t, dir, e, nil, a...)
	}
}

// message is what programs get that do not write one themselves.
func message(subject string) []byte {
	return []byte("From: Sender <sender@example.com>\nTo: recipient@example.net\nSubject: " + subject + "\n\nIt was sent by a relay.\n")
}

var recipient = []string{"recipient@example.net"}

// clients are the programs of libraries.md.
var clients = []client{
	{name: "swaks", file: "swaks.sh", need: "swaks", says: "<~  250 Ok 0100",
		implicit: []string{"587 --tls", "465 --tls-on-connect", "PLAIN", "LOGIN"},
		run:      runs(nil, "sh", "swaks.sh")},
	{name: "curl", file: "curl.sh", need: "curl",
		implicit: []string{"smtp://", "smtps://", ":587", ":465"},
		run:      runs(nil, "sh", "curl.sh")},
	{name: "a file", file: "piped.sh", need: "openssl", says: "250 Ok 0100",
		implicit: []string{" -starttls smtp", "", ":587", ":465"},
		run:      runs(nil, "sh", "piped.sh")},
	{name: "Python", file: "send.py", need: "/usr/bin/python3",
		implicit: []string{"smtplib.SMTP(", "smtplib.SMTP_SSL(", "587, timeout=30", "465, timeout=30, context=ssl.create_default_context()",
			"    smtp.starttls(context=ssl.create_default_context())\n", ""},
		run: runs([]string{"SSL_CERT_FILE=CA"}, "/usr/bin/python3", "send.py")},
	{name: "Node", file: "send.cjs", need: "node", says: "250 Ok 0100",
		implicit: []string{"port: 587", "port: 465", "requireTLS", "secure"},
		run: func(t *testing.T, dir, ca, _ string) string {
			modules := filepath.Join(mta.Roots(), "node", "node_modules")
			if _, err := os.Stat(filepath.Join(modules, "nodemailer")); err != nil {
				if inCI() {
					t.Fatal(err)
				}
				t.Skip("nodemailer is not installed; run .ci/counterparts")
			}
			return program(t, dir, []string{"NODE_PATH=" + modules, "NODE_EXTRA_CA_CERTS=" + ca}, nil, "node", "send.cjs")
		}},
	{name: "PHP", file: "send.php", need: "php",
		implicit: []string{"ENCRYPTION_STARTTLS", "ENCRYPTION_SMTPS", "587", "465"},
		run:      runs(nil, "php", "-d", "openssl.cafile=CA", "-d", "include_path=/usr/share/php", "send.php")},
	{name: "Java", file: "Send.java", need: "keytool",
		implicit: []string{`"mail.smtp.starttls.enable"`, `"mail.smtp.ssl.enable"`, `        props.put("mail.smtp.starttls.required", "true");` + "\n", "", "587", "465"},
		run: func(t *testing.T, dir, ca, _ string) string {
			program(t, dir, nil, nil, "keytool", "-importcert", "-noprompt", "-file", ca, "-keystore", "trust.p12", "-storepass", "changeit")
			return program(t, dir, nil, nil, "java",
				"-Djavax.net.ssl.trustStore=trust.p12", "-Djavax.net.ssl.trustStorePassword=changeit",
				"-cp", "/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar", "Send.java")
		}},
	{name: "Go", file: "send.go", need: "go",
		run: runs([]string{"SSL_CERT_FILE=CA"}, "go", "run", "send.go")},
	{name: "Ruby", file: "send.rb", need: "ruby",
		implicit: []string{"enable_starttls", "enable_tls", "587", "465"},
		run:      runs([]string{"SSL_CERT_FILE=CA"}, "ruby", "send.rb")},
	{name: "Perl", file: "send.pl", need: "perl", says: "Ok 0100",
		implicit: []string{"Port => 587", "Port => 465, SSL => 1, %tls", "check($smtp->starttls(%tls));\n", ""},
		run:      runs(nil, "perl", "send.pl")},
	{name: "msmtp", file: ".msmtprc", need: "msmtp",
		implicit: []string{"tls            on", "tls            on\ntls_starttls   off", "587", "465"},
		run: func(t *testing.T, dir, _, subject string) string {
			return program(t, dir, nil, message(subject), "msmtp", "-C", ".msmtprc", recipient[0])
		}},
	{name: "git send-email", file: ".gitconfig", need: "/usr/lib/git-core/git-send-email",
		implicit: []string{"smtpEncryption = tls", "smtpEncryption = ssl", "587", "465"},
		run: func(t *testing.T, dir, _, subject string) string {
			patch := append([]byte("From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"), message(subject)...)
			if err := os.WriteFile(filepath.Join(dir, "a.patch"), patch, 0o600); err != nil {
				t.Fatal(err)
			}
			return program(t, dir, []string{"GIT_CONFIG_GLOBAL=" + filepath.Join(dir, ".gitconfig")}, nil,
				"/usr/bin/git", "send-email", "--confirm=never", "--suppress-cc=all", "--to", recipient[0], "a.patch")
		}},
	{name: "s-nail", file: ".mailrc", need: "s-nail",
		implicit: []string{"smtp://", "smtps://", "587 smtp-use-starttls", "465"},
		run: func(t *testing.T, dir, _, subject string) string {
			return program(t, dir, []string{"MAILRC=" + filepath.Join(dir, ".mailrc"), "HOME=" + dir}, []byte("It was sent by s-nail.\n"),
				"s-nail", "-n", "-S", "sendwait", "-s", subject, recipient[0])
		}},
	{name: "mutt", file: ".muttrc", need: "mutt",
		implicit: []string{"smtp://", "smtps://", "587", "465"},
		run: func(t *testing.T, dir, _, subject string) string {
			return program(t, dir, []string{"HOME=" + dir}, []byte("It was sent by mutt.\n"),
				"mutt", "-n", "-F", filepath.Join(dir, ".muttrc"), "-s", subject, recipient[0])
		}},
}

// send sends a message through a gate and gives its subject.
func (c client) send(t *testing.T, d door, g gate) string {
	t.Helper()
	need(t, c.need)
	text := recipe(t, "libraries.md", c.file, "")
	if g.implicit {
		for i := 0; i < len(c.implicit); i += 2 {
			if !strings.Contains(text, c.implicit[i]) {
				t.Fatalf("the recipe has no %q", c.implicit[i])
			}
			text = strings.ReplaceAll(text, c.implicit[i], c.implicit[i+1])
		}
	}
	text = d.fill(g.in(text))
	subject := fmt.Sprintf("Hello from %s at %s", c.name, g.port)
	text = strings.ReplaceAll(text, "Hello from "+c.name, subject)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, c.file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := c.run(t, dir, d.ca, subject)
	if !strings.Contains(out, c.says) {
		t.Errorf("no %q in\n%s", c.says, out)
	}
	return subject
}
