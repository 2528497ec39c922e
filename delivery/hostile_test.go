package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

// short is what hostile hosts get.
var short = smtpc.Timeouts{
	Greeting: 300 * time.Millisecond, Hello: 300 * time.Millisecond, TLS: 300 * time.Millisecond,
	Mail: 300 * time.Millisecond, Rcpt: 300 * time.Millisecond, Data: 300 * time.Millisecond,
	Block: 300 * time.Millisecond, Done: 300 * time.Millisecond, Quit: 300 * time.Millisecond,
}

// attacks are what a host may do at any stage.
var attacks = map[string]testmx.Action{
	"4xx":       {Text: "451 4.3.0 Later"},
	"5xx":       {Text: "554 5.7.1 Never"},
	"421":       {Text: "421 4.3.2 Busy"},
	"250":       {Text: "250 2.0.0 Yes"},
	"354":       {Text: "354 Go ahead"},
	"220 twice": {Do: testmx.Raw, Text: "220 Go ahead\r\n220 Go ahead\r\n"},
	"1xx":       {Text: "150 Wait"},
	"drop":      {Do: testmx.Drop},
	"reset":     {Do: testmx.Abort},
	"hang":      {Do: testmx.Hang},
	"drip":      {Do: testmx.Drip},
	"endless":   {Do: testmx.Endless},
	"garbage":   {Do: testmx.Raw, Text: "\x16\x03\x01\x00\x05 what\r\n"},
	"NULs":      {Do: testmx.Raw, Text: strings.Repeat("\x00", 1000) + "\r\n"},
	"huge line": {Do: testmx.Raw, Text: "250 " + strings.Repeat("x", 100_000)},
	"injection": {Do: testmx.Raw, Text: "220 Go ahead\r\n250 injected\r\n"},
}

// TestHostileHosts has one host do its worst at one stage, while a second one
// stands behind it. Whatever happens, nothing waits long, nothing is lost, and
// nothing that the host did not say becomes permanent.
func TestHostileHosts(t *testing.T) {
	stages := []testmx.Stage{
		testmx.Connect, testmx.Hello, testmx.StartTLS, testmx.Handshake,
		testmx.Mail, testmx.Rcpt, testmx.Data, testmx.Content,
	}
	for _, chunking := range []bool{true, false} {
		keywords := []string{"PIPELINING", "8BITMIME"}
		if chunking {
			keywords = append(keywords, "CHUNKING")
		}
		for _, stage := range stages {
			for name, action := range attacks {
				if stage == testmx.Data && chunking || stage == testmx.Handshake && action.Do == testmx.Reply {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/bdat=%v", stage, name, chunking), func(t *testing.T) {
					t.Parallel()
					bad := host(t, testmx.Options{StartTLS: true, Keywords: keywords, Script: testmx.On(stage, action)})
					good := host(t, testmx.Options{StartTLS: true, Keywords: keywords})
					c := carrier(t, delivery.Options{Timeouts: short})
					start := time.Now()
					o := c.Carry(t.Context(), to(bad, good), job(t, "hi\r\n"))[0]
					if d := time.Since(start); d > 5*time.Second {
						t.Errorf("took %v", d)
					}
					checkHostile(t, stage, name, o, bad, good)
				})
			}
		}
	}
}

func checkHostile(t *testing.T, stage testmx.Stage, name string, o mail.Outcome, bad, good *testmx.Server) {
	t.Helper()
	taken := bad.Count() + good.Count()
	switch o.Result {
	case mail.Delivered:
		// A host whose replies cannot be read may have taken it too.
		if taken < 1 || taken > 1 && name != "huge line" || !o.Remote || o.Uncertain {
			t.Errorf("%d hosts took it: %+v", taken, o)
		}
	case mail.Deferred:
		if o.Uncertain == o.Remote {
			t.Errorf("neither the host's word nor uncertain: %+v", o)
		}
	case mail.Failed:
		if name != "5xx" || !o.Remote || o.Reply.String() != "554 5.7.1 Never" {
			t.Errorf("failed: %+v", o)
		}
	default:
		t.Errorf("no result: %+v", o)
	}
	if !o.Uncertain && o.Result != mail.Delivered && taken > 0 {
		t.Errorf("taken, and not delivered: %+v", o)
	}
	want := mail.Delivered
	switch {
	case stage < testmx.Mail, name == "421":
	case name == "5xx":
		want = mail.Failed // the host's last word on this message
	case name == "4xx":
		if stage != testmx.Mail {
			want = mail.Deferred
		}
	case stage == testmx.Content && name != "250":
		want = mail.Deferred // it may have it
	}
	// A lost answer to RCPT may hide that the content behind it was taken, and
	// what an innocent reader cannot make sense of may be told late or early.
	if stage == testmx.Rcpt || name == "injection" || name == "220 twice" || stage == testmx.Content && name == "huge line" {
		return
	}
	if o.Result != want {
		t.Errorf("%v, want %v: %+v", o.Result, want, o)
	}
}

func TestAnUnreachableDomainIsDeferredInTheWordsOfSES(t *testing.T) {
	gone := host(t, testmx.Options{})
	gone.Close()
	out := carrier(t, delivery.Options{}).Carry(t.Context(), to(gone), job(t, "hi\r\n", "a@example.org", "b@example.org"))
	for _, o := range out {
		if o.Result != mail.Deferred || o.Reply.String() != "421 4.4.1 Failed to establish connection" || o.Remote || o.Host != "" || o.Addr != "" {
			t.Errorf("outcome %+v", o)
		}
	}
	if sig := delivery.SignalOf(out); sig != egress.Unreachable {
		t.Errorf("signal %v", sig)
	}
}

func TestSignals(t *testing.T) {
	remote := func(code int, s mail.Status) mail.Outcome {
		return mail.Outcome{Reply: mail.Reply{Code: code, Status: s}, Remote: true, Host: "mx", Addr: "192.0.2.1:25"}
	}
	ours := func(r *mail.Reply, addr string) mail.Outcome { return mail.Outcome{Reply: *r, Addr: addr} }
	ok := remote(250, mail.Status{})
	for name, tc := range map[string]struct {
		out  []mail.Outcome
		want egress.Signal
	}{
		"delivered":               {[]mail.Outcome{ok, ok}, egress.Success},
		"refused":                 {[]mail.Outcome{remote(550, mail.Status{Class: 5, Subject: 7, Detail: 1})}, egress.Success},
		"mailbox full":            {[]mail.Outcome{remote(452, mail.Status{Class: 4, Subject: 2, Detail: 2})}, egress.Success},
		"slow down":               {[]mail.Outcome{ok, remote(450, mail.Status{Class: 4, Subject: 7, Detail: 28})}, egress.Busy},
		"421":                     {[]mail.Outcome{remote(421, mail.Status{})}, egress.Busy},
		"no connection":           {[]mail.Outcome{ours(mail.Refuse(421, 4, 1, ""), "")}, egress.Unreachable},
		"dropped":                 {[]mail.Outcome{ours(mail.Refuse(421, 4, 2, ""), "192.0.2.1:25")}, egress.Unreachable},
		"dropped after a success": {[]mail.Outcome{ok, ours(mail.Refuse(421, 4, 2, ""), "192.0.2.1:25")}, egress.Success},
		"no TLS":                  {[]mail.Outcome{ours(mail.Refuse(451, 7, 10, ""), "192.0.2.1:25")}, egress.Success},
		"forbidden":               {[]mail.Outcome{ours(mail.Refuse(550, 4, 4, ""), "")}, 0},
		"nobody":                  {nil, 0},
	} {
		if got := delivery.SignalOf(tc.out); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
