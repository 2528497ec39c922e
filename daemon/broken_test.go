package daemon_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/daemon"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/queue"
)

// A server that can keep nothing any more must not stay and refuse for ever: the
// service manager starts it anew.
func TestTheServerEndsWhenItsSpoolBreaksDown(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	r.stop()
	d, err := daemon.New(t.Context(), daemon.Options{Config: r.cfg})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }() // it gives the same error again
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()

	c, err := smtp.Dial(d.Addrs().STARTTLS[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := errors.Join(c.StartTLS(&tls.Config{InsecureSkipVerify: true}),
		c.Auth(smtp.PlainAuth("", r.user, r.pass, "127.0.0.1")),
		c.Mail("ann@example.org"), c.Rcpt("bob@example.net")); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, hello+strings.Repeat("A line of a large message.\r\n", 10_000)); err != nil {
		t.Fatal(err)
	}
	content := filepath.Join(r.cfg.DataDir, "content")
	r.until("the draft is on disk", func() bool {
		files, _ := filepath.Glob(filepath.Join(content, "*.tmp"))
		return len(files) > 0
	})
	if err := os.RemoveAll(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil || !strings.HasPrefix(err.Error(), "451 ") || strings.Contains(err.Error(), "content") {
		t.Errorf("the client reads %v", err)
	}
	select {
	case err := <-done:
		if !errors.Is(err, queue.ErrBroken) {
			t.Errorf("Run = %v, want queue.ErrBroken", err)
		}
	case <-time.After(wait / 2):
		t.Error("the server goes on with a broken spool")
		cancel()
		t.Log(<-done)
	}
}
