package daemon_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/trace"
)

// life asks for what is known, as one line of JSON a record.
func (r *relay) life(q admin.TraceQuery) (lines []admin.TraceLine, text string) {
	r.t.Helper()
	for l, err := range r.admin().Trace(r.t.Context(), q) {
		if err != nil {
			r.t.Fatal(err)
		}
		p, err := json.Marshal(l)
		if err != nil {
			r.t.Fatal(err)
		}
		lines = append(lines, l)
		text += string(p) + "\n"
	}
	return lines, text
}

func TestTheLifeOfAMessageIsToldFromDoorToHost(t *testing.T) {
	r := newRelay(t, testmx.Options{StartTLS: true})
	reply, err := r.send("ann@example.org", []string{"bob@example.net"}, "Message-ID: <one@example.org>\r\n"+hello)
	if err != nil {
		t.Fatal(err)
	}
	r.arrived(1)
	r.empty()
	id := strings.TrimPrefix(reply, "Ok ")
	_, whole := r.life(admin.TraceQuery{ID: id})
	for _, want := range []string{
		`"kind":"accepted"`, `"account":"default"`, `"credential":"` + r.user, `"client":"127.0.0.1"`, `"helo":"localhost"`,
		`"protocol":"ESMTPSA"`, `"tls":"TLSv1.3"`, `"cipher":"TLS_`, `"passed":["`, `identity`, `"added":["Received"`, `"dropped":["Bcc"]`,
		`"kind":"attempted"`, `"hosts":["10 mx.example.net"]`, `connect to mx.example.net [127.0.0.1:`, `TLS opportunistic`,
		`"text":"EHLO mx1.example.org"`, `"text":"STARTTLS"`, `TLSv1.3 TLS_`, `not verified`, `"text":"MAIL FROM:\u003cann@example.org\u003e`,
		`"text":"RCPT TO:\u003cbob@example.net\u003e"`, `"who":"S","text":"250`, `content of `, `"result":"delivered"`,
	} {
		if !strings.Contains(whole, want) {
			t.Errorf("the life has no %s", want)
		}
	}
	for _, private := range []string{"bye", ".dot", "Subject", r.pass} {
		if strings.Contains(whole, private) {
			t.Errorf("the life has %q", private)
		}
	}
	if t.Failed() {
		t.Log(whole)
	}
	for name, q := range map[string]admin.TraceQuery{
		"recipient": {To: "BOB@example.net"}, "sender": {From: "ann@example.org"}, "Message-ID": {MessageID: "one@example.org"},
	} {
		if _, text := r.life(q); text != whole {
			t.Errorf("found by %s it is another:\n%s", name, text)
		}
	}
	if lines, _ := r.life(admin.TraceQuery{To: "nobody@example.net"}); len(lines) > 0 {
		t.Errorf("a stranger is told of: %+v", lines)
	}
	// A restart loses nothing, and nothing is said to be missing.
	r.stop()
	r.start()
	if _, text := r.life(admin.TraceQuery{ID: id}); text != whole {
		t.Errorf("after a restart:\n%s", text)
	}
}

func TestARefusedMessageIsFoundByItsSender(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	if _, err := r.send("ann@example.com", []string{"bob@example.net"}, "From: ann@example.com\r\nMessage-ID: <no@example.com>\r\n\r\nbye\r\n"); err == nil {
		t.Fatal("it was taken")
	}
	for name, q := range map[string]admin.TraceQuery{
		"sender": {From: "ann@example.com"}, "recipient": {To: "bob@example.net"}, "Message-ID": {MessageID: "<no@example.com>"},
		"time": {Since: time.Now().Add(-time.Minute)},
	} {
		lines, text := r.life(q)
		if len(lines) != 1 || lines[0].Kind != trace.Refused || lines[0].Entry.Rule != "identity" ||
			!strings.HasPrefix(lines[0].Entry.Reply, "554 ") || !strings.Contains(lines[0].Entry.Reply, "not verified") {
			t.Errorf("found by %s: %s", name, text)
		}
	}
	if lines, _ := r.life(admin.TraceQuery{To: "bob@example.net", Since: time.Now().Add(time.Minute)}); len(lines) != 0 {
		t.Errorf("it is found after its time: %+v", lines)
	}
}

