package delivery_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

// names answers from a table; a name that is not there does not exist.
type names map[string][]string

func (n names) Addrs(_ context.Context, host string) ([]netip.Addr, error) {
	var list []netip.Addr
	for _, s := range n[host] {
		if s == "servfail" {
			return nil, &resolver.Error{Kind: resolver.Failed, Name: host}
		}
		list = append(list, netip.MustParseAddr(s))
	}
	if list == nil {
		return nil, &resolver.Error{Kind: resolver.NotFound, Name: host}
	}
	return list, nil
}

func results(out []mail.Outcome) string {
	var s []string
	for _, o := range out {
		s = append(s, o.Result.String())
	}
	return strings.Join(s, " ")
}

func TestWhichHostsAreAsked(t *testing.T) {
	one := func(st testmx.Stage, text string) testmx.Options {
		return testmx.Options{Script: testmx.On(st, testmx.Action{Text: text})}
	}
	for name, tc := range map[string]struct {
		hosts []testmx.Options
		want  string // results for a and b
		reply string // to a
		asked []int64
	}{
		"the first takes all":             {[]testmx.Options{{}, {}}, "delivered delivered", "250", []int64{1, 0}},
		"421 at the greeting":             {[]testmx.Options{one(testmx.Connect, "421 Busy"), {}}, "delivered delivered", "250", []int64{1, 1}},
		"554 at the greeting":             {[]testmx.Options{one(testmx.Connect, "554 No"), {}}, "delivered delivered", "250", []int64{1, 1}},
		"554 at all greetings":            {[]testmx.Options{one(testmx.Connect, "554 No"), one(testmx.Connect, "554 Neither")}, "failed failed", "554 Neither", []int64{1, 1}},
		"554 here and 421 there":          {[]testmx.Options{one(testmx.Connect, "421 Busy"), one(testmx.Connect, "554 No")}, "deferred deferred", "421 Busy", []int64{1, 1}},
		"MAIL deferred":                   {[]testmx.Options{one(testmx.Mail, "451 Later"), {}}, "delivered delivered", "250", []int64{1, 1}},
		"MAIL deferred everywhere":        {[]testmx.Options{one(testmx.Mail, "451 Later"), one(testmx.Mail, "452 Full")}, "deferred deferred", "452 Full", []int64{1, 1}},
		"MAIL refused":                    {[]testmx.Options{one(testmx.Mail, "550 No"), {}}, "failed failed", "550 No", []int64{1, 0}},
		"421 to MAIL":                     {[]testmx.Options{one(testmx.Mail, "421 Bye"), {}}, "delivered delivered", "250", []int64{1, 1}},
		"421 to RCPT":                     {[]testmx.Options{one(testmx.Rcpt, "421 Bye"), {}}, "delivered delivered", "250", []int64{1, 1}},
		"RCPT deferred":                   {[]testmx.Options{one(testmx.Rcpt, "450 4.2.0 Grey"), {}}, "deferred deferred", "450 4.2.0 Grey", []int64{1, 0}},
		"content refused":                 {[]testmx.Options{one(testmx.Content, "554 5.7.1 Spam"), {}}, "failed failed", "554 5.7.1 Spam", []int64{1, 0}},
		"content deferred":                {[]testmx.Options{one(testmx.Content, "451 4.3.0 Later"), {}}, "deferred deferred", "451 4.3.0 Later", []int64{1, 0}},
		"one recipient refused":           {[]testmx.Options{{Script: onlyB("550 5.1.1 No")}, {}}, "failed delivered", "550 5.1.1 No", []int64{1, 0}},
		"one refused, then the host goes": {[]testmx.Options{{Script: refuseThenGo}, {}}, "failed delivered", "550 5.1.1 No", []int64{1, 1}},
		"too many, split":                 {[]testmx.Options{{MaxRecipients: 1}, {}}, "delivered delivered", "250", []int64{1, 0}},
		"at most five":                    {slices.Repeat([]testmx.Options{one(testmx.Connect, "421 Busy")}, 7), "deferred deferred", "421 Busy", []int64{1, 1, 1, 1, 1, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var servers []*testmx.Server
			for _, o := range tc.hosts {
				servers = append(servers, host(t, o))
			}
			out := carrier(t, delivery.Options{}).Carry(t.Context(), to(servers...), job(t, "hi\r\n", "a@example.org", "b@example.org"))
			if got := results(out); got != tc.want || !strings.HasPrefix(out[0].Reply.String(), tc.reply) {
				t.Errorf("%s %q, want %s %q", got, &out[0].Reply, tc.want, tc.reply)
			}
			for i, s := range servers {
				if got := s.Connections(); got != tc.asked[i] {
					t.Errorf("host %d had %d connections, want %d", i, got, tc.asked[i])
				}
			}
			for _, o := range out {
				if o.Dur <= 0 || o.Host == "" || o.Addr == "" || !o.Remote {
					t.Errorf("outcome %+v", o)
				}
			}
		})
	}
}

