package daemon_test

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

// picky is a mail host that refuses, at MAIL, by the sender's domain or by the
// client's address.
type picky struct {
	mu      sync.Mutex
	refuse  map[string]string // an address or a domain, and the reply
	clients []string          // of MAIL commands that are not of notices
}

func (p *picky) options() testmx.Options {
	return testmx.Options{Script: func(e testmx.Event) testmx.Action {
		if e.Stage != testmx.Mail || strings.Contains(e.Line, "<>") {
			return testmx.Action{}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		client, _, _ := strings.Cut(e.Remote, ":")
		p.clients = append(p.clients, client)
		_, sender, _ := strings.Cut(e.Line, "@")
		sender, _, _ = strings.Cut(sender, ">")
		for _, key := range []string{client, sender} {
			if text := p.refuse[key]; text != "" {
				return testmx.Action{Text: text}
			}
		}
		return testmx.Action{}
	}}
}

// set makes the host refuse, or with an empty text no more.
func (p *picky) set(key, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse == nil {
		p.refuse = make(map[string]string)
	}
	p.refuse[key] = text
}

// seen gives the clients that came since it was asked last.
func (p *picky) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := strings.Join(p.clients, " ")
	p.clients = nil
	return s
}

// inForce gives the limits that the status tells of.
func (r *relay) inForce() (names []string) {
	r.t.Helper()
	s, err := r.admin().Status(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, l := range s.Limits {
		names = append(names, string(l.Name)+" of "+l.Whose)
	}
	return names
}

func (r *relay) retryAll() {
	r.t.Helper()
	if _, err := r.admin().Change(r.t.Context(), admin.Retry, admin.Selection{All: true}); err != nil {
		r.t.Fatal(err)
	}
}

func withSources(c *config.Config) {
	for _, s := range []struct{ name, pool string }{{"a", "default"}, {"b", "default"}, {"c", "own"}} {
		c.Sources = append(c.Sources, config.Source{Name: s.name, EHLO: s.name + ".example.org", Pool: s.pool,
			Address: netip.AddrFrom4([4]byte{127, 0, 0, s.name[0] - 'a' + 2})})
	}
}

func TestMailIsSentFromAnotherSourceOfItsPoolWhereOneIsRefused(t *testing.T) {
	var p picky
	r := newRelay(t, p.options(), withSources, later)
	p.set("127.0.0.2", "554 5.7.1 Service unavailable; Client host [127.0.0.2] blocked using bl.example.net")
	r.mustSend("bob@example.net", letter())
	r.mustSend("bob@example.net", letter())
	for _, m := range r.arrived(2) {
		if m.Hello != "b.example.org" || !strings.HasPrefix(m.Remote, "127.0.0.3:") {
			t.Errorf("came from %s as %s", m.Remote, m.Hello)
		}
	}
	r.empty()
	if got := p.seen(); got != "127.0.0.2 127.0.0.3 127.0.0.3" && got != "127.0.0.3 127.0.0.2 127.0.0.3" {
		t.Errorf("MAIL came from %s", got)
	}
	if got := r.inForce(); !slices.Equal(got, []string{"source_rest of source a at site mx.example.net"}) {
		t.Errorf("in force %v", got)
	}
	_, life := r.life(admin.TraceQuery{To: "bob@example.net"})
	for what, text := range map[string]string{
		"source a is refused here: once more from another": life,
		`msg="source rests"`:                                                  r.log.text(),
		"\nsesame_dispatch_sources_resting 1\n":                               r.metrics(),
		"\nsesame_dispatch_limited_total{limit=\"source_rest\"} 1\n":          r.metrics(),
		"\nsesame_dispatch_attempts_total 3\n":                                r.metrics(),
		"\nsesame_dispatch_outcomes_total{result=\"failed\"} 0\n":             r.metrics(),
		"\nsesame_dispatch_failures_total{class=\"reputation\"} 0\n":          r.metrics(),
		"\nsesame_delivery_outcomes_total{result=\"failed\"} 1\n":             r.metrics(),
		"blocked using bl.example.net":                                        life,
		`text="Service unavailable; Client host [127.0.0.2] blocked using bl`: r.log.text(),
	} {
		if !strings.Contains(text, what) {
			t.Errorf("no word of %q in\n%s", what, text)
		}
	}
	// The operator says that a is delisted.
	p.set("127.0.0.2", "")
	if r.retryAll(); len(r.inForce()) != 0 {
		t.Errorf("in force %v", r.inForce())
	}
}

func TestARefusalOfAllSourcesOfThePoolStandsAndNoOtherPoolIsTouched(t *testing.T) {
	var p picky
	r := newRelay(t, p.options(), withSources, later)
	r.createSet("own", admin.SetChange{Pool: value("own")})
	for pool, c := range map[string]struct {
		field  string
		wanted []string
	}{
		"default": {"X-Mine: x", []string{"127.0.0.2 127.0.0.3", "127.0.0.3 127.0.0.2"}},
		"own":     {"X-SES-CONFIGURATION-SET: own", []string{"127.0.0.4"}},
	} {
		for _, addr := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"} {
			p.set(addr, "554 5.7.1 Client host ["+addr+"] blocked using bl.example.net")
		}
		r.mustSend("bob@example.net", letter(c.field))
		r.empty()
		if got := p.seen(); !slices.Contains(c.wanted, got) {
			t.Errorf("pool %s: MAIL came from %s", pool, got)
		}
		r.retryAll()
	}
	for _, m := range r.arrived(2) {
		if m.From != "" || !strings.Contains(string(m.Data), "blocked using bl.example.net") {
			t.Errorf("not the bounce: %s", m.Data)
		}
	}
}

