//go:build e2e

package e2e_test

import (
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/internal/mta"
)

// A Postfix with the relayhost recipe hands its mail to sesame, by STARTTLS and
// by TLS from the first octet.
func postfixClient(t *testing.T, d door, implicit bool) *mta.Postfix {
	t.Helper()
	main := recipe(t, "postfix.md", "/etc/postfix/main.cf", "")
	passwd := recipe(t, "postfix.md", "/etc/postfix/sasl_passwd", "")
	if implicit {
		main += recipe(t, "postfix.md", "/etc/postfix/main.cf", "implicit")
		passwd = strings.ReplaceAll(passwd, ":587", ":465")
	}
	d.host = "127.0.0.1" // Postfix asks DNS, not the hosts file, for localhost
	main = strings.ReplaceAll(d.fill(main), "hash:/etc/postfix/", "hash:$config_directory/")
	p, err := mta.StartPostfix(t.Context(), mta.PostfixOptions{
		Hostname: "client.example.com",
		Main:     main + "myorigin = example.com\n",
		Files:    map[string]string{"sasl_passwd": d.fill(passwd)},
		Postmap:  []string{"sasl_passwd"},
	})
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(p.Stop)
	return p
}

func sendmailClient(t *testing.T, d door) *mta.Sendmail {
	t.Helper()
	d.host = "mail.example.com" // which mta.Sendmail takes for 127.0.0.1
	s, err := mta.NewSendmail(t.Context(), d.fill(recipe(t, "sendmail.md", "/etc/mail/sendmail.mc", "")),
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

func eximClient(t *testing.T, d door) *mta.Exim {
	t.Helper()
	var sections []string
	for _, name := range []string{"routers", "transports", "authenticators"} {
		sections = append(sections, d.fill(recipe(t, "exim.md", "/etc/exim4/exim4.conf", name)))
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