// onlyB refuses all but b.
func onlyB(text string) func(testmx.Event) testmx.Action {
	return func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Rcpt && !strings.Contains(e.Line, "<b@") {
			return testmx.Action{Text: text}
		}
		return testmx.Action{}
	}
}

func refuseThenGo(e testmx.Event) testmx.Action {
	switch {
	case e.Stage == testmx.Rcpt && e.Rcpt == 1:
		return testmx.Action{Text: "550 5.1.1 No"}
	case e.Stage == testmx.Rcpt:
		return testmx.Action{Text: "421 4.3.2 Bye"}
	}
	return testmx.Action{}
}

func TestHostsAreAskedByPreferenceAndEqualsInAnyOrder(t *testing.T) {
	a, b, backup := host(t, testmx.Options{}), host(t, testmx.Options{}), host(t, testmx.Options{})
	r := to(a, b, backup)
	r.Hosts[1].Pref = 0
	slices.Reverse(r.Hosts)
	for range 40 {
		c := carrier(t, delivery.Options{})
		if out := c.Carry(t.Context(), r, job(t, "hi\r\n")); out[0].Result != mail.Delivered {
			t.Fatalf("outcome %+v", out[0])
		}
	}
	if a.Count() == 0 || b.Count() == 0 || backup.Count() != 0 {
		t.Errorf("%d, %d and %d", a.Count(), b.Count(), backup.Count())
	}
}

func TestManyRecipientsGoInSeveralTransactions(t *testing.T) {
	for _, limit := range []int{0, 30} {
		mx := host(t, testmx.Options{MaxRecipients: limit})
		rcpts := make([]string, 250)
		for i := range rcpts {
			rcpts[i] = fmt.Sprintf("r%d@example.org", i)
		}
		out := carrier(t, delivery.Options{}).Carry(t.Context(), to(mx), job(t, "hi\r\n", rcpts...))
		for i, o := range out {
			if o.Result != mail.Delivered {
				t.Fatalf("recipient %d: %+v", i, o)
			}
		}
		var got []string
		for _, m := range mx.Messages() {
			got = append(got, m.To...)
			if len(m.To) > 100 {
				t.Errorf("%d recipients at once", len(m.To))
			}
		}
		slices.Sort(got)
		slices.Sort(rcpts)
		if !slices.Equal(got, rcpts) {
			t.Errorf("%d recipients arrived", len(got))
		}
		if mx.Connections() != 1 {
			t.Errorf("%d connections", mx.Connections())
		}
	}
}

