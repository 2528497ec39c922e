//go:build e2e

package e2e_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/smtp"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// eicar is the test file that every scanner knows. It stands here in pieces, so
// that this source alarms nobody.
func eicar() string {
	return strings.Join([]string{`X5O!P%@AP[4\PZX54(P^)7CC)7}$`, "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE", "!$H+H*"}, "")
}

// attached is a message with a zip file that holds a text.
func attached(t *testing.T, subject, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("invoice.com")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	code := base64.StdEncoding.EncodeToString(b.Bytes())
	var lines strings.Builder
	for len(code) > 76 {
		lines.WriteString(code[:76] + "\r\n")
		code = code[76:]
	}
	return "From: sender@example.com\r\nTo: recipient@example.net\r\nSubject: " + subject + "\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee there\r\n" +
		"--b\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename=invoice.zip\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n" + lines.String() + code + "\r\n--b--\r\n"
}

// A real clamd looks at what was accepted: a virus inside of an attached archive
// goes nowhere, and while clamd is away, or the message is too large for it,
// nothing passes.
func TestClamd(t *testing.T) {
	clamd, err := mta.StartClamd(t.Context(), mta.ClamdOptions{
		Signatures: map[string]string{"Eicar-Test": eicar()},
		Conf:       "StreamMaxLength 1M\n",
	})
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of clamd's log:\n%s", mta.Tail(clamd.Log, 20))
		}
		if err := clamd.Close(); err != nil {
			t.Error(err)
		}
	})
	mx, err := testmx.New(testmx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mx.Close)
	s := newSesame(t, settings{
		port: portOf(t, mx.Addr().String()), listen: `trusted_networks = ["127.0.0.0/8"]`,
		delivery: fmt.Sprintf("[scan]\nclamd = %q\n", "unix:"+clamd.Socket),
	})
	s.verify("example.com")
	submit := func(content string) {
		t.Helper()
		if err := smtpSend(s.addr, content); err != nil {
			t.Fatal(err)
		}
	}
	logged := func(words string) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for {
			b, err := os.ReadFile(s.log)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(b), words) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("not in the log: %s", words)
			}
			tick(t, 20*time.Millisecond)
		}
	}
	arrived := func(n int, subject string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		got, err := mx.Wait(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != n || !bytes.Contains(got[n-1].Data, []byte("Subject: "+subject)) {
			t.Fatalf("%d messages arrived, the last is %s", len(got), got[len(got)-1].Data)
		}
	}

	submit(attached(t, "a virus", eicar()))
	logged("Eicar-Test")
	logged(`text="Bad content"`)
	submit(attached(t, "an invoice", "nothing bad"))
	arrived(1, "an invoice")

	clamd.Stop()
	submit(attached(t, "while it is away", "nothing bad"))
	logged("could not be scanned")
	arrived(1, "an invoice")
	if err := clamd.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	arrived(2, "while it is away")

	submit("From: sender@example.com\r\nSubject: too large\r\n\r\n" + strings.Repeat("0123456789\r\n", 200_000))
	logged("size limit exceeded")
	arrived(2, "while it is away")
}

// smtpSend sends one message without TLS, as a trusted client may.
func smtpSend(addr, content string) error {
	c, err := smtp.Dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail("sender@example.com"); err != nil {
		return err
	}
	if err := c.Rcpt("recipient@example.net"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(content)); err != nil {
		return err
	}
	return w.Close()
}
