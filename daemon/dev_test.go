package daemon_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account/destination"
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

// send sends a mail to a developer's server, and gives the CA that it is known by.
func send(t *testing.T, d *daemon.Dev, text string) (ca []byte) {
	t.Helper()
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
	if err := c.Auth(smtp.PlainAuth("", d.Credential.Username, d.Credential.Password, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Mail("app@example.com"), c.Rcpt("you@example.net")); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, text)
	if err := errors.Join(w.Close(), c.Quit()); err != nil {
		t.Fatal(err)
	}
	return ca
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

func TestDevTellsProgramsOnThisMachine(t *testing.T) {
	state := t.TempDir()
	d, stop := dev(t, state)
	defer stop()
	told := make(chan string, 16)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- string(body)
	}))
	defer hook.Close()
	c := admin.NewClient(d.Addrs().Admin)
	if _, err := c.CreateConfigSet(t.Context(), "default", "main", admin.SetChange{}); err != nil {
		t.Fatal(err)
	}
	for kind, target := range map[string]string{"webhook": hook.URL, "file": "events.jsonl"} {
		if _, err := c.CreateDestination(t.Context(), admin.NewDestination{
			DestinationName: named(kind), Kind: kind, Target: target, Events: destination.Words(),
		}); err != nil {
			t.Fatal(err)
		}
	}
	send(t, d, "From: app@example.com\r\nSubject: hi\r\nX-SES-CONFIGURATION-SET: main\r\n\r\nhi\r\n")
	select {
	case body := <-told:
		if !strings.Contains(body, `"eventType":"Send"`) {
			t.Errorf("told %s", body)
		}
	case <-time.After(wait):
		t.Fatal("nothing was told")
	}
	var lines []byte
	for deadline := time.Now().Add(wait); len(lines) == 0 && time.Now().Before(deadline); {
		lines, _ = os.ReadFile(filepath.Join(state, "events", "events.jsonl"))
	}
	if len(lines) == 0 {
		t.Error("no line in the file")
	}
}

func TestDevCapturesMailAndKeepsItsCredential(t *testing.T) {
	state := t.TempDir()
	d, stop := dev(t, state)
	first := d.Credential
	ca := send(t, d, "From: app@example.com\r\nTo: you@example.net\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nhi\r\n")
	var err error
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
