package delivery_test

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

// loopback is where the hosts of these tests live.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func host(t *testing.T, o testmx.Options) *testmx.Server {
	t.Helper()
	s, err := testmx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func carrier(t *testing.T, o delivery.Options) *delivery.SMTP {
	t.Helper()
	if o.Hostname == "" {
		o.Hostname = "mta.example.com"
	}
	if o.AllowNetworks == nil {
		o.AllowNetworks = loopback
	}
	c, err := delivery.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// to makes a route to the servers, in order of preference.
func to(servers ...*testmx.Server) *route.Route {
	r := &route.Route{Domain: "example.org", Site: "mx.example.org"}
	for i, s := range servers {
		r.Hosts = append(r.Hosts, route.Host{
			Name: string(rune('a'+i)) + ".mx.example.org", Pref: uint16(10 * i),
			Addr: s.Addr().Addr(), Port: s.Addr().Port(),
		})
	}
	return r
}

func path(t testing.TB, s string) mail.ForwardPath {
	t.Helper()
	p, err := mail.ParseForwardPath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const header = "From: ann@example.com\r\nSubject: hello\r\n\r\n"

func job(t testing.TB, body string, rcpts ...string) *delivery.Job {
	t.Helper()
	from, err := mail.ParseReversePath("ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	j := &delivery.Job{
		From: from, Header: []byte(header),
		Content: bytes.NewReader([]byte("X: y\r\n\r\n" + body)), BodyAt: 8, Size: int64(8 + len(body)),
	}
	if len(rcpts) == 0 {
		rcpts = []string{"bob@example.org"}
	}
	for _, r := range rcpts {
		j.To = append(j.To, path(t, r))
	}
	return j
}

func TestMailArrivesAsItIsBehindTheSendingAddress(t *testing.T) {
	mx := host(t, testmx.Options{StartTLS: true})
	out := carrier(t, delivery.Options{}).Carry(t.Context(), to(mx), job(t, "hi\r\n.dot\r\n"))
	if len(out) != 1 || out[0].Result != mail.Delivered || !out[0].Remote || out[0].TLS != "TLSv1.3" {
		t.Fatalf("outcome %+v", out)
	}
	got := mx.Messages()
	day := time.Now().UTC()
	want := func(day time.Time) string {
		return "X-SES-Outgoing: " + day.Format("2006.01.02") + "-127.0.0.1\r\n" + header + "hi\r\n.dot\r\n"
	}
	if len(got) != 1 || string(got[0].Data) != want(day) && string(got[0].Data) != want(day.Add(-time.Minute)) || got[0].From != "ann@example.com" || got[0].Hello != "mta.example.com" {
		t.Fatalf("message %+v", got)
	}
}
