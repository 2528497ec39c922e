package report_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/mail/report"
)

func TestOurOwnDSNReadsAsWhatItSays(t *testing.T) {
	d := dsn(t)
	in, err := report.Read(append(first(d), second(d)...))
	if err != nil {
		t.Fatal(err)
	}
	original := in.Original
	in.Original = report.Original{}
	if d := cmp.Diff(&report.Incoming{
		Kind: report.Bounced, Subject: "Delivery Status Notification (Failure)", From: "mailer-daemon@mail.example.com",
		ReportingMTA: "mx1.example.com",
		Recipients: []report.Returned{
			{
				To: "bob@example.net", Action: report.Failed, Host: "mx.example.net", Status: mail.Status{Class: 5, Subject: 1, Detail: 1},
				Reply: mail.Reply{Code: 550, Status: mail.Status{Class: 5, Subject: 1, Detail: 1}, Text: "No such user Try another"},
			},
			{
				To: `"c d"@example.org`, Action: report.Failed, Status: mail.Status{Class: 4, Subject: 4, Detail: 7},
				Reply: mail.Reply{Code: 550, Status: mail.Status{Class: 4, Subject: 4, Detail: 7},
					Text: "Message expired: unable to deliver in 840 minutes.<421 4.4.1 Failed to establish connection>"},
			},
		},
	}, in); d != "" {
		t.Error(d)
	}
	if s, err := message.Scan(original.Header); err != nil || s.Count("Subject") != 1 || original.Subject != "a b" || original.From != "ann@example.com" {
		t.Errorf("%+v %v", original, err)
	}
}

func TestWhatHasNoFieldIsNoMail(t *testing.T) {
	for _, text := range []string{"", "\r\n", "hello", "\r\nSubject: x\r\n"} {
		if _, err := report.Read([]byte(text)); !errors.Is(err, report.ErrNotMail) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
