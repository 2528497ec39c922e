package submission_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
)

// published asks for events of everything.
func published(o *submission.Options) {
	o.Region = "local-1"
	o.Published = func(*queue.Message) bool { return true }
	o.Interest = func(event.Type, *queue.Message) []string { return []string{"c"} }
	o.IdentityName = func(_ string, a mail.Address) string { return a.Domain() }
}

func TestTheMailObjectTellsOfTheMessageAsItCame(t *testing.T) {
	s := &spool{}
	r := request(t, "From: News <a@example.org>\r\nTo: b@example.net\r\nBcc: c@example.net\r\nMessage-ID: <own@example.org>\r\n"+
		"X-SES-MESSAGE-TAGS: campaign=spring\r\nSubject: a long\r\n one\r\n\r\nhi\r\n", submission.Facts{})
	r.Principal.Credential, r.Origin.Client, r.Origin.Session = "AKIAEXAMPLE", netip.MustParseAddr("::ffff:203.0.113.5"), "s1"
	if _, err := desk(t, s, published).Submit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if len(s.got.Events) != 1 || s.got.Events[0].Mail != nil { // it is kept once, with the message
		t.Fatalf("events %v", s.got.Events)
	}
	m, err := event.ReadMail(s.got.Message.ID, s.got.Message.Account, s.got.Message.Mail)
	if err != nil {
		t.Fatal(err)
	}
	id := s.got.Message.ID.String()
	for _, c := range [][2]string{
		{m.MessageID, id}, {m.CommonHeaders.MessageID, id}, {m.Source, "a@example.org"}, {m.CommonHeaders.Subject, "a long one"},
		{m.SourceARN, "arn:aws:ses:local-1:000000000001:identity/example.org"}, {m.SendingAccountID, "000000000001"},
		{m.Headers[0].Name, "Received"}, {m.Headers[0].Value,
			"from app.example.org ([203.0.113.5]) by mx1.example.com with SMTP (sesame) id s1 for b@example.net; Tue, 03 Feb 2026 04:05:06 +0000 (UTC)"},
		{m.Headers[4].Name, "Message-ID"}, {m.Headers[4].Value, "<own@example.org>"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
	for name, value := range map[string]string{"campaign": "spring", "ses:operation": "SendSmtpEmail", "ses:source-ip": "203.0.113.5",
		"ses:from-domain": "example.org", "ses:caller-identity": "AKIAEXAMPLE", "ses:source-tls-version": "TLSv1.3"} {
		if !slices.Equal(m.Tags[name], []string{value}) {
			t.Errorf("tag %s is %q, want %q", name, m.Tags[name], value)
		}
	}
	if !slices.Equal(m.Destination, []string{"b@example.net"}) || !slices.Equal(m.CommonHeaders.From, []string{"News <a@example.org>"}) {
		t.Errorf("got %+v", m)
	}
}

func TestMailThatNobodyIsToldOfHasNoMailObject(t *testing.T) {
	s := &spool{}
	d := desk(t, s, published, func(o *submission.Options) { o.Published = func(*queue.Message) bool { return false } })
	if _, err := d.Submit(t.Context(), request(t, "From: a@example.org\r\n\r\nhi\r\n", submission.Facts{})); err != nil {
		t.Fatal(err)
	}
	if s.got.Message.Mail != nil {
		t.Errorf("got %s", s.got.Message.Mail)
	}
}
