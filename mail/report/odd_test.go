package report_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/report"
)

// read reads text whose lines end in LF.
func read(t testing.TB, text string) *report.Incoming {
	t.Helper()
	in, err := report.Read([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// status gives a DSN with these recipient fields.
func status(fields string) string {
	return "From: MAILER-DAEMON@mx.example.net\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n" + fields + "\n--b--\n"
}

func TestRecipientFieldsAreReadInEveryForm(t *testing.T) {
	for name, c := range map[string]struct {
		fields         string
		to, action, at string
		status, reply  string
	}{
		"as they should be":        {"Final-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.example.org\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n", "bob@example.net", "failed", "mx.example.org", "5.1.1", "550 5.1.1 no such user"},
		"no blanks, in brackets":   {"final-recipient:RFC822;<bob@example.net>\naction:FAILED\nstatus:5.1.1\n", "bob@example.net", "failed", "", "5.1.1", "5.1.1"},
		"folded":                   {"Final-Recipient: rfc822;\n bob@example.net\nAction:\n failed\nStatus: 5.1.1\nDiagnostic-Code: smtp;\n 550 5.1.1\n\tno such user\n", "bob@example.net", "failed", "", "5.1.1", "550 5.1.1 no such user"},
		"no type":                  {"Final-Recipient: bob@example.net\nAction: failed\nStatus: 5.1.1\n", "bob@example.net", "failed", "", "5.1.1", "5.1.1"},
		"an address in quotes":     {"Final-Recipient: rfc822; \"bob b\"@example.net\nAction: failed\n", "\"bob b\"@example.net", "failed", "", "", ""},
		"a comment after status":   {"Final-Recipient: rfc822; bob@example.net\nAction: failed (bad)\nStatus: 5.1.1 (no such user)\n", "bob@example.net", "failed", "", "5.1.1", "5.1.1"},
		"delayed":                  {"Final-Recipient: rfc822; bob@example.net\nAction: delayed\nStatus: 4.4.1\n", "bob@example.net", "delayed", "", "4.4.1", "4.4.1"},
		"delivered":                {"Final-Recipient: rfc822; bob@example.net\nAction: delivered\nStatus: 2.0.0\n", "bob@example.net", "passed", "", "2.0.0", "2.0.0"},
		"no action, but a success": {"Final-Recipient: rfc822; bob@example.net\nStatus: 2.1.5\n", "bob@example.net", "passed", "", "2.1.5", "2.1.5"},
		"no action":                {"Final-Recipient: rfc822; bob@example.net\nStatus: 5.0.0\n", "bob@example.net", "failed", "", "5.0.0", "5.0.0"},
		"the reply knows better":   {"Final-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.1 no\n", "bob@example.net", "failed", "", "5.1.1", "550 5.1.1 no"},
		"the report knows better":  {"Final-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 4.4.7\nDiagnostic-Code: smtp; 451 4.2.1 wait\n", "bob@example.net", "failed", "", "4.4.7", "451 4.2.1 wait"},
		"no status but in words":   {"Final-Recipient: rfc822; bob@example.net\nAction: failed\nDiagnostic-Code: X-Notes; mailbox is full\n", "bob@example.net", "failed", "", "5.2.2", "5.2.2 mailbox is full"},
		"only an original one":     {"Original-Recipient: rfc822; bob@example.net\nFinal-Recipient: x-local; bob\nAction: failed\n", "bob@example.net", "failed", "", "", ""},
		"a host with its address":  {"Final-Recipient: rfc822; bob@example.net\nAction: failed\nRemote-MTA: dns;MX.example.org (192.0.2.1, the server)\n", "bob@example.net", "failed", "mx.example.org", "", ""},
		"a number that is no code": {"Final-Recipient: rfc822; bob@example.net\nAction: failed\nDiagnostic-Code: smtp; waited 4500 s on 192.0.2.450 for id 1-550-2\n", "bob@example.net", "failed", "", "", "waited 4500 s on 192.0.2.450 for id 1-550-2"},
	} {
		t.Run(name, func(t *testing.T) {
			in := read(t, status(c.fields))
			if in.Kind != report.Bounced || len(in.Recipients) != 1 || in.ReportingMTA != "mx.example.net" {
				t.Fatalf("%+v", in)
			}
			r := in.Recipients[0]
			if r.To != c.to || r.Action.String() != c.action || r.Host != c.at || r.Status.String() != c.status || r.Reply.String() != c.reply {
				t.Errorf("%+v, reply %s", r, r.Reply.String())
			}
		})
	}
}

func TestGroupsNeedNoEmptyLines(t *testing.T) {
	in := read(t, status("Final-Recipient: rfc822; a@example.net\nAction: failed\nStatus: 5.1.1\nFinal-Recipient: rfc822; b@example.net\nAction: delayed\nStatus: 4.2.2\n\n\n\n"+
		"X-Note: between\n\nFinal-Recipient: rfc822; c@example.net\nAction: failed\nStatus: 5.7.1\n"))
	got := ""
	for _, r := range in.Recipients {
		got += r.To + " " + r.Action.String() + " " + r.Status.String() + ", "
	}
	if got != "a@example.net failed 5.1.1, b@example.net delayed 4.2.2, c@example.net failed 5.7.1, " {
		t.Error(got)
	}
}

func TestADSNWithoutAnythingInItIsOneStill(t *testing.T) {
	for name, text := range map[string]string{
		"no group":     status(""),
		"no part":      "From: a@example.net\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\nnothing\n",
		"no body":      "From: a@example.net\nContent-Type: multipart/report; report-type=delivery-status\n",
		"other words":  "From: MAILER-DAEMON@example.net\nSubject: Undeliverable mail\n\nIt failed.\n",
		"no recipient": status("Action: failed\nStatus: 5.1.1\n"),
	} {
		if in := read(t, text); in.Kind != report.Bounced || len(in.Recipients) != 0 {
			t.Errorf("%s: %+v", name, in)
		}
	}
}

func TestComplaintsAreReadInEveryForm(t *testing.T) {
	fields := "Feedback-Type: abuse\nUser-Agent: Loop/1\nVersion: 1\nOriginal-Rcpt-To: <bob@example.net>\n"
	encoded := base64.StdEncoding.EncodeToString([]byte(fields))
	head := "From: fbl@example.net\nContent-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\n\n"
	for name, text := range map[string]string{
		"as it should be":  head + "--b\nContent-Type: message/feedback-report\n\n" + fields + "\n--b--\n",
		"in base64":        head + "--b\nContent-Type: message/feedback-report\nContent-Transfer-Encoding: base64\n\n" + encoded + "\n--b--\n",
		"as a file":        head + "--b\nContent-Type: text/plain; name=report.txt\n\n\n" + fields + "\n--b--\n",
		"no last line":     head + "--b\nContent-Type: message/feedback-report\n\n" + fields,
		"in a mixed mail":  "From: fbl@example.net\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n" + fields + "--b--\n--m--\n",
		"a loose boundary": "From: fbl@example.net\nContent-Type: multipart/report; report-type=feedback-report; boundary=a b; x\n\n--a b\nContent-Type: message/feedback-report\n\n" + fields + "\n--a b--\n",
	} {
		in := read(t, text)
		if b := in.Feedback; in.Kind != report.Complaint || b.Type != "abuse" || b.UserAgent != "Loop/1" || len(b.To) != 1 || b.To[0] != "bob@example.net" {
			t.Errorf("%s: %+v", name, in)
		}
	}
	if in := read(t, head+"--b\n\nSomebody complained.\n--b--\n"); in.Kind != report.Complaint || in.Feedback.Type != "other" {
		t.Errorf("without fields: %+v", in)
	}
}

func TestAPersonsMailIsNoBounce(t *testing.T) {
	for name, text := range map[string]string{
		"a question":                "From: Bob <bob@example.net>\nSubject: Re: Undeliverable mail\n\nWhy was my mail to carl@example.org not delivered?\n",
		"a quotation":               "From: Bob <bob@example.net>\nSubject: Re: failure notice\n\n> Hi. This is the qmail-send program at example.org.\n>\n> <carl@example.org>:\n> no mailbox\n",
		"Auto-Submitted: no":        "From: Bob <bob@example.net>\nAuto-Submitted: no\nSubject: Hello\n\nHello\n",
		"a subject with vacation":   "From: Bob <bob@example.net>\nSubject: Re: vacation photographs\n\nHello\n",
		"an attachment":             "From: Bob <bob@example.net>\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee this.\n--b\nContent-Type: message/rfc822\n\nFrom: MAILER-DAEMON@example.org\nSubject: failure notice\n\nHi. This is the qmail-send program\n\n<carl@example.org>:\nno\n--b--\n",
		"text that has DSN's words": "From: Bob <bob@example.net>\nSubject: DSNs\n\nWhat does \"Final-Recipient: rfc822; carl@example.org\" mean?\n",
	} {
		if in := read(t, text); in.Kind != report.Other {
			t.Errorf("%s: %+v", name, in)
		}
	}
}

func TestWhatIsReturnedIsFound(t *testing.T) {
	const section = "Return-Path: <ann@example.com>\nMessage-ID: <1@example.com>\nFeedback-ID: 1.local-1.x:sesame\nX-SES-Outgoing: 2025.11.06-192.0.2.1\nFrom: Ann <ann@example.com>\nTo: Bob <bob@example.net>,\n carl@example.net\nCc: \"d@x\" <dora@example.net>\nSubject: =?utf-8?q?caf=C3=A9?=\n"
	part := func(kind, text string) string {
		return "From: MAILER-DAEMON@example.net\nContent-Type: multipart/report; boundary=b\n\n--b\n\nIt failed.\n--b\nContent-Type: " + kind + "\n\n" + text + "\n--b--\n"
	}
	for name, text := range map[string]string{
		"the message":            part("message/rfc822", section+"\nHello\n"),
		"its header section":     part("text/rfc822-headers", section),
		"a global message":       part("message/global", section+"\nHello\n"),
		"a global section":       part("message/global-headers", section),
		"in quoted-printable":    part("message/rfc822\nContent-Transfer-Encoding: quoted-printable", strings.ReplaceAll(section, "=", "=3D")),
		"after a line":           "From: MAILER-DAEMON@example.net\n\nIt failed.\n\n--- Below this line is a copy of the message.\n\n" + section + "\nHello\n",
		"after no line":          "From: MAILER-DAEMON@example.net\n\nIt failed.\n\n" + section + "\nHello\n",
		"with a line of a spool": part("message/rfc822", "From ann@example.com Thu Nov  6 17:06:10 2025\n"+section),
	} {
		o := read(t, text).Original
		if o.MessageID != "<1@example.com>" || o.FeedbackID != "1.local-1.x:sesame" || o.Outgoing != "2025.11.06-192.0.2.1" || o.ReturnPath != "ann@example.com" ||
			o.From != "ann@example.com" || strings.Join(o.To, " ") != "bob@example.net carl@example.net dora@example.net" || o.Subject != "café" ||
			!strings.Contains(string(o.Header), "\r\nFeedback-ID: ") {
			t.Errorf("%s: %+v %q", name, o, o.Header)
		}
	}
	if o := read(t, "From: a@example.net\n\nHello\n").Original; o.Header != nil || o.MessageID != "" {
		t.Errorf("%+v", o)
	}
}

func TestNothingIsTakenForAReply(t *testing.T) {
	in := read(t, status("Final-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 250 ok, then 550-5.1.1 one\n 550 5.1.1 two (in reply to RCPT TO command)\n"))
	if want := (mail.Reply{Code: 550, Status: mail.Status{Class: 5, Subject: 1, Detail: 1}, Text: "one two"}); in.Recipients[0].Reply != want {
		t.Errorf("%+v", in.Recipients[0].Reply)
	}
}