const unauthenticated = "550 5.7.26 Unauthenticated email from example.org is not accepted due to domain's DMARC policy"

func TestMailOfASenderThatAHostRefusesWaits(t *testing.T) {
	var p picky
	r := newRelay(t, p.options(), later)
	if _, err := r.admin().AddIdentity(t.Context(), "default", "example.com", identity.AddOptions{Verified: true}); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		t.Helper()
		p.set("example.org", unauthenticated)
		for _, to := range []string{"b1", "b2", "b3"} {
			r.mustSend(to+"@example.net", letter())
		}
		r.until("the sender is stopped", func() bool { return len(r.inForce()) == 1 })
		r.empty()
	}
	stop()
	if got := r.inForce(); !strings.HasPrefix(got[0], "sender_stopped of identity example.org of account ") || !strings.HasSuffix(got[0], " at site mx.example.net") {
		t.Errorf("in force %v", got)
	}
	bounces := len(r.arrived(3))
	p.seen()

	reply, err := r.send("ann@example.org", []string{"bob@example.net"}, letter())
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimPrefix(reply, "Ok ")
	var e admin.Entry
	r.until("it is put off", func() bool {
		for e, err = range r.admin().Queue(t.Context(), "", "", "") {
			if err != nil {
				t.Fatal(err)
			}
		}
		return e.LastReply != ""
	})
	if e.Limit == nil || e.Limit.Name != mail.LimitSenderStopped || !e.Limit.Frees.Equal(e.Next) || e.Attempts != 0 ||
		e.LastReply != "451 4.7.1 Mail of example.org waits: the remote host refused its sender, last with "+unauthenticated {
		t.Errorf("the queue says %+v %+v", e, e.Limit)
	}
	lines, _ := r.life(admin.TraceQuery{ID: id})
	last := lines[len(lines)-1]
	if last.Outcomes[0].Result != "deferred" || last.Outcomes[0].Limit.Name != string(mail.LimitSenderStopped) || last.Attempt != nil ||
		len(last.Next) != 1 || last.Next[0].Limit.Name != mail.LimitSenderStopped {
		t.Errorf("the trace says %+v", last)
	}
	if !strings.Contains(r.metrics(), "\nsesame_dispatch_senders_stopped 1\n") {
		t.Error("it is not counted")
	}
	// Others go on.
	if _, err := r.send("eve@example.com", []string{"bob@example.net"}, "From: eve@example.com\r\n\r\nhi\r\n"); err != nil {
		t.Fatal(err)
	}
	r.arrived(bounces + 1)
	if got := p.seen(); got != "127.0.0.1" {
		t.Errorf("MAIL came from %s", got)
	}
	// The owner has mended it, and the operator says so.
	p.set("example.org", "")
	r.retryAll()
	got := r.arrived(bounces + 2)[bounces+1]
	if r.empty(); got.From != "ann@example.org" || len(r.inForce()) != 0 {
		t.Errorf("from %s, in force %v", got.From, r.inForce())
	}

	// A change of the identity ends it as well.
	stop()
	p.set("example.org", "")
	if _, err := r.admin().SetDefaults(t.Context(), "default", "example.org", identity.Defaults{Tags: map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	r.mustSend("bob@example.net", letter())
	r.arrived(2*bounces + 3)
	if r.empty(); len(r.inForce()) != 0 {
		t.Errorf("in force %v", r.inForce())
	}
}
