package report

import (
	"bytes"
	"encoding/base64"
	"mime"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// ARF tells a sender that a recipient complained (RFC 5965), in the form in which
// SES forwards complaints (spec section 6.7).
type ARF struct {
	ID   mail.ID // of the mail itself: its Message-ID and boundary
	Date time.Time
	// Domain is that of the complaints address and of the Message-ID.
	Domain string
	To     mail.ForwardPath // the reverse-path of the message

	// Feedback is what the provider reported; MailFrom and To of it are not used.
	Feedback Feedback
	// MailFrom is the reverse-path that the sender gave.
	MailFrom mail.ReversePath
	// Recipients are those who complained, or who may have.
	Recipients []mail.ForwardPath
	// Reported is the domain that the message was from.
	Reported string

	About              mail.ID   // the message
	Arrival            time.Time // when it was accepted
	MessageID, Subject string    // of its header section
	// Header and Body are as in a DSN.
	Header, Body []byte
}

// Compose gives the mail, in the form of DSN.Compose.
func (a *ARF) Compose() (header, body []byte) {
	returned := original(a.Header, a.Body)
	returned.description = "Reported Message"
	l := letter{
		id: a.ID, date: a.Date, domain: a.Domain, from: "complaints@" + a.Domain, to: a.To,
		subject: forwarded(a.Subject), about: a.MessageID,
		kind:  "multipart/report; report-type=feedback-report",
		parts: []part{a.notification(), a.report(), returned},
	}
	return l.compose()
}

// report writes the part that programs read (RFC 5965 section 3).
func (a *ARF) report() part {
	var b bytes.Buffer
	add := func(name, value string) {
		if value != "" {
			b.Write(message.Field(name, value))
		}
	}
	kind, agent := short(a.Feedback.Type), short(a.Feedback.UserAgent)
	if kind == "" {
		kind = "other" // RFC 5965 section 7.3
	}
	if agent == "" {
		agent = "sesame"
	}
	add("Feedback-Type", kind)
	add("User-Agent", agent)
	add("Version", "1")
	b.Write(message.Field("Original-Mail-From", a.MailFrom.Path()))
	for _, to := range a.Recipients {
		add("Original-Rcpt-To", to.Path())
	}
	at := a.Feedback.Arrival
	if at.IsZero() {
		at = a.Arrival
	}
	if !at.IsZero() {
		add("Arrival-Date", message.Date(at))
		add("Received-Date", message.Date(at)) // what SES calls it
	}
	add("Reported-Domain", a.Reported)
	add("Source-IP", short(a.Feedback.SourceIP))
	return part{kind: "message/feedback-report", description: "Feedback report", body: b.Bytes()}
}

// notification writes the part that people read.
func (a *ARF) notification() part {
	var b bytes.Buffer
	on := ""
	if !a.Arrival.IsZero() {
		on = " on " + message.Date(a.Arrival)
	}
	wrap(&b, "", "This is an email abuse report for an email message from "+a.Domain+on+".")
	b.WriteString("\r\n")
	if len(a.Recipients) == 1 {
		wrap(&b, "", "The recipient who complained:")
	} else {
		wrap(&b, "", "The provider did not say who complained. It is one of these recipients:")
	}
	for _, to := range a.Recipients {
		b.WriteString(to.String() + "\r\n")
	}
	b.WriteString("\r\n")
	wrap(&b, "", "Do not send to somebody who complained. The message was accepted as "+a.About.String()+".")
	return part{kind: "text/plain; charset=us-ascii", description: "Notification", body: b.Bytes()}
}

// Forward passes on mail that came to us, such as an automatic answer.
type Forward struct {
	ID      mail.ID // of the mail itself: its Message-ID and boundary
	Date    time.Time
	Domain  string // of MAILER-DAEMON and of the Message-ID
	To      mail.ForwardPath
	Subject string // of what came
	// Text says what it is, in a sentence or two.
	Text    string
	Content []byte // what came, as it came
}

// Compose gives the mail, in the form of DSN.Compose. What came is attached as it
// is; where it is no plain 7-bit text it is a file, since a message may not be
// encoded (RFC 2046 section 5.2.1).
func (f *Forward) Compose() (header, body []byte) {
	var b bytes.Buffer
	wrap(&b, "", f.Text)
	attached := part{kind: "message/rfc822", description: "Forwarded Message", body: f.Content}
	if !plain(f.Content) {
		attached = part{kind: `application/octet-stream; name="message.eml"`, description: "Forwarded Message", encoding: "base64", body: encode(f.Content)}
	}
	l := letter{
		id: f.ID, date: f.Date, domain: f.Domain, from: "MAILER-DAEMON@" + f.Domain, to: f.To,
		subject: forwarded(f.Subject), kind: "multipart/mixed",
		parts: []part{{kind: "text/plain; charset=us-ascii", description: "Notification", body: b.Bytes()}, attached},
	}
	return l.compose()
}

// encode gives base64 in lines of 76 (RFC 2045 section 6.8).
func encode(content []byte) []byte {
	text := base64.StdEncoding.AppendEncode(nil, content)
	out := make([]byte, 0, len(text)+len(text)/38)
	for len(text) > 76 {
		out = append(append(out, text[:76]...), '\r', '\n')
		text = text[76:]
	}
	return append(append(out, text...), '\r', '\n')
}

// short cuts a value that others wrote.
func short(value string) string {
	value = strings.Join(strings.Fields(value), " ")
	return value[:min(len(value), 500)]
}

// forwarded gives the subject for mail about mail with this one.
func forwarded(subject string) string {
	return "Fw: " + mime.QEncoding.Encode("utf-8", strings.ToValidUTF8(short(subject), "?"))
}
