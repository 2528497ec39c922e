package smtpd_test

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/smtpd"
)

var trustedPrincipal = &auth.Principal{Account: "000000000001", Name: "default"}

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// hello2 says EHLO where no greeting comes first.
func (c *client) hello2() {
	c.t.Helper()
	c.send("EHLO client.example.org\r\n")
	c.reply()
}

const full = "421 Too many concurrent SMTP connections"

func TestConnectionsOverTheLimitsAreTurnedAway(t *testing.T) {
	tests := map[string]smtpd.Limits{
		"of all":         {Connections: 2},
		"of one address": {ConnectionsPerIP: 2},
	}
	for name, limits := range tests {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(o *smtpd.Options) { o.Limits = limits })
			a, b := dial(t, r.starttls), dial(t, r.starttls)
			a.want("220 mx.example.org ESMTP sesame")
			b.want("220 mx.example.org ESMTP sesame")
			c := dial(t, r.starttls)
			c.want(full)
			if got := c.line(); got != "EOF" {
				t.Errorf("after 421: %s", got)
			}
			// On a TLS port a word would cost a handshake.
			if got := dial(t, r.implicit).line(); got != "EOF" {
				t.Errorf("TLS port: %s", got)
			}
			a.ask("NOOP", "250 Ok")
			a.ask("QUIT", "221 Bye")
			if got := a.line(); got != "EOF" {
				t.Errorf("after QUIT: %s", got)
			}
			// The place is free when the server has closed its end, which may be
			// a moment after we see it.
			for {
				again := dial(t, r.starttls)
				if got := again.reply(); got == "220 mx.example.org ESMTP sesame" {
					break
				} else if got != full {
					t.Fatalf("got %q", got)
				}
			}
			b.ask("NOOP", "250 Ok")
		})
	}
}

func TestAFloodStarvesNobody(t *testing.T) {
	r := start(t, func(o *smtpd.Options) {
		trusted(o)
		o.Limits.ConnectionsPerIP = 3
	})
	c := dial(t, r.starttls)
	c.hello()
	stop := make(chan struct{})
	var flood sync.WaitGroup
	for range 4 {
		flood.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if conn, err := net.Dial("tcp", r.starttls); err == nil {
					_, _ = conn.Read(make([]byte, 100))
					_ = conn.Close()
				}
			}
		})
	}
	for range 200 {
		c.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
		c.want("250 Ok")
		c.want("250 Ok")
		c.want("354 End data with <CR><LF>.<CR><LF>")
		c.send("x\r\n.\r\n")
		if got := c.reply(); !strings.HasPrefix(got, "250 Ok ") {
			t.Fatalf("got %q", got)
		}
	}
	close(stop)
	flood.Wait()
}

func TestMetricsAreRegisteredAndCount(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := newPlayer(t, func(o *smtpd.Options) { o.Metrics = registry })
	p.play(envelope+"DATA\r\nx\r\n.\r\nQUIT\r\n", whole)
	p.play(envelope+"DATA\r\nx\ny\r\n.\r\nQUIT\r\n", whole)
	p.play(envelope+"DATA\r\nx\r\n", whole)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"sesame_smtpd_connections_total":       3,
		"sesame_smtpd_messages_total accepted": 1,
		"sesame_smtpd_messages_total refused":  1,
		"sesame_smtpd_messages_total aborted":  1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

func TestRecipientFloodsAreBounded(t *testing.T) {
	for setup, want := range map[string]string{"": "50", "strict": "1000"} {
		p := newPlayer(t, settings(setup))
		replies, _ := p.play("EHLO x\r\nMAIL FROM:<a@example.org>\r\n"+strings.Repeat("RCPT TO:<b@example.net>\r\n", 5000), whole)
		taken := strings.Count(replies, "\r\n250 Ok\r\n250 Ok\r\n") // pairs, to be sure that lines are whole
		lines := strings.Count(replies, "250 Ok\r\n") - 1
		if setup == "strict" {
			lines-- // the last line of EHLO
		}
		if got := map[int]string{50: "50", 1000: "1000"}[lines]; got != want || taken == 0 {
			t.Errorf("%q: %d recipients taken", setup, lines)
		}
		if n := strings.Count(replies, "452 4.5.3 Too many recipients\r\n"); n != 1001 {
			t.Errorf("%q: %d refused", setup, n)
		}
		if !strings.HasSuffix(replies, "421 4.7.0 Too many errors\r\n") {
			t.Errorf("%q: ends with %q", setup, replies[len(replies)-50:])
		}
	}
}
