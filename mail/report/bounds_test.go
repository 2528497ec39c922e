package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/mail/report"
)

const reportHead = "From: MAILER-DAEMON@mx.example.net\r\nSubject: Undelivered Mail Returned to Sender\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"

// marks begin the texts of many mailers.
var marks = []string{
	"Hi. This is the qmail", "This is the mail delivery agent at", "Sorry, we were unable to deliver your message", "The following address(es) failed:",
	"This message was created automatically by mail delivery software", "has been frozen", "This is the mail system at host", "was not delivered to:",
	"This is the MAILER-DAEMON, please do not reply", "----- The following addresses had permanent fatal errors", "Diagnostic information for administrators:",
	"The following recipient(s) could not be reached:", "Delivery has failed to these recipients or", "------- Failure Reasons ", "Delivery to the following recipient",
	"Message not delivered", "the group you tried to contact", "Unable to deliver message to:", "This report relates to a message you sent",
	"Your message could not be sent.", "could not be delivered to:", "The user(s) account is ", "error(s):", "Automatically generated Delivery Status Notification",
	"UNDELIVERABLE MAIL", "-------server message", "Could not be delivered because of", "Sent >>> ", "Failed to deliver to '", "undeliverable to the following",
}

// huge are mails that try to cost more than they are worth.
func huge() map[string][]byte {
	group := "Final-Recipient: rfc822; bob@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
	nested := ""
	for i := range 2000 {
		nested += fmt.Sprintf("--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	return map[string][]byte{
		"recipients":    []byte(reportHead + "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\n" + strings.Repeat(group, 12000)),
		"parts":         []byte(reportHead + strings.Repeat("--b\r\nContent-Type: message/delivery-status\r\n\r\n"+group, 8000)),
		"empty parts":   []byte(reportHead + strings.Repeat("--b\r\n\r\n", 120000)),
		"depth":         []byte("From: a@example.net\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n" + nested),
		"fields":        []byte(reportHead + "--b\r\nContent-Type: message/delivery-status\r\n\r\n" + strings.Repeat("A: b\r\n", 150000)),
		"one field":     []byte("From: a@example.net\r\nSubject: " + strings.Repeat("x", report.MaxContent)),
		"folds":         []byte("Subject: x\r\n" + strings.Repeat(" y\r\n", 250000)),
		"addresses":     []byte("From: MAILER-DAEMON@example.net\r\nSubject: failure notice\r\n\r\nHi. This is the qmail\r\n\r\n" + strings.Repeat("<bob@example.net>:\r\nno\r\n", 40000)),
		"other address": []byte("From: MAILER-DAEMON@example.net\r\nSubject: failure notice\r\n\r\nundeliverable\r\n" + strings.Repeat("a@b c@d ", 120000)),
		"at signs":      []byte("From: MAILER-DAEMON@example.net\r\nSubject: failure notice\r\n\r\nundeliverable\r\n" + strings.Repeat("@", 1000000)),
		"lines":         []byte("From: MAILER-DAEMON@example.net\r\nSubject: failure notice\r\n\r\n" + strings.Repeat("\r\n", 500000)),
		"tags":          []byte("From: MAILER-DAEMON@example.net\r\nSubject: failure notice\r\nContent-Type: text/html\r\n\r\n" + strings.Repeat("<a<!--<style", 80000)),
		"complaint":     []byte("From: fbl@example.net\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" + strings.Repeat("Original-Rcpt-To: bob@example.net\r\n", 25000)),
		"To":            []byte("From: a@example.net\r\n\r\n--- below this line is a copy of the message\r\n\r\nTo: " + strings.Repeat("a@example.net, ", 60000)),
		"every mark": []byte("From: MAILER-DAEMON@example.net\r\nSubject: failure notice\r\n\r\n" + strings.Join(marks, " ") + "\r\n" +
			strings.Repeat(strings.Repeat("(\"a<b: ", 20)+"\r\n", 5000)),
		"brackets": []byte("From: " + strings.Repeat("<", 60000) + "\r\nTo: " + strings.Repeat("(", 60000) + "\r\n\r\n"),
		"words":    []byte("Subject: " + strings.Repeat("=?utf-8?q?=41?= ", 3500) + "\r\n\r\n"),
	}
}

func TestNoMailCostsMuch(t *testing.T) {
	for name, content := range huge() {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			in, err := report.Read(content)
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
			if err != nil {
				t.Fatal(err)
			}
			bounded(t, in)
		})
	}
}

// bounded looks at the bounds of what is read.
func bounded(t *testing.T, in *report.Incoming) {
	t.Helper()
	if in.Kind < report.Other || in.Kind > report.AutoReply || in.Kind.String() == "" {
		t.Errorf("kind %d", in.Kind)
	}
	if len(in.Recipients) > 1000 || len(in.Feedback.To) > 100 || len(in.Feedback.Domains) > 100 || len(in.Original.To) > 2000 {
		t.Errorf("%d recipients, %d and %d of a complaint, %d of the original", len(in.Recipients), len(in.Feedback.To), len(in.Feedback.Domains), len(in.Original.To))
	}
	if len(in.Original.Header) > 64<<10 {
		t.Errorf("a header section of %d octets", len(in.Original.Header))
	}
	for _, r := range in.Recipients {
		if r.Action.String() == "" || len(r.Reply.Text) > 2000 || len(r.Host) > 255 || strings.ContainsAny(r.To+r.Original+r.Host+r.Reply.Text, "\r\n") {
			t.Errorf("%+v", r)
		}
	}
}

func TestWhatStandsAfterTheBoundIsNotRead(t *testing.T) {
	content := []byte(reportHead + "--b\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; bob@example.net\r\nAction: failed\r\n\r\n--b\r\n\r\n")
	content = append(content, bytes.Repeat([]byte("x"), report.MaxContent)...)
	content = append(content, "\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; eve@example.net\r\n\r\n"...)
	in, err := report.Read(content)
	if err != nil || len(in.Recipients) != 1 || in.Recipients[0].To != "bob@example.net" {
		t.Errorf("%+v %v", in, err)
	}
}

func TestTheReturnedHeaderSectionCanBeScanned(t *testing.T) {
	for name, content := range corpus(t) {
		in, err := report.Read(content)
		if err != nil {
			t.Fatal(err)
		}
		if in.Original.Header == nil {
			continue
		}
		if s, err := message.Scan(in.Original.Header); err != nil || s.Count("Message-ID") != 1 || in.Original.MessageID == "" {
			t.Errorf("%s: %v in %q", name, err, in.Original.Header)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, content := range corpus(f) {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		in, err := report.Read(content)
		if err != nil {
			return
		}
		bounded(t, in)
	})
}