func TestTheLifeTellsWhatComesNextAndWhatTheOperatorDid(t *testing.T) {
	r := newRelay(t, testmx.Options{Script: testmx.On(testmx.Rcpt, testmx.Action{Text: "451 4.3.2 come back later"})},
		func(c *config.Config) { c.Delivery.Retry = []time.Duration{time.Hour} })
	reply, err := r.send("ann@example.org", []string{"bob@example.net"}, hello)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimPrefix(reply, "Ok ")
	var lines []admin.TraceLine
	r.until("the deferral is told", func() bool {
		lines, _ = r.life(admin.TraceQuery{ID: id})
		return len(lines) == 2 && len(lines[1].Next) == 1 && lines[1].Next[0].Attempts == 1
	})
	o := lines[1].Outcomes[0]
	if o.Result != "deferred" || o.Reply != "451 4.3.2 come back later" || o.Next != lines[1].Next[0].Next.Unix() || o.Attempt != 1 {
		t.Errorf("outcome %+v, next %+v", o, lines[1].Next[0])
	}
	for _, what := range []string{admin.Hold, admin.Release} {
		if _, err := r.admin().Change(t.Context(), what, admin.Selection{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	_, text := r.life(admin.TraceQuery{ID: id})
	for _, want := range []string{"held by the operator", "released by the operator"} {
		if !strings.Contains(text, want) {
			t.Errorf("no word of %q:\n%s", want, text)
		}
	}
}

func TestTheLifeTellsOfTheDSN(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	reply, err := r.send("ann@example.org", []string{"nobody@null.example.net"}, hello)
	if err != nil {
		t.Fatal(err)
	}
	r.arrived(1)
	r.empty()
	lines, text := r.life(admin.TraceQuery{ID: strings.TrimPrefix(reply, "Ok ")})
	last := lines[len(lines)-1]
	if len(lines) != 3 || lines[1].Outcomes[0].Result != "failed" || last.Kind != trace.Noticed || last.About != last.Message || last.To[0] != "ann@example.org" {
		t.Errorf("the life is\n%s", text)
	}
	if own, text := r.life(admin.TraceQuery{ID: last.ID.String()}); len(own) != 2 || own[1].Outcomes[0].Result != "delivered" {
		t.Errorf("the life of the DSN is\n%s", text)
	}
}

func TestAnUncertainOutcomeIsToldAndCounted(t *testing.T) {
	r := newRelay(t, testmx.Options{Script: testmx.On(testmx.Content, testmx.Action{Do: testmx.Drop})},
		func(c *config.Config) { c.Delivery.Retry = []time.Duration{time.Hour} })
	reply, err := r.send("ann@example.org", []string{"bob@example.net"}, hello)
	if err != nil {
		t.Fatal(err)
	}
	r.until("the outcome is told as uncertain", func() bool {
		lines, _ := r.life(admin.TraceQuery{ID: strings.TrimPrefix(reply, "Ok ")})
		return len(lines) == 2 && lines[1].Outcomes[0].Uncertain && lines[1].Outcomes[0].Next > 0
	})
	r.until("it is counted", func() bool {
		return strings.Contains(r.metrics(), "\nsesame_dispatch_uncertain_total 1\n")
	})
}

func TestTheLifeTellsWhichLimiterHoldsIt(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Delivery.Retry = []time.Duration{time.Second} })
	r.mx.Close() // nobody is at home
	var id string
	for range 3 { // so many attempts make the site down
		reply, err := r.send("ann@example.org", []string{"bob@example.net"}, hello)
		if err != nil {
			t.Fatal(err)
		}
		id = strings.TrimPrefix(reply, "Ok ")
	}
	r.until("the site is told to be down", func() bool {
		lines, _ := r.life(admin.TraceQuery{ID: id})
		last := lines[len(lines)-1]
		return len(last.Next) == 1 && last.Next[0].Site == "mx.example.net" && last.Next[0].SiteDown.After(time.Now())
	})
	_, text := r.life(admin.TraceQuery{To: "bob@example.net"})
	for _, want := range []string{`"site_down_until":`, "connection refused", `"class":"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no word of %s:\n%s", want, text)
		}
	}
}

func (r *relay) metrics() string {
	resp, err := http.Get("http://" + r.addrs.Metrics + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func TestWithoutATraceNothingIsRecorded(t *testing.T) {
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Trace.Keep = 0 })
	if _, err := r.send("ann@example.org", []string{"bob@example.net"}, hello); err != nil {
		t.Fatal(err)
	}
	r.arrived(1)
	for _, err := range r.admin().Trace(t.Context(), admin.TraceQuery{To: "bob@example.net"}) {
		if err == nil || !strings.Contains(err.Error(), "switched off") {
			t.Errorf("the answer is %v", err)
		}
	}
}
