package daemon_test

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the first version of SNS is over SHA-1
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/event/webhook"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// hook is somebody's web server.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	bodies [][]byte
	heads  []http.Header
	answer int
	got    chan struct{}
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{answer: http.StatusOK, got: make(chan struct{}, 1000)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		h.mu.Lock()
		h.bodies, h.heads = append(h.bodies, body), append(h.heads, r.Header)
		code := h.answer
		h.mu.Unlock()
		w.WriteHeader(code)
		h.got <- struct{}{}
	}))
	t.Cleanup(h.Close)
	return h
}

// wait gives the n-th request.
func (h *hook) wait(t *testing.T, n int) (http.Header, []byte) {
	t.Helper()
	deadline := time.After(wait)
	for {
		h.mu.Lock()
		if len(h.bodies) > n {
			defer h.mu.Unlock()
			return h.heads[n], h.bodies[n]
		}
		h.mu.Unlock()
		select {
		case <-h.got:
		case <-deadline:
			t.Fatalf("request %d did not come", n)
		}
	}
}

func withEvents(dir string) func(*config.Config) {
	return func(c *config.Config) {
		c.Events.FileDir = dir
		c.Events.AllowNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Listen.Public = "127.0.0.1:0"
		c.Service.PublicURL = "https://mail.example.org"
	}
}

// named names a destination of the set of these tests.
func named(name string) admin.DestinationName {
	return admin.DestinationName{Account: "default", Set: "main", Name: name}
}

func (r *relay) createDestination(d admin.NewDestination) admin.Destination {
	r.t.Helper()
	if d.Events == nil {
		d.Events = destination.Words()
	}
	made, err := r.admin().CreateDestination(r.t.Context(), d)
	if err != nil {
		r.t.Fatal(err)
	}
	return made
}

func (r *relay) mustSend(to, text string) {
	r.t.Helper()
	if _, err := r.send("ann@example.org", []string{to}, text); err != nil {
		r.t.Fatal(err)
	}
}

// told is what a test looks at of an event.
type told struct {
	EventType string `json:"eventType"`
	Sequence  uint64 `json:"sequence"`
	Mail      struct {
		MessageID string              `json:"messageId"`
		Tags      map[string][]string `json:"tags"`
		SourceARN string              `json:"sourceArn"`
	} `json:"mail"`
	Bounce struct {
		Type       string `json:"bounceType"`
		Recipients []struct {
			Email      string `json:"emailAddress"`
			Diagnostic string `json:"diagnosticCode"`
		} `json:"bouncedRecipients"`
	} `json:"bounce"`
	Delivery struct {
		Response string `json:"smtpResponse"`
		IP       string `json:"remoteMtaIp"`
	} `json:"delivery"`
}

func parse(t *testing.T, body []byte) (e told) {
	t.Helper()
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return e
}

func fileLines(t *testing.T, name string, n int) [][]byte {
	t.Helper()
	for deadline := time.Now().Add(wait); ; {
		text, err := os.ReadFile(name)
		// What has no end is not whole yet.
		if lines := bytes.Split(text, []byte("\n")); err == nil && len(lines) > n && len(lines[len(lines)-1]) == 0 {
			return lines[:len(lines)-1]
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has not %d lines: %s", name, n, text)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestTheIDOfTheReplyIsThatOfTheMailAndOfItsEvents(t *testing.T) { // checklist 15
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			dir := t.TempDir()
			r := newRelay(t, unwanted(), alter, receives, withEvents(dir))
			r.createSet("main", admin.SetChange{})
			r.createDestination(admin.NewDestination{DestinationName: named("f"), Kind: "file", Target: "f"})
			reply, err := r.send("ann@example.org", []string{"bob@example.net", "gone@example.net"}, "X-SES-CONFIGURATION-SET: main\r\n"+hello)
			if err != nil || !idForm.MatchString(reply) {
				t.Fatalf("answered %q, %v", reply, err)
			}
			id := idForm.FindStringSubmatch(reply)[1]
			sent := r.arrived(1)[0]
			if sent.From == "" { // the bounce mail was there before
				sent = r.arrived(2)[1]
			}
			if !strings.Contains(string(sent.Data), "\r\nMessage-ID: <"+id+"@") || !strings.HasPrefix(sent.From, id+"@") {
				t.Errorf("%s left under %s:\n%s", id, sent.From, sent.Data)
			}
			if got := r.stranger("", dsn(sent, "5.1.1", "550 5.1.1 no such user", "bob@example.net"), sent.From); got != "250 Ok" {
				t.Fatalf("answered %q", got)
			}
			for _, line := range fileLines(t, filepath.Join(dir, "f"), 4) { // Send, Delivery and two Bounces
				if e := parse(t, line); e.Mail.MessageID != id {
					t.Errorf("%s of %s, want %s", e.EventType, e.Mail.MessageID, id)
				}
			}
		})
	}
}

