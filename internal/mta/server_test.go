package mta_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/smtp"
	"os"
	"path/filepath"
	"testing"

	"github.com/sesame-mta/sesame/internal/mta"
)

// ready fails a test for an error, but skips it for a program that a newcomer has
// not unpacked.
func ready(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, mta.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestEximTakesMailByTheNetwork(t *testing.T) {
	e, err := mta.StartEximServer(t.Context(), "tls_advertise_hosts =\nacl_smtp_rcpt = accept\nqueue_only = true\n", nil, []string{"BENCH=1"})
	ready(t, err)
	defer e.Stop()
	if err := smtp.SendMail(e.Addr, nil, "a@example.com", []string{"b@example.net"}, []byte("Subject: one line\r\n\r\nhello\r\n")); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(e.Dir, "spool", "input", "*-H"))
	if err != nil || len(kept) != 1 {
		t.Errorf("in the queue: %q, %v; want one message", kept, err)
	}
	if err := e.RunQueue(t.Context(), 1); err != nil { // nobody to deliver to: it fails inside
		t.Error(err)
	}
}

func TestOpenDKIMListens(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	d, err := mta.StartOpenDKIM(t.Context(), "example.com", "rsa-sha256", string(text))
	ready(t, err)
	defer d.Stop()
	if d.PID() == 0 || d.Milter == "" {
		t.Errorf("process %d at %q", d.PID(), d.Milter)
	}
}
