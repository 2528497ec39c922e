package submission_test

import (
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/verp"
	"github.com/sesame-mta/sesame/submission"
)

func TestMailLeavesUnderAReversePathOfOurOwn(t *testing.T) {
	const text = "From: A <a@example.org>\r\n\r\nhi\r\n"
	under := func(domain string) func(*submission.Options) {
		return func(o *submission.Options) {
			o.Return = func(account string, from mail.Address) string {
				if account != "000000000001" || from.String() != "a@example.org" {
					t.Errorf("asked about %s of %s", from, account)
				}
				return domain
			}
		}
	}
	for name, tt := range map[string]struct {
		alter func(*submission.Options)
		null  bool
		want  string
	}{
		"of the domain":                     {alter: under("Bounce.example.org"), want: "bounce.example.org"},
		"not without a domain":              {alter: under("")},
		"not where it cannot be one":        {alter: under("no domain")},
		"not where nothing comes back":      {alter: func(*submission.Options) {}},
		"not in place of a null one":        {alter: under("bounce.example.org"), null: true},
		"not where the address gets longer": {alter: under(strings.Repeat("long.", 50) + "example.org")},
	} {
		t.Run(name, func(t *testing.T) {
			s := &spool{}
			r := request(t, text, submission.Facts{})
			if tt.null {
				r.From = mail.ReversePath{}
			}
			from := r.From
			id, err := desk(t, s, tt.alter).Submit(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			m := s.got.Message
			if m.From != from {
				t.Errorf("the client's reverse-path has become %s", m.From)
			}
			if m.Return.Domain() != tt.want || m.Keep != (tt.want != "") {
				t.Errorf("reverse-path %q, kept: %v", m.Return, m.Keep)
			}
			if got, _ := verp.ID(m.Return); tt.want != "" && got != id {
				t.Errorf("the reverse-path %s is not that of %s", m.Return, id)
			}
		})
	}
}