func TestDestinationsAreToldWhatBecameOfMail(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, testmx.Options{}, withEvents(dir))
	r.createSet("main", admin.SetChange{})
	h := newHook(t)
	made := r.createDestination(admin.NewDestination{DestinationName: named("app"), Kind: "webhook", Target: h.URL + "/in", Events: []string{"bounce"}})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "shop/events.jsonl"})

	const set = "X-SES-CONFIGURATION-SET: main"
	r.mustSend("bob@example.net", letter(set, "X-SES-MESSAGE-TAGS: campaign=spring"))
	r.mustSend("bob@example.net", letter()) // of no set: nobody is told
	lines := fileLines(t, filepath.Join(dir, "shop", "events.jsonl"), 2)
	send, delivery := parse(t, lines[0]), parse(t, lines[1])
	if send.EventType != "Send" || delivery.EventType != "Delivery" || send.Sequence != 1 || delivery.Sequence != 2 {
		t.Errorf("got %s and %s", lines[0], lines[1])
	}
	if send.Mail.MessageID != delivery.Mail.MessageID || send.Mail.Tags["campaign"][0] != "spring" ||
		send.Mail.Tags["ses:configuration-set"][0] != "main" || send.Mail.SourceARN != "arn:aws:ses:local-1:000000000001:identity/example.org" {
		t.Errorf("mail %+v", send.Mail)
	}
	if !strings.HasPrefix(delivery.Delivery.Response, "250 ") || delivery.Delivery.IP != "127.0.0.1" {
		t.Errorf("delivery %+v", delivery.Delivery)
	}

	r.mustSend("eve@null.example.net", letter(set))
	head, body := h.wait(t, 0)
	bounce := parse(t, body)
	if bounce.EventType != "Bounce" || bounce.Bounce.Type != "Permanent" || bounce.Bounce.Recipients[0].Email != "eve@null.example.net" {
		t.Errorf("got %s", body)
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, webhook.SecretPrefix))
	if err != nil {
		t.Fatal(err)
	}
	want := webhook.Sign(secret, head.Get("webhook-id"), head.Get("webhook-timestamp"), body)
	if head.Get("webhook-signature") != want || head.Get("sesame-sequence") != "1" {
		t.Errorf("header %v", head)
	}
	again, err := r.admin().Destination(t.Context(), named("app"))
	if err != nil || again.Secret != "" {
		t.Errorf("the secret is shown again: %q, %v", again.Secret, err)
	}
}

func TestADestinationThatHangsHoldsUpNothing(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, testmx.Options{}, withEvents(dir))
	r.createSet("main", admin.SetChange{})
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-leave
	}))
	t.Cleanup(hangs.Close)
	t.Cleanup(func() { close(leave) })
	r.createDestination(admin.NewDestination{DestinationName: named("hangs"), Kind: "webhook", Target: hangs.URL})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "a.jsonl"})
	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	<-entered
	for range 5 {
		r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	}
	fileLines(t, filepath.Join(dir, "a.jsonl"), 12)
}

func TestEventsOutliveARestartAndADeadDestination(t *testing.T) {
	r := newRelay(t, testmx.Options{}, withEvents(t.TempDir()))
	r.createSet("main", admin.SetChange{})
	h := newHook(t)
	h.answer = http.StatusServiceUnavailable
	r.createDestination(admin.NewDestination{DestinationName: named("app"), Kind: "webhook", Target: h.URL})
	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	first, _ := h.wait(t, 0)
	r.stop()
	h.mu.Lock()
	h.answer, h.bodies, h.heads = http.StatusOK, nil, nil
	h.mu.Unlock()
	r.start()
	head, body := h.wait(t, 0)
	if e := parse(t, body); e.EventType != "Send" || head.Get("webhook-id") != first.Get("webhook-id") || head.Get("sesame-sequence") != "1" {
		t.Errorf("got %s of %v", body, head)
	}
	if head, body := h.wait(t, 1); parse(t, body).EventType != "Delivery" || head.Get("sesame-sequence") != "2" {
		t.Errorf("got %s", body)
	}
}

