//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/internal/mta"
)

// A Postfix with the relayhost recipe hands its mail to sesame, by STARTTLS and
// by TLS from the first octet. More lines end its main.cf.
func postfixClient(t *testing.T, d door, g gate, more ...string) *mta.Postfix {
	t.Helper()
	main := recipe(t, "postfix.md", "/etc/postfix/main.cf", "")
	passwd := recipe(t, "postfix.md", "/etc/postfix/sasl_passwd", "")
	if g.implicit {
		main += recipe(t, "postfix.md", "/etc/postfix/main.cf", "implicit")
		passwd = strings.ReplaceAll(passwd, ":587", ":465")
	}
	d.host = "127.0.0.1" // Postfix asks DNS, not the hosts file, for localhost
	main = strings.ReplaceAll(d.fill(g.in(main)), "hash:/etc/postfix/", "hash:$config_directory/")
	p, err := mta.StartPostfix(t.Context(), mta.PostfixOptions{
		Hostname: "client.example.com",
		Main:     main + "myorigin = example.com\n" + strings.Join(more, "\n") + "\n",
		Files:    map[string]string{"sasl_passwd": d.fill(g.in(passwd))},
		Postmap:  []string{"sasl_passwd"},
	})
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(p.Stop)
	return p
}

// Sendmail cannot speak TLS from the first octet.
func sendmailClient(t *testing.T, d door, g gate) *mta.Sendmail {
	t.Helper()
	d.host = "mail.example.com" // which mta.Sendmail takes for 127.0.0.1
	s, err := mta.NewSendmail(t.Context(), d.fill(g.in(recipe(t, "sendmail.md", "/etc/mail/sendmail.mc", ""))),
		map[string]string{
			"authinfo": d.fill(recipe(t, "sendmail.md", "/etc/mail/authinfo", "")),
			"access":   d.fill(recipe(t, "sendmail.md", "/etc/mail/access", "")),
		}, []string{"authinfo", "access"})
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func eximClient(t *testing.T, d door, g gate) *mta.Exim {
	t.Helper()
	var sections []string
	for _, name := range []string{"routers", "transports", "authenticators"} {
		text := recipe(t, "exim.md", "/etc/exim4/exim4.conf", name)
		if g.implicit {
			text = strings.ReplaceAll(text, "port = 587", "protocol = smtps\n  port = 465")
		}
		sections = append(sections, d.fill(g.in(text)))
	}
	e, err := mta.NewExim(sections...)
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func openSMTPDClient(t *testing.T, d door, g gate) *mta.OpenSMTPD {
	t.Helper()
	conf := recipe(t, "opensmtpd.md", "/etc/smtpd.conf", "")
	if g.implicit {
		conf = strings.ReplaceAll(conf, "smtp+tls://sesame@mail.example.com:587", "smtps://sesame@mail.example.com:465")
	}
	d.host = "mail.example.com" // which mta.OpenSMTPD takes for 127.0.0.1
	o, err := mta.StartOpenSMTPD(t.Context(), mta.OpenSMTPDOptions{Conf: d.fill(g.in(conf)),
		Files: map[string]string{"secrets": d.fill(recipe(t, "opensmtpd.md", "/etc/mail/secrets", ""))}, CA: d.ca})
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the log of OpenSMTPD:\n%s", mta.Tail(o.LogFile(), 40))
		}
		o.Stop()
	})
	return o
}

// mailServers gives a function per mail server that starts it behind a gate and
// sends a message through it.
func mailServers(d door, g gate) map[string]func(t *testing.T, from, subject string) error {
	servers := map[string]func(t *testing.T, from, subject string) error{
		"Postfix": func(t *testing.T, from, subject string) error {
			return postfixClient(t, d, g).Run(t.Context(), message(subject), "sendmail", "-f", from, recipient[0])
		},
		"Exim": func(t *testing.T, from, subject string) error {
			return eximClient(t, d, g).Send(t.Context(), from, recipient, message(subject))
		},
		"OpenSMTPD": func(t *testing.T, from, subject string) error {
			return openSMTPDClient(t, d, g).Send(t.Context(), from, recipient, message(subject))
		},
	}
	if !g.implicit {
		servers["Sendmail"] = func(t *testing.T, from, subject string) error {
			return sendmailClient(t, d, g).Send(t.Context(), from, recipient, message(subject))
		}
	}
	return servers
}

