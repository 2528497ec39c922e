package mta_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
)

func TestPostfixTakesMailForItsDomains(t *testing.T) {
	p, err := mta.StartPostfix(t.Context(), mta.PostfixOptions{Main: mta.Maildirs("example.net")})
	if errors.Is(err, mta.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	message := []byte("From: a@example.com\nSubject: one line\n\nhello\n")
	if err := p.Run(t.Context(), message, "sendmail", "-f", "a@example.com", "user@example.net"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := p.Mail(ctx, 1)
	if err != nil {
		t.Fatalf("%v\n%s", err, mta.Tail(p.LogFile(), 20))
	}
	if !bytes.Contains(got[0], []byte("Subject: one line")) || !bytes.Contains(got[0], []byte("Delivered-To: user@example.net")) {
		t.Errorf("got %q", got[0])
	}
	dir := p.Dir
	p.Stop()
	if _, err := os.Stat(filepath.Join(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder after Stop: %v, want none", err)
	}
}