func TestADestinationIsToldAgainFromAPoint(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, testmx.Options{}, withEvents(dir))
	r.createSet("main", admin.SetChange{})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "a.jsonl"})
	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	name := filepath.Join(dir, "a.jsonl")
	fileLines(t, name, 2)
	replay := func(q admin.Replay, want int) {
		t.Helper()
		// What was told is kept a moment after it stands in the file.
		for deadline := time.Now().Add(wait); ; <-time.After(5 * time.Millisecond) {
			got, err := r.admin().ReplayDestination(t.Context(), named("log"), q)
			if err != nil {
				t.Fatal(err)
			}
			if got.Again == want {
				return
			}
			if got.Again > 0 || time.Now().After(deadline) {
				t.Fatalf("%d told again, want %d", got.Again, want)
			}
		}
	}
	replay(admin.Replay{From: 2}, 1)
	if e := parse(t, fileLines(t, name, 3)[2]); e.Sequence != 2 || e.EventType != "Delivery" {
		t.Errorf("got %+v", e)
	}
	replay(admin.Replay{Since: time.Now().Add(time.Hour)}, 0)
	replay(admin.Replay{}, 0)
	if _, err := r.admin().DeleteDestination(t.Context(), named("log")); err != nil {
		t.Fatal(err)
	}
}

func TestAWebhookOnAPrivateAddressIsRefused(t *testing.T) {
	r := newRelay(t, testmx.Options{}, withEvents(t.TempDir()), func(c *config.Config) { c.Events.AllowNetworks = nil })
	r.createSet("main", admin.SetChange{})
	h := newHook(t)
	r.createDestination(admin.NewDestination{DestinationName: named("app"), Kind: "webhook", Target: h.URL})
	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	for deadline := time.Now().Add(wait); !strings.Contains(r.log.text(), "is loopback"); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the log does not say that the address is refused")
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.bodies) > 0 {
		t.Errorf("it was reached: %s", h.bodies[0])
	}
}

// verifySNS is what a receiver does, by the description of SNS alone.
func verifySNS(t *testing.T, r *relay, body []byte) map[string]string {
	t.Helper()
	var m map[string]string
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	names := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	text := ""
	for _, name := range names {
		if m[name] != "" {
			text += name + "\n" + m[name] + "\n"
		}
	}
	block, _ := pem.Decode(r.public(t, m["SigningCertURL"]))
	if block == nil {
		t.Fatal("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(m["Signature"])
	if err != nil {
		t.Fatal(err)
	}
	key := cert.PublicKey.(*rsa.PublicKey)
	one, two := sha1.Sum([]byte(text)), sha256.Sum256([]byte(text)) //nolint:gosec // as above
	if m["SignatureVersion"] == "1" {
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, one[:], sig)
	} else {
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, two[:], sig)
	}
	if err != nil {
		t.Errorf("signature of version %s: %v", m["SignatureVersion"], err)
	}
	return m
}

// public gets what the world would get from a URL of the public pages.
func (r *relay) public(t *testing.T, at string) []byte {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" || u.Host != "mail.example.org" {
		t.Fatalf("URL %q, %v", at, err)
	}
	resp, err := http.Get("http://" + r.addrs.Public + u.RequestURI())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(bufio.NewReader(resp.Body))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", at, resp.Status, err)
	}
	return body
}

func TestTheKeyForSNSOutlivesTheRotationOfTheKeyFile(t *testing.T) {
	r := newRelay(t, testmx.Options{}, withEvents(t.TempDir()))
	r.createSet("main", admin.SetChange{})
	h := newHook(t)
	made := r.createDestination(admin.NewDestination{DestinationName: named("app"), Kind: "webhook", Target: h.URL, Events: []string{"send"}})
	if _, err := r.admin().RotateKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.start()
	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	head, body := h.wait(t, 0)
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, webhook.SecretPrefix))
	if err != nil {
		t.Fatal(err)
	}
	if want := webhook.Sign(secret, head.Get("webhook-id"), head.Get("webhook-timestamp"), body); head.Get("webhook-signature") != want {
		t.Errorf("header %v", head)
	}
	r.createDestination(admin.NewDestination{DestinationName: named("sns"), Kind: "sns", Target: h.URL, Signature: 1, Events: []string{"send"}})
	_, body = h.wait(t, 1)
	verifySNS(t, r, body)
}