func TestWhereTheAddressesOfAHostLead(t *testing.T) {
	mx := host(t, testmx.Options{})
	port := mx.Addr().Port()
	table := names{
		"good.test": {"127.0.0.1"}, "private.test": {"10.0.0.1", "192.168.0.1"}, "wrapped.test": {"::ffff:127.0.0.1", "64:ff9b::7f00:1"},
		"half.test": {"10.0.0.1", "127.0.0.1"}, "fail.test": {"servfail"}, "six.test": {"2a00::25"}, "dead.test": {"127.0.0.9"},
		"split.test": {"10.0.0.1", "10.0.0.2", "10.0.0.3", "127.0.0.1"},
		"many.test":  {"127.0.0.7", "127.0.0.8", "127.0.0.1"},
	}
	for n := 2; n <= 5; n++ {
		table[fmt.Sprintf("p%d.test", n)], table[fmt.Sprintf("d%d.test", n)] = table["private.test"], table["dead.test"]
	}
	for name, tc := range map[string]struct {
		hosts []string
		want  string
	}{
		"a public host":                 {[]string{"good.test"}, "250 2.0.0 Ok"},
		"a second address":              {[]string{"half.test"}, "250 2.0.0 Ok"},
		"two addresses and no more":     {[]string{"many.test"}, "421 4.4.1 Failed to establish connection"},
		"private":                       {[]string{"private.test"}, "550 5.4.4 Invalid domain"},
		"all forbidden":                 {[]string{"private.test", "wrapped.test"}, "550 5.4.4 Invalid domain"},
		"forbidden, then good":          {[]string{"private.test", "good.test"}, "250 2.0.0 Ok"},
		"forbidden and dead":            {[]string{"private.test", "dead.test"}, "421 4.4.1 Failed to establish connection"},
		"forbidden ones before a good":  {[]string{"split.test"}, "250 2.0.0 Ok"},
		"five forbidden, then good":     {[]string{"private.test", "p2.test", "p3.test", "p4.test", "p5.test", "good.test"}, "250 2.0.0 Ok"},
		"five without address":          {[]string{"n1.test", "n2.test", "n3.test", "n4.test", "n5.test", "good.test"}, "250 2.0.0 Ok"},
		"five dead ones and no more":    {[]string{"dead.test", "d2.test", "d3.test", "d4.test", "d5.test", "good.test"}, "421 4.4.1 Failed to establish connection"},
		"no such host":                  {[]string{"none.test"}, "550 5.4.4 Invalid domain"},
		"the resolver fails":            {[]string{"none.test", "fail.test"}, "421 4.4.0 Unable to lookup DNS for fail.test"},
		"IPv6 without a source for it":  {[]string{"six.test"}, "421 4.4.1 Failed to establish connection"},
		"the resolver fails, then good": {[]string{"fail.test", "good.test"}, "250 2.0.0 Ok"},
	} {
		t.Run(name, func(t *testing.T) {
			c := carrier(t, delivery.Options{Port: port, Resolver: table})
			r := &route.Route{Domain: "example.org", Site: name}
			for i, h := range tc.hosts {
				r.Hosts = append(r.Hosts, route.Host{Name: h, Pref: uint16(i)})
			}
			o := c.Carry(t.Context(), r, job(t, "hi\r\n"))[0]
			if o.Reply.String() != tc.want {
				t.Errorf("%v: %v, want %s", o.Result, &o.Reply, tc.want)
			}
			if permanent := tc.want[0] == '5'; permanent != (o.Result == mail.Failed) {
				t.Errorf("result %v", o.Result)
			}
		})
	}
}

func TestLoopbackIsForbiddenUnlessAllowed(t *testing.T) {
	mx := host(t, testmx.Options{})
	c := carrier(t, delivery.Options{AllowNetworks: []netip.Prefix{}})
	if o := c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))[0]; o.Reply.String() != "550 5.4.4 Invalid domain" || mx.Connections() != 0 {
		t.Errorf("outcome %+v", o)
	}
	r := to(mx)
	r.Trusted = true
	if o := c.Carry(t.Context(), r, job(t, "hi\r\n"))[0]; o.Result != mail.Delivered {
		t.Errorf("what the operator named is refused: %+v", o)
	}
}

func TestASourceHasItsAddressAndName(t *testing.T) {
	mx := host(t, testmx.Options{})
	c := carrier(t, delivery.Options{Sources: []egress.Source{
		{Name: "a", Addr: netip.MustParseAddr("127.0.0.2"), EHLO: "a.mx.example.com"},
		{Name: "b", Addr: netip.MustParseAddr("127.0.0.3"), EHLO: "b.mx.example.com", Pool: "bulk"},
	}})
	j := job(t, "hi\r\n")
	for pool, want := range map[string]string{"": "a", "bulk": "b"} {
		j.Pool = pool
		if o := c.Carry(t.Context(), to(mx), j)[0]; o.Source != want || o.Result != mail.Delivered {
			t.Errorf("outcome %+v", o)
		}
	}
	for _, m := range mx.Messages() {
		if addr := netip.MustParseAddrPort(m.Remote).Addr().String(); (m.Hello == "a.mx.example.com") != (addr == "127.0.0.2") {
			t.Errorf("%s from %s", m.Hello, addr)
		}
	}
}

