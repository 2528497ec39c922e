package smtpc_test

import (
	"crypto/tls"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/internal/testmx"
)

func TestEveryLineIsToldButForAUTHAndContent(t *testing.T) {
	for name, o := range map[string]struct {
		mx    testmx.Options
		tells []string
	}{
		"one by one": {testmx.Options{Keywords: []string{"SIZE 1000"}}, []string{
			"C MAIL FROM:<ann@example.com> SIZE=48", "S 250", "C RCPT TO:<bob@example.org>", "S 250", "C RCPT TO:<eve@example.org>", "S 550 5.1.1 nobody",
			"C DATA", "S 354", "C .", "* content of 48 octets", "S 250"}},
		"in a group": {testmx.Options{Keywords: []string{"SIZE 1000", "PIPELINING"}}, []string{
			"C MAIL FROM:<ann@example.com> SIZE=48", "C RCPT TO:<bob@example.org>", "C RCPT TO:<eve@example.org>", "C DATA",
			"S 250", "S 250", "S 550 5.1.1 nobody", "S 354", "C .", "* content of 48 octets", "S 250"}},
		"with BDAT": {testmx.Options{}, []string{
			"C MAIL FROM:<ann@example.com> SIZE=48", "C RCPT TO:<bob@example.org>", "C RCPT TO:<eve@example.org>", "C BDAT 48 LAST", "* content of 48 octets",
			"S 250", "S 250", "S 550 5.1.1 nobody", "S 250"}},
	} {
		t.Run(name, func(t *testing.T) {
			o.mx.StartTLS = true
			o.mx.Script = func(e testmx.Event) testmx.Action {
				if e.Stage == testmx.Rcpt && strings.Contains(e.Line, "eve@") {
					return testmx.Action{Text: "550 5.1.1 nobody"}
				}
				return testmx.Action{}
			}
			o.mx.Users = map[string]string{"ann": "geheim"}
			mx := host(t, o.mx)
			var told []string
			c := connect(t, mx.Addr().String(), smtpc.Options{})
			c.Trace(func(who byte, text string) {
				first, _, _ := strings.Cut(text, "\n")
				if who == smtpc.TraceServer && strings.HasPrefix(first, "2") || strings.HasPrefix(first, "3") {
					first = first[:3]
				}
				told = append(told, string(who)+" "+first)
			})
			for _, step := range []func() error{
				func() error { return c.Greet(t.Context()) },
				func() error { return c.Hello(t.Context()) },
				func() error { return c.StartTLS(t.Context(), &tls.Config{InsecureSkipVerify: true}) },
				func() error { return c.Hello(t.Context()) },
				func() error { return c.Auth(t.Context(), "ann", "geheim") },
			} {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
			c.Send(t.Context(), message(t, "words\r\n", "bob@example.org", "eve@example.org"))
			want := append([]string{"S 220", "C EHLO mta.example.com", "S 250", "C STARTTLS", "S 220", "C EHLO mta.example.com", "S 250"}, o.tells...)
			if diff := cmp.Diff(want, told); diff != "" {
				t.Error(diff)
			}
			all := strings.Join(told, "\n")
			for _, secret := range []string{"AUTH", "geheim", base64.StdEncoding.EncodeToString([]byte("geheim")), "words"} {
				if strings.Contains(all, secret) {
					t.Errorf("%q is told", secret)
				}
			}
			n := len(told)
			c.Trace(nil)
			c.Quit(t.Context())
			if len(told) > n {
				t.Error("more is told after the end")
			}
		})
	}
}
