package daemon_test

import (
	"bytes"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// ofIdentity names a destination of the identity of these tests.
func ofIdentity(name string) admin.DestinationName {
	return admin.DestinationName{Account: "default", Identity: "example.org", Name: name}
}

// feedback is what identities can be told.
func feedback() []string { return []string{"bounce", "complaint", "delivery"} }

func (r *relay) setNotifications(n identity.Notifications) admin.Identity {
	r.t.Helper()
	i, err := r.admin().SetNotifications(r.t.Context(), "default", "example.org", n)
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

func TestAnIdentityIsToldInItsOwnFormBesideTheSet(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, testmx.Options{}, withEvents(dir))
	r.createSet("main", admin.SetChange{})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "set.jsonl"})
	r.createDestination(admin.NewDestination{DestinationName: ofIdentity("log"), Kind: "file", Target: "identity.jsonl", Events: feedback()})

	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	set := fileLines(t, filepath.Join(dir, "set.jsonl"), 2)
	own := fileLines(t, filepath.Join(dir, "identity.jsonl"), 1)
	if e := parse(t, set[1]); e.EventType != "Delivery" || e.Mail.Tags["ses:outgoing-ip"][0] != "127.0.0.1" {
		t.Errorf("the set was told %s", set[1])
	}
	for _, want := range []string{`"notificationType":"Delivery"`, `"sourceIp":"127.0.0.1"`, `"callerIdentity":"` + r.user + `"`, `"sequence":1}`} {
		if !bytes.Contains(own[0], []byte(want)) {
			t.Errorf("the identity was not told %s: %s", want, own[0])
		}
	}
	for _, not := range []string{"eventType", "tags", "headers", "commonHeaders"} {
		if bytes.Contains(own[0], []byte(`"`+not)) {
			t.Errorf("the identity was told %s: %s", not, own[0])
		}
	}

	// Without a set too, of a label, and with the header on request.
	r.setNotifications(identity.Notifications{Headers: []string{"bounce"}})
	r.mustSend("eve@null.example.net", letter("Message-ID: <1@client.example.org>"))
	line := fileLines(t, filepath.Join(dir, "identity.jsonl"), 2)[1]
	if !bytes.Contains(line, []byte(`"notificationType":"Bounce"`)) || !bytes.Contains(line, []byte(`"messageId":"<1@client.example.org>"`)) {
		t.Errorf("the identity was told %s", line)
	}
	// Another identity is more specific, and nobody asked for it.
	if _, err := r.admin().AddIdentity(t.Context(), "default", "ann@example.org", identity.AddOptions{Verified: true}); err != nil {
		t.Fatal(err)
	}
	r.mustSend("bob@example.net", letter())
	r.empty()
	if lines := fileLines(t, filepath.Join(dir, "identity.jsonl"), 2); len(lines) != 2 {
		t.Errorf("the domain was told of mail of the address: %s", lines[2])
	}
	// Its destinations go with it.
	if _, err := r.admin().RemoveIdentity(t.Context(), "default", "example.org"); err != nil {
		t.Fatal(err)
	}
	for d, err := range r.admin().Destinations(t.Context(), admin.DestinationName{}) {
		if err != nil || d.Identity != "" {
			t.Errorf("left: %+v, %v", d, err)
		}
	}
}

func TestForwardingEndsOnlyWhereSomebodyElseHears(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, testmx.Options{}, withEvents(dir))
	off := false
	_, err := r.admin().SetNotifications(t.Context(), "default", "example.org", identity.Notifications{Forwarding: &off})
	if e := (*admin.Error)(nil); !errors.As(err, &e) || e.Code != http.StatusBadRequest || !strings.Contains(e.Text, "hears of bounce and complaint") {
		t.Errorf("got %v", err)
	}
	r.createDestination(admin.NewDestination{DestinationName: ofIdentity("log"), Kind: "file", Target: "a.jsonl", Events: []string{"bounce", "complaint"}})
	if i := r.setNotifications(identity.Notifications{Forwarding: &off}); i.Forwarding || len(i.Mailing) > 0 {
		t.Errorf("got %+v", i)
	}
	r.mustSend("eve@null.example.net", letter())
	// Nor does a complaint.
	r.mustSend("complaint@simulator.amazonses.com", letter())
	if line := fileLines(t, filepath.Join(dir, "a.jsonl"), 2)[1]; !bytes.Contains(line, []byte(`"notificationType":"Complaint"`)) {
		t.Errorf("got %s", line)
	}
	r.empty()
	// Nobody else hears any more: it goes by mail.
	if _, err := r.admin().DeleteDestination(t.Context(), ofIdentity("log")); err != nil {
		t.Fatal(err)
	}
	r.mustSend("mallory@null.example.net", letter())
	if got := r.arrived(1); len(got) != 1 || !bytes.Contains(got[0].Data, []byte("mallory@null.example.net")) {
		t.Errorf("got %d mails, the first %s", len(got), got[0].Data)
	}
	if i, err := r.admin().Identity(t.Context(), "default", "example.org"); err != nil || len(i.Mailing) != 2 {
		t.Errorf("got %+v, %v", i, err)
	}
}