func TestMailToAParkedDestinationIsCounted(t *testing.T) {
	r := newRelay(t, testmx.Options{}, withEvents(t.TempDir()), func(c *config.Config) { c.Events.ParkAfter = time.Millisecond })
	r.createSet("main", admin.SetChange{})
	h := newHook(t)
	h.answer = http.StatusGone
	r.createDestination(admin.NewDestination{DestinationName: named("app"), Kind: "webhook", Target: h.URL, Events: []string{"send"}})
	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	for deadline := time.Now().Add(wait); ; <-time.After(5 * time.Millisecond) {
		d, err := r.admin().Destination(t.Context(), named("app"))
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", d, err)
		}
		if d.State == "parked" {
			break
		}
	}
	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	resp, err := http.Get("http://" + r.addrs.Metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`sesame_event_parked_total{kind="webhook"} 1`, `sesame_event_skipped_total{kind="webhook"} 1`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not among the metrics", want)
		}
	}
	// What waited is told once it is resumed.
	h.mu.Lock()
	h.answer, h.bodies, h.heads = http.StatusOK, nil, nil
	h.mu.Unlock()
	if _, err := r.admin().ReplayDestination(t.Context(), named("app"), admin.Replay{}); err != nil {
		t.Fatal(err)
	}
	if head, _ := h.wait(t, 0); head.Get("sesame-sequence") != "1" {
		t.Errorf("got %v", head)
	}
}

func TestSNSIsConfirmedSignedAndUnsubscribed(t *testing.T) {
	for version := 1; version <= 2; version++ {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			r := newRelay(t, testmx.Options{}, withEvents(t.TempDir()))
			r.createSet("main", admin.SetChange{})
			h := newHook(t)
			made := r.createDestination(admin.NewDestination{DestinationName: named("sns"), Kind: "sns", Target: h.URL, Signature: version, Events: []string{"send"}})
			if made.State != "unconfirmed" {
				t.Errorf("state %s", made.State)
			}
			head, body := h.wait(t, 0)
			m := verifySNS(t, r, body)
			if head.Get("x-amz-sns-message-type") != "SubscriptionConfirmation" || m["TopicArn"] != "arn:aws:sns:local-1:000000000001:main_sns" {
				t.Errorf("got %s", body)
			}
			r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
			good := m["Token"]
			place, _ := webhook.Place(good)
			for name, bad := range map[string]string{
				"none": "", "no hex": "x", "another's": webhook.Token([]byte("key"), place, time.Now()), "of nobody": webhook.Token([]byte("key"), "", time.Now()),
				"of a set that is not there": webhook.Token([]byte("key"), "000000000001/none/sns", time.Now()), "cut": good[2:], "longer": good + "00",
			} {
				resp, err := http.Get("http://" + r.addrs.Public + webhook.Path + "?Action=ConfirmSubscription&Token=" + bad)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusNotFound {
					t.Errorf("a token %s: %s", name, resp.Status)
				}
			}
			if xml := r.public(t, m["SubscribeURL"]); !bytes.Contains(xml, []byte("<SubscriptionArn>"+m["TopicArn"])) {
				t.Errorf("confirmation gave %s", xml)
			}
			head, body = h.wait(t, 1)
			m = verifySNS(t, r, body)
			if head.Get("x-amz-sns-message-type") != "Notification" || head.Get("x-amz-sns-message-id") != m["MessageId"] ||
				parse(t, []byte(m["Message"])).EventType != "Send" || !strings.HasSuffix(m["Message"], "}\n") {
				t.Errorf("got %s", body)
			}
			r.public(t, m["UnsubscribeURL"])
			if d, err := r.admin().Destination(t.Context(), named("sns")); err != nil || d.State != "disabled" {
				t.Errorf("got %+v, %v", d, err)
			}
		})
	}
}
