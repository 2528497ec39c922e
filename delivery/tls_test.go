package delivery_test

import (
	"crypto/tls"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

func TestHowMuchTLS(t *testing.T) {
	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	lender := host(t, testmx.Options{StartTLS: true})
	old.Certificates = lender.TLSConfig().Certificates
	for name, tc := range map[string]struct {
		host    testmx.Options
		require bool
		want    string // version, "clear", or the reply
		conns   int64
	}{
		"offered":                          {testmx.Options{StartTLS: true}, false, "TLSv1.3", 1},
		"not offered":                      {testmx.Options{}, false, "clear", 1},
		"refused":                          {testmx.Options{StartTLS: true, Script: testmx.On(testmx.StartTLS, testmx.Action{Text: "454 4.7.0 Not now"})}, false, "clear", 1},
		"the handshake fails":              {testmx.Options{StartTLS: true, Script: testmx.On(testmx.Handshake, testmx.Action{Do: testmx.Drop})}, false, "clear", 2},
		"the handshake hangs":              {testmx.Options{StartTLS: true, Script: testmx.On(testmx.Handshake, testmx.Action{Do: testmx.Hang})}, false, "clear", 2},
		"fails, and there is no other way": {testmx.Options{StartTLS: true, Script: insists("530 5.7.0 Must issue a STARTTLS command first")}, false, "454 4.7.5", 2},
		"fails, and encryption is needed":  {testmx.Options{StartTLS: true, Script: insists("550 5.7.10 Encryption needed")}, false, "454 4.7.5", 2},
		"the host is too old":              {testmx.Options{StartTLS: true, TLS: old}, false, "clear", 2},
		"EHLO fails after the handshake":   {testmx.Options{StartTLS: true, Script: afterTLS}, false, "clear", 2},
		"someone injects":                  {testmx.Options{StartTLS: true, Script: inject}, false, "421 4.7.0", 1},
		"required":                         {testmx.Options{StartTLS: true}, true, "TLSv1.3", 1},
		"required, not offered":            {testmx.Options{}, true, "451 4.7.10", 1},
		"required, refused":                {testmx.Options{StartTLS: true, Script: testmx.On(testmx.StartTLS, testmx.Action{Text: "454 4.7.0 Not now"})}, true, "451 4.7.10", 1},
		"required, the handshake fails":    {testmx.Options{StartTLS: true, Script: testmx.On(testmx.Handshake, testmx.Action{Do: testmx.Drop})}, true, "454 4.7.5", 1},
		"required, the host is too old":    {testmx.Options{StartTLS: true, TLS: old}, true, "454 4.7.5", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mx := host(t, tc.host)
			timeouts := short
			timeouts.TLS *= 3
			j := job(t, "hi\r\n")
			j.RequireTLS = tc.require
			o := carrier(t, delivery.Options{Timeouts: timeouts}).Carry(t.Context(), to(mx), j)[0]
			got := o.TLS
			switch {
			case o.Result == mail.Deferred && !o.Remote:
				got = o.Reply.String()
			case o.Result == mail.Delivered && o.TLS == "":
				got = "clear"
			}
			if !strings.HasPrefix(got, tc.want) {
				t.Errorf("%q, want %q: %+v", got, tc.want, o)
			}
			if n := mx.Connections(); n != tc.conns {
				t.Errorf("%d connections, want %d", n, tc.conns)
			}
			for _, m := range mx.Messages() {
				if tc.require && m.TLS == 0 {
					t.Error("sent in clear text")
				}
			}
		})
	}
}

func afterTLS(e testmx.Event) testmx.Action {
	if e.Stage == testmx.Hello && e.TLS {
		return testmx.Action{Do: testmx.Drop}
	}
	return testmx.Action{}
}

func inject(e testmx.Event) testmx.Action {
	if e.Stage == testmx.StartTLS {
		return testmx.Action{Do: testmx.Raw, Text: "220 Go ahead\r\n250 mine\r\n"}
	}
	return testmx.Action{}
}

func TestAKeptConnectionInClearTextCarriesNothingThatNeedsTLS(t *testing.T) {
	mx := host(t, testmx.Options{})
	c := carrier(t, delivery.Options{})
	c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))
	j := job(t, "hi\r\n")
	j.RequireTLS = true
	if o := c.Carry(t.Context(), to(mx), j)[0]; o.Result != mail.Deferred || mx.Count() != 1 {
		t.Errorf("outcome %+v", o)
	}
}