// Mail servers that use sesame as their smart host, through all four ports.
func TestMailServers(t *testing.T) {
	mx := receivingPostfix(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr)})
	a := newArrivals(t, mx, s.verify("example.com"))
	for _, g := range gates {
		for name, send := range mailServers(s.door, g) {
			t.Run(name+" at "+g.port, func(t *testing.T) {
				subject := "Hello from " + name + " at " + g.port
				if err := send(t, "sender@example.com", subject); err != nil {
					t.Fatal(err)
				}
				a.came(t, subject)
			})
		}
	}
	// A reverse-path that is not verified is refused, and the mail server sends a
	// bounce about it, through sesame again and with the null reverse-path.
	for name, send := range mailServers(s.door, gates[0]) {
		t.Run(name+" bounces", func(t *testing.T) {
			from := strings.ToLower(name) + "@example.net"
			if err := send(t, from, "Refused"); err != nil && name != "Sendmail" { // which tells its caller too
				t.Fatal(err)
			}
			to := "\nDelivered-To: " + from + "\n"
			got := arrivalOf(t, mx, "for"+to, func(b []byte) bool { return bytes.Contains(b, []byte(to)) })
			for _, want := range []string{"Return-Path: <>\n", "554", "Email address is not verified"} {
				if !bytes.Contains(got, []byte(want)) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
		})
	}
	t.Run("Postfix with a bounce and a long list", func(t *testing.T) {
		p := postfixClient(t, s.door, gates[0])

		// A bounce of its own has the null reverse-path, which -f "" asks for.
		bounce := []byte("From: MAILER-DAEMON@example.com\nTo: recipient@example.net\nSubject: A bounce of Postfix\n\nIt failed.\n")
		if err := p.Run(t.Context(), bounce, "sendmail", "-f", "", recipient[0]); err != nil {
			t.Fatal(err)
		}
		if got := arrival(t, mx, "A bounce of Postfix"); !bytes.Contains(got, []byte("Return-Path: <>")) {
			t.Errorf("the reverse-path is not null in\n%s", got)
		}

		// More recipients than we take at once come in two transactions.
		many := []string{"-f", "sender@example.com"}
		for i := range 60 {
			many = append(many, fmt.Sprintf("many%d@example.net", i))
		}
		if err := p.Run(t.Context(), message("Hello to sixty"), "sendmail", many...); err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			to := fmt.Sprintf("\nDelivered-To: many%d@example.net\n", i)
			arrivalOf(t, mx, "for"+to, func(b []byte) bool { return bytes.Contains(b, []byte(to)) })
		}
	})
}

// What is beyond the rate of its account gets 454; a Postfix keeps it and tries
// again until all has passed.
func TestPostfixWaitsOutTheRate(t *testing.T) {
	mx := receivingPostfix(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr), top: `profile = "ses"`})
	s.verify("example.com")
	s.run(nil, "account", "set", "default", "--rate", "1", "--json") // and five at once
	p := postfixClient(t, s.door, gates[0], "minimal_backoff_time = 1s", "maximal_backoff_time = 2s", "queue_run_delay = 1s")
	const n = 8
	for i := range n {
		if err := p.Run(t.Context(), message(fmt.Sprint("Number ", i)), "sendmail", "-f", "sender@example.com", recipient[0]); err != nil {
			t.Fatal(err)
		}
	}
	logged(t, p, "said: 454 Throttling failure: Maximum sending rate exceeded.")
	for i := range n {
		arrival(t, mx, fmt.Sprint("Number ", i))
	}
	if mail, err := mx.Mail(t.Context(), n); err != nil || len(mail) != n {
		t.Errorf("%d messages came, want each once: %v", len(mail), err)
	}
}

// A session carries so many messages and then ends with 421. A Postfix that
// keeps its connection open for all of them goes on with the next one.
func TestPostfixGoesOnAfterTheLastMessageOfASession(t *testing.T) {
	mx := receivingPostfix(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr), top: "profile = \"ses\"\n[limits]\nmessages_per_connection = 3\n"})
	s.verify("example.com")
	p := postfixClient(t, s.door, gates[0], "smtp_connection_cache_on_demand = yes", "smtp_connection_cache_destinations = $relayhost",
		"smtp_tls_connection_reuse = yes", "smtp_destination_concurrency_limit = 1", "initial_destination_concurrency = 1",
		"minimal_backoff_time = 1s", "maximal_backoff_time = 2s", "queue_run_delay = 1s")
	const n = 10
	for i := range n {
		if err := p.Run(t.Context(), message(fmt.Sprint("Number ", i)), "sendmail", "-f", "sender@example.com", recipient[0]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		arrival(t, mx, fmt.Sprint("Number ", i))
	}
	logged(t, p, "said: 421 Connection closed by server. Maximum message count per session reached.")
	if mail, err := mx.Mail(t.Context(), n); err != nil || len(mail) != n {
		t.Errorf("%d messages came, want each once: %v", len(mail), err)
	}
}
