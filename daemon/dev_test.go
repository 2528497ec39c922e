package daemon_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/smtp"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/daemon"
)

// dev starts a developer's server on ports of this process's own.
func dev(t *testing.T, state string) (*daemon.Dev, func()) {
	t.Helper()
	// Ports are the well-known ones plus an offset: try some.
	for offset := 20000 + os.Getpid()%1000; offset < 60000; offset += 1511 {
		d, err := daemon.NewDev(t.Context(), daemon.DevOptions{State: state, PortOffset: offset})
		if err != nil {
			if strings.Contains(err.Error(), "address already in use") {
				continue
			}
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		return d, func() {
			cancel()
			if err := errors.Join(<-done, d.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	t.Fatal("no free ports")
	return nil, nil
}

func TestDevVerifiesAnAddressByTheLinkInItsInbox(t *testing.T) {
	d, stop := dev(t, t.TempDir())
	defer stop()
	c := admin.NewClient(d.Addrs().Admin)
	i, err := c.AddIdentity(t.Context(), "default", "eve@example.net", identity.AddOptions{})
	if err != nil || !i.Mailed || i.Status != "pending" {
		t.Fatalf("%+v, %v", i, err)
	}
	var link []string
	for deadline := time.Now().Add(wait); link == nil && time.Now().Before(deadline); {
		mails, err := daemon.DevInbox(d.Inbox)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mails {
			eml, err := os.ReadFile(filepath.Join(d.Inbox, m.File))
			if err != nil {
				t.Fatal(err)
			}
			link = regexp.MustCompile(`(http://127\.0\.0\.1:[0-9]+/verify)\?link=(\S+)`).FindStringSubmatch(string(eml))
		}
	}
	if link == nil {
		t.Fatal("no link in the inbox")
	}
	resp, err := http.PostForm(link[1], url.Values{"link": {link[2]}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if i, err = c.Identity(t.Context(), "default", "eve@example.net"); err != nil || i.Status != "verified" {
		t.Errorf("%d, %+v, %v", resp.StatusCode, i, err)
	}
}

func TestDevCapturesMailAndKeepsItsCredential(t *testing.T) {
	state := t.TempDir()
	d, stop := dev(t, state)
	first := d.Credential
	ca, err := os.ReadFile(d.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	c, err := smtp.Dial(d.Addrs().STARTTLS[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(&tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", first.Username, first.Password, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Mail("app@example.com"), c.Rcpt("you@example.net")); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "From: app@example.com\r\nTo: you@example.net\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nhi\r\n")
	if err := errors.Join(w.Close(), c.Quit()); err != nil {
		t.Fatal(err)
	}
	var mails []daemon.DevMail
	for deadline := time.Now().Add(wait); len(mails) == 0 && time.Now().Before(deadline); {
		if mails, err = daemon.DevInbox(d.Inbox); err != nil {
			t.Fatal(err)
		}
	}
	if len(mails) != 1 || mails[0].Subject != "grüße" || mails[0].To[0].String() != "you@example.net" {
		t.Fatalf("inbox %+v", mails)
	}
	eml, err := os.ReadFile(filepath.Join(d.Inbox, mails[0].File))
	if err != nil || !strings.Contains(string(eml), "DKIM-Signature: v=1;") {
		t.Errorf("the captured mail has no signature: %v\n%s", err, eml)
	}
	stop()

	d, stop = dev(t, state)
	defer stop()
	if d.Credential != first {
		t.Error("the credential changed with a restart")
	}
	if again, _ := os.ReadFile(d.CAFile); string(again) != string(ca) {
		t.Error("the CA changed with a restart")
	}
	for name, mode := range map[string]os.FileMode{"credentials.json": 0o600, "cert.key": 0o600, "ca.key": 0o600, "admin.sock": 0o600 | os.ModeSocket} {
		info, err := os.Stat(filepath.Join(state, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: mode %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
}