func TestConnectionsAreReused(t *testing.T) {
	mx := host(t, testmx.Options{StartTLS: true, Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Reset {
			t.Error("RSET was sent")
		}
		return testmx.Action{}
	}})
	c := carrier(t, delivery.Options{MessagesPerConnection: 3})
	for i := range 7 {
		if o := c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))[0]; o.Result != mail.Delivered || o.TLS == "" || o.Host == "" {
			t.Fatalf("message %d: %+v", i, o)
		}
	}
	if n := mx.Connections(); n != 3 {
		t.Errorf("%d connections", n)
	}
	other := to(mx)
	other.Site = "another.example.org"
	c.Carry(t.Context(), other, job(t, "hi\r\n"))
	if n := mx.Connections(); n != 4 {
		t.Errorf("%d connections after another site", n)
	}
}

func TestAKeptConnectionThatDiedIsNoFailure(t *testing.T) {
	for name, action := range map[string]testmx.Action{
		"drop":  {Do: testmx.Drop},
		"reset": {Do: testmx.Abort},
		"421":   {Text: "421 4.4.2 Idle for too long"},
	} {
		for _, keywords := range [][]string{nil, {"PIPELINING"}, {}} {
			t.Run(fmt.Sprintf("%s/%v", name, keywords), func(t *testing.T) {
				mx := host(t, testmx.Options{Keywords: keywords, Script: func(e testmx.Event) testmx.Action {
					if e.Stage == testmx.Mail && e.Transaction == 2 {
						return action
					}
					return testmx.Action{}
				}})
				c := carrier(t, delivery.Options{})
				for i := range 4 {
					if o := c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))[0]; o.Result != mail.Delivered {
						t.Fatalf("message %d: %+v", i, o)
					}
				}
				if mx.Connections() != 4 || mx.Count() != 4 {
					t.Errorf("%d connections, %d messages", mx.Connections(), mx.Count())
				}
			})
		}
	}
}

func TestIdleConnectionsAreEndedInGoodOrder(t *testing.T) {
	quit := make(chan struct{}, 1)
	mx := host(t, testmx.Options{Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Quit {
			quit <- struct{}{}
		}
		return testmx.Action{}
	}})
	c := carrier(t, delivery.Options{IdleConn: 20 * time.Millisecond})
	c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))
	select {
	case <-quit:
	case <-time.After(5 * time.Second):
		t.Error("no QUIT came")
	}
}

func TestCloseWaitsAndThenEndsWhatStillRuns(t *testing.T) {
	reached := make(chan struct{})
	mx := host(t, testmx.Options{Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Rcpt {
			close(reached)
			return testmx.Action{Do: testmx.Hang}
		}
		return testmx.Action{}
	}})
	c, err := delivery.New(delivery.Options{Hostname: "mta.example.com", AllowNetworks: loopback})
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan []mail.Outcome, 1)
	go func() { out <- c.Carry(context.Background(), to(mx), job(t, "hi\r\n")) }()
	<-reached
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); err == nil {
		t.Error("Close did not say that it ended an attempt")
	}
	o := <-out
	if o[0].Result != mail.Deferred || delivery.SignalOf(o) != 0 {
		t.Errorf("outcome %+v, signal %v", o, delivery.SignalOf(o))
	}
	if o := c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))[0]; o.Result != mail.Deferred || o.Remote {
		t.Errorf("after Close: %+v", o)
	}
}

func TestAHostThatHangsUpOverBDATGetsDATANextTime(t *testing.T) {
	mx := host(t, testmx.Options{Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Content && strings.HasPrefix(e.Line, "BDAT") {
			return testmx.Action{Do: testmx.Drop}
		}
		return testmx.Action{}
	}})
	c := carrier(t, delivery.Options{})
	for i, want := range []mail.Result{mail.Deferred, mail.Delivered, mail.Delivered} {
		if o := c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))[0]; o.Result != want || o.Uncertain != (i == 0) {
			t.Errorf("attempt %d: %+v", i, o)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	mx := host(t, testmx.Options{StartTLS: true, DeferPercent: 20, Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Mail && e.Transaction%7 == 6 {
			return testmx.Action{Do: testmx.Drop}
		}
		return testmx.Action{}
	}})
	c := carrier(t, delivery.Options{IdleConn: time.Millisecond, MessagesPerConnection: 5})
	var delivered atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				o := c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))[0]
				if o.Result == mail.Delivered {
					delivered.Add(1)
				} else if o.Reply.Code != 451 {
					t.Errorf("outcome %+v", o)
				}
			}
		})
	}
	wg.Wait()
	if delivered.Load() != mx.Count() {
		t.Errorf("%d delivered, %d arrived", delivered.Load(), mx.Count())
	}
}