func TestSmarthosts(t *testing.T) {
	users := map[string]string{"ann": "s3cret"}
	with := func(s delivery.Smarthost) *delivery.Smarthost {
		s.User = "ann"
		if s.Password == "" {
			s.Password = "s3cret"
		}
		return &s
	}
	for name, tc := range map[string]struct {
		host testmx.Options
		how  *delivery.Smarthost
		know bool // the certificate is known
		want string
		tls  bool
	}{
		"without a password":             {testmx.Options{}, &delivery.Smarthost{TLS: delivery.ClearText}, false, "250", false},
		"STARTTLS":                       {testmx.Options{StartTLS: true, Users: users}, with(delivery.Smarthost{TLS: delivery.StartTLS}), true, "250", true},
		"implicit":                       {testmx.Options{ImplicitTLS: true, Users: users}, with(delivery.Smarthost{TLS: delivery.ImplicitTLS}), true, "250", true},
		"as any host":                    {testmx.Options{StartTLS: true, Users: users}, with(delivery.Smarthost{}), false, "250", true},
		"any certificate":                {testmx.Options{StartTLS: true, Users: users}, with(delivery.Smarthost{TLS: delivery.StartTLS, AnyCertificate: true}), false, "250", true},
		"an unknown certificate":         {testmx.Options{StartTLS: true, Users: users}, with(delivery.Smarthost{TLS: delivery.StartTLS}), false, "454 4.7.5", false},
		"implicit, unknown certificate":  {testmx.Options{ImplicitTLS: true, Users: users}, with(delivery.Smarthost{TLS: delivery.ImplicitTLS}), false, "421 4.4.1", false},
		"STARTTLS not offered":           {testmx.Options{Users: users}, with(delivery.Smarthost{TLS: delivery.StartTLS}), true, "451 4.7.10", false},
		"no password in clear text":      {testmx.Options{Users: users}, with(delivery.Smarthost{}), false, "454 4.7.0", false},
		"a password in clear text":       {testmx.Options{Users: users}, with(delivery.Smarthost{TLS: delivery.ClearText, AuthInClear: true}), false, "250", false},
		"a wrong password is for later":  {testmx.Options{StartTLS: true, Users: users}, with(delivery.Smarthost{Password: "guess"}), false, "454 4.7.8", false},
		"a host that knows no passwords": {testmx.Options{StartTLS: true}, with(delivery.Smarthost{}), false, "454 4.7.0", false},
	} {
		t.Run(name, func(t *testing.T) {
			mx := host(t, tc.host)
			if tc.know {
				tc.how.RootCAs = mx.Roots()
			}
			r := to(mx)
			r.Trusted, r.Hosts[0].Name = true, "mx.example.org"
			// It is the operator's word: no network is allowed otherwise.
			c := carrier(t, delivery.Options{Smarthost: tc.how, AllowNetworks: loopback[:0]})
			o := c.Carry(t.Context(), r, job(t, "hi\r\n"))[0]
			if !strings.HasPrefix(o.Reply.String(), tc.want) || (o.Result == mail.Delivered) != (tc.want == "250") {
				t.Errorf("%v: %v, want %s", o.Result, &o.Reply, tc.want)
			}
			for _, m := range mx.Messages() {
				if (m.TLS != 0) != tc.tls || tc.how.User != m.User {
					t.Errorf("message %+v", m)
				}
			}
		})
	}
}

// insists gives a host whose handshakes fail and that takes nothing in clear text.
func insists(text string) func(testmx.Event) testmx.Action {
	return func(e testmx.Event) testmx.Action {
		switch {
		case e.Stage == testmx.Handshake:
			return testmx.Action{Do: testmx.Drop}
		case e.Stage == testmx.Mail && !e.TLS:
			return testmx.Action{Text: text}
		}
		return testmx.Action{}
	}
}

func TestATLSFailureIsForgottenByTheNextMessage(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	script := insists("530 5.7.0 Must issue a STARTTLS command first")
	mx := host(t, testmx.Options{StartTLS: true, Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Handshake && !broken.Load() {
			return testmx.Action{}
		}
		return script(e)
	}})
	c := carrier(t, delivery.Options{})
	out := c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))
	if o := out[0]; o.Result != mail.Deferred || o.Host == "" || !strings.HasSuffix(o.Reply.Error(), ": 530 5.7.0 Must issue a STARTTLS command first") {
		t.Errorf("outcome %+v", o)
	}
	if sig := delivery.SignalOf(out); sig != egress.Success {
		t.Errorf("signal %v", sig)
	}
	broken.Store(false)
	if o := c.Carry(t.Context(), to(mx), job(t, "hi\r\n"))[0]; o.Result != mail.Delivered || o.TLS == "" {
		t.Errorf("outcome %+v", o)
	}
}
