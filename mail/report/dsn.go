package report

import (
	"bytes"
	"encoding/hex"
	"strings"
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
	parts := []part{d.notification(), d.status(), d.original()}
	boundary := "=_" + hex.EncodeToString(d.ID[:])
	for _, p := range parts {
		// What is returned was written by others; only a guess could hit this.
		for bytes.Contains(p.body, []byte(boundary)) {
			boundary += "_"
		}
	}

	add := func(name, value string) { header = append(header, message.Field(name, value)...) }
	add("Date", message.Date(d.Date))
	add("From", "MAILER-DAEMON@"+d.Domain)
	add("To", d.To.String())
	add("Subject", "Delivery Status Notification (Failure)")
	add("Message-ID", message.NewMessageID(d.ID, d.Domain))
	if id := d.MessageID; len(id) < 250 && strings.HasPrefix(id, "<") &&
		strings.IndexByte(id, '>') == len(id)-1 && !strings.ContainsAny(id, " \t\r\n") {
		add("In-Reply-To", id)
		add("References", id)
	}
	add("Auto-Submitted", "auto-replied") // RFC 3834 section 5
	add("MIME-Version", "1.0")
	add("Content-Type", `multipart/report; report-type=delivery-status; boundary="`+boundary+`"`)
	header = append(header, "\r\n"...)

	var b bytes.Buffer
	for _, p := range parts {
		b.WriteString("--" + boundary + "\r\n")
		b.Write(message.Field("Content-Type", p.kind))
		b.Write(message.Field("Content-Description", p.description))
		b.WriteString("\r\n")
		b.Write(p.body)
		b.WriteString("\r\n")
	}
	b.WriteString("--" + boundary + "--\r\n")
	return header, b.Bytes()
}

// part is one of the three of a report (RFC 6522 section 3).
type part struct {
	kind, description string
	body              []byte
}

// status writes the part that programs read (RFC 3464 section 2).
func (d *DSN) status() part {
	var b bytes.Buffer
	add := func(name, value string) { b.Write(message.Field(name, value)) }
	add("Reporting-MTA", "dns; "+d.ReportingMTA)
	if !d.Arrival.IsZero() {
		add("Arrival-Date", message.Date(d.Arrival))
	}
	for i := range d.Recipients {
		r := &d.Recipients[i]
		b.WriteString("\r\n")
		add("Final-Recipient", "rfc822; "+r.To.String())
		add("Action", "failed")
		add("Status", r.status().String())
		if r.Host != "" {
			add("Remote-MTA", "dns; "+r.Host)
		}
		if text := r.diagnostic(); text != "" {
			add("Diagnostic-Code", "smtp; "+text)
		}
	}
	return part{"message/delivery-status", "Delivery report", b.Bytes()}
}

// original gives back what failed: the whole message where it was given and
// needs no encoding, else its header section (RFC 6522 sections 3 and 4).
func (d *DSN) original() part {
	head := cleanHeader(d.Header)
	if d.Body != nil && plain(d.Body) {
		head = append(append(head, '\r', '\n'), d.Body...)
		return part{"message/rfc822", "Undelivered Message", head}
	}
	return part{"text/rfc822-headers", "Undelivered Message", head}
}

// maxLine is the longest line without its CRLF (RFC 5322 section 2.1.1).
const maxLine = 998

// cleanHeader gives the lines of a header section without the empty one, cut
// where they are too long, with question marks for what is no 7-bit text.
func cleanHeader(header []byte) []byte {
	out := make([]byte, 0, len(header)+2)
	for line := range strings.SplitSeq(string(header), "\r\n") {
		if line == "" {
			break
		}
		n := 0
		for i := 0; i < len(line); i++ {
			c := line[i]
			if c != '\t' && (c < ' ' || c > '~') {
				c = '?'
			}
			if n == maxLine {
				out = append(out, '\r', '\n', ' ')
				n = 1
			}
			out = append(out, c)
			n++
		}
		out = append(out, '\r', '\n')
	}
	return out
}

// plain reports whether a body is 7-bit text in short lines ended by CRLF (RFC
// 2045 section 2.7), as a message/rfc822 part without encoding must be.
func plain(body []byte) bool {
	line := 0
	for i, c := range body {
		switch {
		case c == '\n':
			if i == 0 || body[i-1] != '\r' {
				return false
			}
			line = 0
			continue
		case c == '\r':
			if i+1 == len(body) || body[i+1] != '\n' {
				return false
			}
			continue
		case c == 0 || c > 0x7f:
			return false
		}
		if line++; line > maxLine {
			return false
		}
	}
	return true
}
