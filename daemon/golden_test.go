package daemon_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testdns"
	"github.com/sesame-mta/sesame/internal/testmx"
)

var update = flag.Bool("update", false, "write the golden files anew")

// outcome is a message, and the types of events that its set and its identity are
// told of it.
type outcome struct {
	name     string
	to       []string
	body     string
	set, own []string
	before   func(r *relay)
}

// outcomes are the real ones, and those of the simulator's mailboxes.
func outcomes() []outcome {
	const sim = "@simulator.amazonses.com"
	delivered, bounced := []string{"Send", "Delivery"}, []string{"Send", "Bounce"}
	suppress := func(account, address, reason string) func(*relay) {
		return func(r *relay) { r.suppress(account, address, reason) }
	}
	return []outcome{
		{name: "delivered", to: []string{"bob@example.net"}, set: delivered, own: []string{"Delivery"}},
		{name: "delivered-to-two", to: []string{"bob@example.net", "Carl <carl@example.net>"}, set: delivered, own: []string{"Delivery"}},
		{name: "refused-at-rcpt", to: []string{"gone@example.net"}, set: bounced, own: []string{"Bounce"}},
		{name: "refused-at-data", to: []string{"spam@example.net"}, set: bounced, own: []string{"Bounce"}},
		{name: "mailbox-full", to: []string{"full@example.net"}, set: bounced, own: []string{"Bounce"}},
		{name: "delayed", to: []string{"grey@example.net"}, set: []string{"Send", "DeliveryDelay", "Delivery"}, own: []string{"Delivery"}},
		{name: "expired", to: []string{"late@example.net"}, set: []string{"Send", "DeliveryDelay", "Bounce"}, own: []string{"Bounce"}},
		{name: "expired-without-dns", to: []string{"bob@servfail.example.net"}, set: []string{"Send", "DeliveryDelay", "Bounce"}, own: []string{"Bounce"}},
		{name: "null-mx", to: []string{"bob@null.example.net"}, set: bounced, own: []string{"Bounce"}},
		{name: "no-such-domain", to: []string{"bob@gone.example.net"}, set: bounced, own: []string{"Bounce"}},
		{name: "suppressed-after-bounce", to: []string{"dan@example.net"}, set: bounced, own: []string{"Bounce"},
			before: suppress("default", "dan@example.net", "BOUNCE")},
		{name: "suppressed-after-complaint", to: []string{"eve@example.net"}, set: []string{"Send", "Complaint"}, own: []string{"Complaint"},
			before: suppress("default", "eve@example.net", "COMPLAINT")},
		{name: "virus", to: []string{"bob@example.net"}, body: virus, set: []string{"Send", "Reject"}},
		{name: "simulator-success", to: []string{"success" + sim}, set: delivered, own: []string{"Delivery"}},
		{name: "simulator-bounce", to: []string{"bounce+case7" + sim}, set: bounced, own: []string{"Bounce"}},
		{name: "simulator-ooto", to: []string{"ooto" + sim}, set: delivered, own: []string{"Delivery"}},
		{name: "simulator-complaint", to: []string{"complaint" + sim}, set: []string{"Send", "Delivery", "Complaint"}, own: []string{"Delivery", "Complaint"}},
		{name: "simulator-suppressionlist", to: []string{"suppressionlist" + sim}, set: bounced, own: []string{"Bounce"}},
		// The list of the installation counts for accounts without one of their own.
		{name: "suppressed-by-the-installation", to: []string{"fay@example.net"}, set: bounced, own: []string{"Bounce"},
			before: func(r *relay) {
				r.empty()
				r.suppress("", "fay@example.net", "BOUNCE")
				none := "none"
				r.change(admin.AccountChange{Account: "default", Suppress: &none})
			}},
	}
}

// moody is a host with a mailbox for each outcome.
func moody() testmx.Options {
	var greyed atomic.Bool
	var spam sync.Map // transactions that carry it
	return testmx.Options{StartTLS: true, Script: func(e testmx.Event) testmx.Action {
		at := func(local string) bool { return strings.Contains(e.Line, "<"+local+"@") }
		switch {
		case e.Stage == testmx.Rcpt && at("gone"):
			return testmx.Action{Text: "550 5.1.1 <gone@example.net>: Recipient address rejected: User unknown"}
		case e.Stage == testmx.Rcpt && at("full"):
			return testmx.Action{Text: "552 5.2.2 mailbox full"}
		case e.Stage == testmx.Rcpt && at("late"):
			return testmx.Action{Text: "451 4.2.1 mailbox busy"}
		case e.Stage == testmx.Rcpt && at("grey") && !greyed.Swap(true):
			return testmx.Action{Text: "451 4.7.1 Greylisted, come back later"}
		case e.Stage == testmx.Rcpt && at("spam"):
			spam.Store([2]int{e.Conn, e.Transaction}, true)
		case e.Stage == testmx.Content:
			if _, is := spam.Load([2]int{e.Conn, e.Transaction}); is {
				return testmx.Action{Text: "554 5.7.1 Message looks like spam"}
			}
		}
		return testmx.Action{}
	}}
}

