package delivery_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

func TestAStrangersHostNeverGetsTheConnectionOfTheSmarthost(t *testing.T) {
	mx := host(t, testmx.Options{})
	c := carrier(t, delivery.Options{AllowNetworks: []netip.Prefix{}})
	trusted := to(mx)
	trusted.Trusted = true
	if o := c.Carry(t.Context(), trusted, job(t, "hi\r\n"))[0]; o.Result != mail.Delivered {
		t.Fatalf("outcome %+v", o)
	}
	// The same site and host by name, but found in a stranger's MX.
	if o := c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))[0]; o.Result != mail.Failed || mx.Count() != 1 {
		t.Errorf("outcome %+v", o)
	}
}

func TestAHostThatLeftTheRouteIsNotUsedAnyMore(t *testing.T) {
	mx := host(t, testmx.Options{})
	c := carrier(t, delivery.Options{})
	r := to(mx)
	c.Carry(t.Context(), r, job(t, "hi\r\n"))
	r.Hosts[0].Name = "new.mx.example.org"
	if o := c.Carry(t.Context(), r, job(t, "hi\r\n"))[0]; o.Host != "new.mx.example.org" || mx.Connections() != 2 {
		t.Errorf("outcome %+v over %d connections", o, mx.Connections())
	}
}

func TestOnlySoManyConnectionsAreKept(t *testing.T) {
	mx := host(t, testmx.Options{})
	c := carrier(t, delivery.Options{MaxIdleConns: 1})
	for _, site := range []string{"one", "two", "two", "one"} {
		r := to(mx)
		r.Site = site
		c.Carry(t.Context(), r, job(t, "hi\r\n"))
	}
	if n := mx.Connections(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

func TestALongReplyIsCutAtALine(t *testing.T) {
	mx := host(t, testmx.Options{Script: testmx.On(testmx.Rcpt, testmx.Action{
		Text: strings.Repeat("550-5.7.1 read our policy\n", 1000) + "550 5.7.1 end",
	})})
	o := carrier(t, delivery.Options{}).Carry(t.Context(), to(mx), job(t, "hi\r\n"))[0]
	if n := len(o.Reply.Text); n > 4096 || n < 4000 || !strings.HasSuffix(o.Reply.Text, "read our policy") {
		t.Errorf("%d octets are kept", n)
	}
}