func TestForwardingGoesOnWhileTheDestinationIsParkedOrHasNotAgreed(t *testing.T) {
	r := newRelay(t, testmx.Options{}, withEvents(t.TempDir()), func(c *config.Config) { c.Events.ParkAfter = time.Millisecond })
	h := newHook(t)
	h.answer = http.StatusGone
	r.createDestination(admin.NewDestination{DestinationName: ofIdentity("app"), Kind: "webhook", Target: h.URL, Events: feedback()})
	off := false
	r.setNotifications(identity.Notifications{Forwarding: &off})
	r.mustSend("one@null.example.net", letter()) // parks it
	r.until("the destination is parked", func() bool {
		d, err := r.admin().Destination(t.Context(), ofIdentity("app"))
		return err == nil && d.State == "parked"
	})
	r.mustSend("two@null.example.net", letter())
	if got := r.arrived(1); len(got) != 1 || !bytes.Contains(got[0].Data, []byte("two@null.example.net")) {
		t.Errorf("got %d mails, the first %s", len(got), got[0].Data)
	}
	// SNS that nobody has confirmed does not count either.
	r.createDestination(admin.NewDestination{DestinationName: ofIdentity("sns"), Kind: "sns", Target: h.URL, Signature: 1, Events: feedback()})
	r.mustSend("three@null.example.net", letter())
	r.arrived(2)
}

func TestSNSNotificationsOfAnIdentityHaveNoSubject(t *testing.T) {
	r := newRelay(t, testmx.Options{}, withEvents(t.TempDir()))
	h := newHook(t)
	r.createDestination(admin.NewDestination{DestinationName: ofIdentity("sns"), Kind: "sns", Target: h.URL, Signature: 1, Events: feedback()})
	_, body := h.wait(t, 0)
	m := verifySNS(t, r, body)
	if m["TopicArn"] != "arn:aws:sns:local-1:000000000001:example-org_sns" {
		t.Errorf("got %s", body)
	}
	r.public(t, m["SubscribeURL"])
	r.mustSend("eve@null.example.net", letter())
	_, body = h.wait(t, 1)
	if m = verifySNS(t, r, body); m["Subject"] != "" || !strings.HasPrefix(m["Message"], `{"notificationType":"Bounce"`) || !strings.HasSuffix(m["Message"], "}}") {
		t.Errorf("got %s", body)
	}
}

func TestADestinationOfTheDefaultSetEndsForwardingToo(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, testmx.Options{}, withEvents(dir))
	r.createSet("main", admin.SetChange{})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "a.jsonl", Events: []string{"bounce", "complaint"}})
	set, off := "main", false
	if _, err := r.admin().SetDefaults(t.Context(), "default", "example.org", identity.Defaults{Set: &set}); err != nil {
		t.Fatal(err)
	}
	r.setNotifications(identity.Notifications{Forwarding: &off})
	r.mustSend("one@null.example.net", letter())
	fileLines(t, filepath.Join(dir, "a.jsonl"), 1)
	// Mail under another set, of which nobody hears.
	r.createSet("other", admin.SetChange{})
	r.mustSend("two@null.example.net", letter("X-SES-CONFIGURATION-SET: other"))
	if got := r.arrived(1); !bytes.Contains(got[0].Data, []byte("two@null.example.net")) {
		t.Errorf("got %s", got[0].Data)
	}
	r.empty()
	if n := r.mx.Count(); n != 1 {
		t.Errorf("%d mails", n)
	}
}