// volatile is what differs from run to run, and what stands for it.
var volatile = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`"feedbackId":"0100[^"]{56}"`), `"feedbackId":"FEEDBACK-ID"`},
	{regexp.MustCompile(`"processingTimeMillis":[0-9]+`), `"processingTimeMillis":0`},
	{regexp.MustCompile(`"sequence":[0-9]+`), `"sequence":0`},
	{regexp.MustCompile(`"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z"`), `"TIME"`},
	{regexp.MustCompile(`; [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} \+0000 \(UTC\)`), `; DATE`},
	{regexp.MustCompile(` with SMTP \(sesame\) id [^ ;]+`), ` with SMTP (sesame) id SESSION`},
	{regexp.MustCompile(`AKIA[A-Z0-9]{16}`), `ACCESS-KEY-ID`},
	{regexp.MustCompile(`0100[0-9a-f]{12}-[0-9a-f]{8}-[0-9a-f-]{27}-000000`), `MESSAGE-ID`},
}

func TestEveryOutcomeIsToldInBothForms(t *testing.T) {
	dir, socket := t.TempDir(), filepath.Join(t.TempDir(), "clamd.ctl")
	clamd(t, socket)
	r := newRelay(t, moody(), withEvents(dir), func(c *config.Config) {
		c.Scan.Clamd = "unix:" + socket
		c.Delivery.Retry, c.Delivery.MaxAge = []time.Duration{50 * time.Millisecond}, 2*time.Second
	})
	r.dns.Fault("servfail.example.net", testdns.ServFail())
	r.createSet("main", admin.SetChange{})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "set.jsonl"})
	r.createDestination(admin.NewDestination{DestinationName: ofIdentity("log"), Kind: "file", Target: "own.jsonl", Events: feedback()})

	ids := map[string]string{}
	for _, o := range outcomes() { // all first, since some take seconds
		ids[o.name] = r.sendFor(o)
	}
	for _, o := range outcomes() {
		t.Run(o.name, func(t *testing.T) {
			golden(t, o.name, publishing(), toldOf(t, filepath.Join(dir, "set.jsonl"), ids[o.name], o.set))
			golden(t, "notification-"+o.name, notification(), toldOf(t, filepath.Join(dir, "own.jsonl"), ids[o.name], o.own))
		})
	}
}

// sendFor sends the message of an outcome and gives its id.
func (r *relay) sendFor(o outcome) string {
	r.t.Helper()
	if o.before != nil {
		o.before(r)
	}
	var to []string
	for _, p := range o.to {
		to = append(to, strings.TrimSuffix(p[strings.Index(p, "<")+1:], ">"))
	}
	reply, err := r.send("ann@example.org", to, letter("To: "+strings.Join(o.to, ", "), "Subject: hi",
		"X-SES-CONFIGURATION-SET: main", "X-SES-MESSAGE-TAGS: campaign=spring")+o.body+"\r\n")
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimPrefix(reply, "Ok ")
}

// toldOf waits until a file of events has those types of a message, and gives the
// first of each. No other type may be there.
func toldOf(t *testing.T, name, id string, types []string) [][]byte {
	t.Helper()
	for deadline := time.Now().Add(wait); ; <-time.After(5 * time.Millisecond) {
		text, err := os.ReadFile(name)
		if err != nil && len(types) == 0 {
			return nil
		}
		var lines [][]byte
		var got []string
		for line := range bytes.Lines(text) {
			if !bytes.HasSuffix(line, []byte("\n")) || !bytes.Contains(line, []byte(`"`+id+`"`)) {
				continue
			}
			var e struct{ EventType, NotificationType string }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if kind := e.EventType + e.NotificationType; !slices.Contains(got, kind) {
				got, lines = append(got, kind), append(lines, line)
			}
		}
		if slices.Equal(got, types) {
			return lines
		}
		if time.Now().After(deadline) {
			t.Fatalf("told of %v, want %v: %s", got, types, text)
		}
	}
}

// golden checks events by a schema and compares them with a file.
func golden(t *testing.T, name string, schema map[string]object, lines [][]byte) {
	t.Helper()
	var got bytes.Buffer
	for _, line := range lines {
		var e map[string]any
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		for _, wrong := range fits(schema, e) {
			t.Errorf("%s: %s", wrong, line)
		}
		for _, v := range volatile {
			line = v.form.ReplaceAll(line, []byte(v.with))
		}
		if err := json.Indent(&got, line, "", "  "); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join("testdata", "events", name+".json")
	if len(lines) == 0 {
		return
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got.Bytes(), want)
	}
}
