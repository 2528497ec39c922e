package smtpd_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/trace"
)

// watched is a server whose trace, metrics and log are looked at.
type watched struct {
	trace *trace.Recorder
	reg   *prometheus.Registry
	log   lockedText
}

// lockedText collects a log.
type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// watch opens the trace. It is called outside of synctest's bubbles.
func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{reg: prometheus.NewRegistry()}
	var err error
	if w.trace, err = trace.Open(trace.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *watched) on(o *smtpd.Options) {
	o.Trace, o.Metrics, o.Log = w.trace, w.reg, slog.New(slog.NewTextHandler(&w.log, nil))
}

// found gives the refusals that a query finds.
func (w *watched) found(t *testing.T, q trace.Query) (list []*trace.Record) {
	t.Helper()
	stories, err := w.trace.Find(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stories {
		list = append(list, s.Records...)
	}
	return list
}

// count gives the counter of a limit.
func (w *watched) count(t *testing.T, name mail.LimitName) float64 {
	t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "sesame_smtpd_limited_total" && m.GetLabel()[0].GetValue() == string(name) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

func TestEachLimitOfASessionIsNamed(t *testing.T) {
	const hello = "EHLO x\r\n"
	message := "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nx\r\n.\r\n"
	for _, c := range []struct {
		limit  mail.LimitName
		say    string
		change func(*smtpd.Limits)
		reply  string
		words  string
		from   string // the sender that it is found by
	}{
		{mail.LimitMessages, hello + message + message, func(l *smtpd.Limits) { l.MessagesPerConnection = 1 },
			"421 Connection closed by server. Maximum message count per session reached.", ": 1 of 1 messages", ""},
		{mail.LimitErrors, hello + strings.Repeat("BAD\r\n", 4), func(l *smtpd.Limits) { l.Errors = 3 },
			"421 4.7.0 Too many errors", ": 4 of 3 refused commands", ""},
		{mail.LimitCommands, hello + strings.Repeat("NOOP\r\n", 6), func(l *smtpd.Limits) { l.Junk = 5 },
			"421 4.7.0 Too many commands without a message", ": 6 of 5 commands without a message", ""},
		{mail.LimitRecipients, hello + "MAIL FROM:<a@example.org>\r\n" + strings.Repeat("RCPT TO:<b@example.net>\r\n", 5),
			func(l *smtpd.Limits) { l.Recipients = 2 }, "452 4.5.3 Too many recipients", ": 2 of 2 recipients of one message", "a@example.org"},
	} {
		t.Run(string(c.limit), func(t *testing.T) {
			w := watch(t)
			p := newPlayer(t, func(o *smtpd.Options) {
				w.on(o)
				c.change(&o.Limits)
			})
			out, _ := p.play(c.say, whole)
			if !strings.Contains(out, c.reply+"\r\n") {
				t.Fatalf("the text has changed: %q", out)
			}
			if n := w.count(t, c.limit); n != 1 {
				t.Errorf("counted %v times", n)
			}
			if !strings.Contains(w.log.String(), string(c.limit)+" of session ") || !strings.Contains(w.log.String(), c.words) {
				t.Errorf("the log does not say %q:\n%s", c.words, w.log.String())
			}
			list := w.found(t, trace.Query{From: c.from, Client: "127.0.0.1"})
			if len(list) == 0 {
				t.Fatal("not in the trace")
			}
			last := list[len(list)-1]
			if e := last.Entry; last.Kind != trace.Refused || e.Rule != "command" || e.Limit == nil || e.Limit.Name != string(c.limit) ||
				e.Reply[:3] != c.reply[:3] || last.Account != "000000000001" || e.Early == (c.from != "") {
				t.Errorf("traced %+v, %+v", last, e)
			}
		})
	}
}

func TestStrangersThatSendTooMuchAreTraced(t *testing.T) {
	w := watch(t)
	bubble(t, func(o *smtpd.Options) {
		w.on(o)
		o.Limits.StrangerMessages = 2
		o.Feedback, o.Starttls, o.Inbound = o.Starttls, nil, &inbound{desk: o.Desk.(*desk)}
	}, func(_ *desk, dial func(string) *client) {
		c := dial("192.0.2.1:1")
		c.hello()
		c.ask("MAIL FROM:<a@example.net>", "250 Ok")
		c.ask("RCPT TO:<b@example.com>", "530 Authentication required")
		for _, want := range []string{"250 Ok", "451 4.7.0 Too many messages from your network, try again later"} {
			<-time.After(time.Second) // they are told in the order of time
			c.ask("RSET", "250 Ok")
			c.ask("MAIL FROM:<a@example.net>", want)
		}
		_ = c.conn.Close()
	})
	list := w.found(t, trace.Query{Client: "192.0.2.1"})
	if len(list) != 2 || list[0].Entry.Reply != "530 5.7.0 Authentication required" || list[0].From != "a@example.net" ||
		list[1].Entry.Limit.Name != "stranger_messages" || w.count(t, mail.LimitStrangers) != 1 {
		t.Errorf("traced %+v", list)
	}
}

func TestClientsThatFallSilentAreTraced(t *testing.T) {
	w := watch(t)
	bubble(t, w.on, func(_ *desk, dial func(string) *client) {
		c := dial("192.0.2.1:1")
		c.hello()
		c.want("451 4.4.2 Timeout waiting for data from client.")
		_ = c.conn.Close()
	})
	list := w.found(t, trace.Query{Client: "192.0.2.1"})
	if len(list) != 1 || list[0].Entry.Limit.Name != "idle" || w.count(t, mail.LimitIdle) != 1 {
		t.Errorf("traced %+v", list)
	}
}

func TestFailedAuthenticationsAreFoundByUserAndAddress(t *testing.T) {
	w := watch(t)
	bubble(t, w.on, func(_ *desk, dial func(string) *client) {
		secured(dial("192.0.2.1:1")).ask("AUTH PLAIN AHVzZXIAd3Jvbmc=", "535 Authentication Credentials Invalid")
	})
	for name, q := range map[string]trace.Query{"user": {User: "user"}, "address": {Client: "192.0.2.1"}} {
		list := w.found(t, q)
		if len(list) != 1 {
			t.Errorf("by %s: %d found", name, len(list))
			continue
		}
		e := list[0].Entry
		if e.Rule != "auth" || e.User != "user" || e.Limit.Name != "auth_delay" || e.Limit.Used != 0.25 || strings.Contains(fmt.Sprint(e), "wrong") {
			t.Errorf("by %s: %+v", name, e)
		}
	}
	if n := len(w.found(t, trace.Query{From: "<>"})); n != 0 {
		t.Errorf("%d found as if they had named the null sender", n)
	}
	if strings.Contains(w.log.String(), "user") {
		t.Errorf("the log has the user name:\n%s", w.log.String())
	}
}

func secured(c *client) *client {
	c.t.Helper()
	c.hello()
	c.ask("STARTTLS", "220 Ready to start TLS")
	c.startTLS()
	c.hello2()
	return c
}

func TestAUserNameThatIsGuessedFromEverywhereCostsTheConnection(t *testing.T) {
	w := watch(t)
	bubble(t, func(o *smtpd.Options) {
		w.on(o)
		o.Limits.AuthUserFailures = 3
	}, func(_ *desk, dial func(string) *client) {
		for i := range 5 {
			c := secured(dial(fmt.Sprintf("192.0.%d.1:1", i)))
			before := time.Now()
			c.ask("AUTH PLAIN AHVzZXIAd3Jvbmc=", "535 Authentication Credentials Invalid")
			want := 250 * time.Millisecond
			if i >= 3 {
				want = 5 * time.Second
			}
			if got := time.Since(before); got != want {
				t.Errorf("failure %d of a new network cost %v, want %v", i+1, got, want)
			}
			if i >= 3 {
				c.want("421 4.7.0 Too many failed authentications")
			}
			_ = c.conn.Close()
		}
		// Its owner comes in, at once, from a network that nobody has seen.
		c := secured(dial("198.51.100.1:1"))
		before := time.Now()
		c.ask("AUTH PLAIN AHVzZXIAc2VjcmV0", "235 Authentication successful.")
		if got := time.Since(before); got != 0 {
			t.Errorf("a correct login cost %v", got)
		}
		_ = c.conn.Close()
	})
	if n := w.count(t, mail.LimitAuthUser); n != 2 {
		t.Errorf("counted %v times", n)
	}
}

func TestAFloodOfRefusalsIsWrittenDownInPart(t *testing.T) {
	w := watch(t)
	const clients = 100
	bubble(t, w.on, func(_ *desk, dial func(string) *client) {
		for range clients {
			c := dial("192.0.2.1:1")
			c.reply()
			c.send("GET / HTTP/1.1\r\n")
			c.want("421 4.7.0 Not an HTTP server")
			_ = c.conn.Close()
		}
		c := dial("192.0.2.99:1")
		c.reply()
		c.ask("BAD", "502 Unsupported command")
		_ = c.conn.Close()
		<-time.After(time.Minute)
		c = dial("192.0.2.1:1")
		c.reply()
		c.ask("BAD", "502 Unsupported command")
		_ = c.conn.Close()
	})
	list := w.found(t, trace.Query{Client: "192.0.2.1", Limit: 1000})
	if len(list) != 11 || list[10].Entry.Also != clients-10 {
		t.Errorf("%d records, the last tells of %d more", len(list), list[len(list)-1].Entry.Also)
	}
	if n := len(w.found(t, trace.Query{Client: "192.0.2.99"})); n != 1 {
		t.Errorf("%d records of another network", n)
	}
	if n := strings.Count(w.log.String(), "\n"); n > 15 {
		t.Errorf("%d lines in the log", n)
	}
	const want = `# HELP sesame_smtpd_refusals_unwritten_total Refusals that are neither in the log nor in the trace, since there were too many.
# TYPE sesame_smtpd_refusals_unwritten_total counter
sesame_smtpd_refusals_unwritten_total 90
`
	if err := testutil.GatherAndCompare(w.reg, strings.NewReader(want), "sesame_smtpd_refusals_unwritten_total"); err != nil {
		t.Error(err)
	}
}

func TestOneNetworkCannotTakeAllConnections(t *testing.T) {
	w := watch(t)
	bubble(t, func(o *smtpd.Options) {
		w.on(o)
		o.Limits.Connections, o.Limits.ConnectionsPerIP = 40, 4
	}, func(_ *desk, dial func(string) *client) {
		open := func(from string) bool {
			return strings.HasPrefix(dial(from+":1").reply(), "220 ")
		}
		in := 0
		for i := range 30 { // hosts of one /24
			if open(fmt.Sprintf("192.0.2.%d", i+1)) {
				in++
			}
		}
		if in != 20 {
			t.Errorf("one network took %d of 40", in)
		}
		for i := range 4 {
			if got, want := open("198.51.100.1"), true; got != want {
				t.Errorf("connection %d of another: %v", i, got)
			}
		}
		if open("198.51.100.1") {
			t.Error("an address got more than its share")
		}
		for i := range 12 { // up to 36, the last tenth
			if !open(fmt.Sprintf("203.0.%d.1", i)) {
				t.Fatalf("network %d was not let in", i)
			}
		}
		if open("203.0.0.2") {
			t.Error("a network that has a place took one of the last")
		}
		for i := range 4 {
			if !open(fmt.Sprintf("203.1.%d.1", i)) {
				t.Errorf("new network %d found no place", i)
			}
		}
		if open("203.2.0.1") {
			t.Error("more than all")
		}
	})
	for name, want := range map[mail.LimitName]float64{mail.LimitPerNetwork: 10, mail.LimitPerAddress: 1, mail.LimitReserved: 1, mail.LimitConnections: 1} {
		if got := w.count(t, name); got != want {
			t.Errorf("%s counted %v times, want %v", name, got, want)
		}
	}
	list := w.found(t, trace.Query{Client: "203.2.0.1"})
	if len(list) != 1 || list[0].Entry.Rule != "connection" || list[0].Entry.Limit.Max != 40 {
		t.Errorf("traced %+v", list)
	}
}

func TestANetworkWhereSomebodyLoggedInMayHaveAllConnections(t *testing.T) {
	bubble(t, func(o *smtpd.Options) { o.Limits.Connections, o.Limits.ConnectionsPerIP = 40, 4 }, func(_ *desk, dial func(string) *client) {
		secured(dial("192.0.2.1:1")).ask("AUTH PLAIN AHVzZXIAc2VjcmV0", "235 Authentication successful.")
		for i := range 39 {
			if got := dial(fmt.Sprintf("192.0.2.%d:1", i+2)).reply(); !strings.HasPrefix(got, "220 ") {
				t.Fatalf("connection %d: %s", i+2, got)
			}
		}
		if got := dial("192.0.2.100:1").reply(); got != full {
			t.Errorf("one too many: %s", got)
		}
	})
}
