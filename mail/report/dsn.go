package report

import (
	"bytes"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// DSN tells a sender which recipients did not get a message, and why.
type DSN struct {
	ID   mail.ID // of the DSN itself: its Message-ID and boundary
	Date time.Time
	// Domain is that of MAILER-DAEMON and of the Message-ID.
	Domain string
	// ReportingMTA is our host name.
	ReportingMTA string
	To           mail.ForwardPath // the reverse-path of the failed message

	Failed    mail.ID   // the failed message
	Arrival   time.Time // when it was accepted
	MessageID string    // value of its Message-ID field, angle brackets included
	// Header is its header section. Body, when not nil, is its whole body, which
	// is returned too where it is plain 7-bit text.
	Header, Body []byte

	Recipients []Recipient
}

// Recipient is one that the message was not delivered to.
type Recipient struct {
	To    mail.ForwardPath
	Reply mail.Reply // why: the remote host's word, or ours
	// Host is the MX host that was asked last; empty when none was reached.
	Host string
	// Remote: Reply is Host's, not ours.
	Remote bool
}

// status gives the enhanced status code for the report, which must be of class
// 4 or 5 for a failure (RFC 3464 section 2.3.4).
func (r *Recipient) status() mail.Status {
	if s := r.Reply.Status; s.Class == 4 || s.Class == 5 {
		return s
	}
	if r.Reply.Code/100 == 4 {
		return mail.Status{Class: 4}
	}
	return mail.Status{Class: 5}
}

// maxDiagnostic bounds what is quoted of one reply, in octets.
const maxDiagnostic = 2000

// diagnostic gives the reply, cut to what a report can quote.
func (r *Recipient) diagnostic() string {
	text := r.Reply.String()
	if len(text) > maxDiagnostic {
		text = text[:maxDiagnostic] + "..."
	}
	return text
}

// Compose gives the DSN: a header section with its empty line, and a body. All
// is 7-bit ASCII in lines of at most 998 octets, ended by CRLF.
func (d *DSN) Compose() (header, body []byte) {
	l := letter{
		id: d.ID, date: d.Date, domain: d.Domain, from: "MAILER-DAEMON@" + d.Domain, to: d.To,
		subject: "Delivery Status Notification (Failure)", about: d.MessageID,
		kind:  "multipart/report; report-type=delivery-status",
		parts: []part{d.notification(), d.status(), original(d.Header, d.Body)},
	}
	return l.compose()
}

// status writes the part that programs read (RFC 3464 section 2).
func (d *DSN) status() part {
	var b bytes.Buffer
	add := func(name, value string) { b.Write(message.Field(name, value)) }
	typed := func(name, kind, value string) {
		// A blank would be a place to fold, and some parsers read one line only.
		if len(name)+len(": ")+len(kind)+len("; ")+len(value) <= textWidth {
			kind += "; "
		} else {
			kind += ";"
		}
		add(name, kind+value)
	}
	typed("Reporting-MTA", "dns", d.ReportingMTA)
	if !d.Arrival.IsZero() {
		add("Arrival-Date", message.Date(d.Arrival))
	}
	for i := range d.Recipients {
		r := &d.Recipients[i]
		b.WriteString("\r\n")
		typed("Final-Recipient", "rfc822", r.To.String())
		add("Action", "failed")
		add("Status", r.status().String())
		if r.Host != "" {
			typed("Remote-MTA", "dns", r.Host)
		}
		if text := r.diagnostic(); text != "" {
			add("Diagnostic-Code", "smtp; "+text)
		}
	}
	return part{kind: "message/delivery-status", description: "Delivery report", body: b.Bytes()}
}
