package report

import (
	"bytes"
	"strings"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// textWidth is where lines of the human part end.
const textWidth = 72

// notification writes the part that people read: which recipient, what was
// said, and what to do. The first sentence is that of SES (spec section 6.4).
func (d *DSN) notification() part {
	var b bytes.Buffer
	b.WriteString("An error occurred while trying to deliver the mail to the following recipients:\r\n")
	for i := range d.Recipients {
		r := &d.Recipients[i]
		b.WriteString("\r\n" + r.To.String() + "\r\n")
		if r.Remote && r.Host != "" {
			wrap(&b, "  ", "The mail server "+r.Host+" answered:")
		} else {
			wrap(&b, "  ", "The reason:")
		}
		wrap(&b, "    ", r.diagnostic())
		wrap(&b, "  ", advice(r.status()))
	}
	b.WriteString("\r\n")
	tail := "It will not be tried again for these recipients."
	if !d.Failed.IsZero() {
		tail = "The message was accepted as " + d.Failed.String() + " at " + message.Date(d.Arrival) + ". " + tail
	}
	wrap(&b, "", tail)
	return part{kind: "text/plain; charset=us-ascii", description: "Notification", body: b.Bytes()}
}

// advice says what the sender can do (RFC 3463 section 3).
func advice(s mail.Status) string {
	switch {
	case s.Subject == 1 && (s.Detail == 7 || s.Detail == 8):
		return "Check that your own address may send to this recipient."
	case s.Subject == 1 || s.Subject == 2 && s.Detail == 1:
		return "Check the address for mistakes. If the mailbox is gone, do not write to it again."
	case s.Subject == 2 && s.Detail == 2:
		return "The mailbox is full. Try again later, or tell the recipient in another way."
	case s.Subject == 2 && s.Detail == 3, s.Subject == 3 && s.Detail == 4:
		return "Send a smaller message, for instance without its attachments."
	case s.Subject == 4 && s.Detail == 7:
		return "The recipient's mail server could not be reached, or put us off, for too long. " +
			"Check the domain for mistakes, or send the message again later."
	case s.Subject == 4:
		return "Check the domain for mistakes. If it is right, its administrator can put it in order."
	case s.Subject == 6:
		return "The recipient's mail server cannot handle this form of message. Send it as plain text."
	case s.Subject == 7:
		return "The message was refused by a rule. The recipient's administrator can say which, " +
			"given the answer above."
	}
	return "The recipient's administrator can say more, given the answer above."
}

// wrap writes text in lines of textWidth where words allow it, never over
// maxLine, each after indent. What is not printable ASCII becomes question
// marks, so that text can neither end the part nor move a terminal's cursor.
func wrap(b *bytes.Buffer, indent, text string) {
	line := 0
	for _, word := range strings.Fields(strings.Map(ascii, text)) {
		if len(word) > maxLine/2 {
			word = word[:maxLine/2-3] + "..." // no word of a language
		}
		switch {
		case line == 0:
			b.WriteString(indent)
			line = len(indent)
		case line+1+len(word) > textWidth:
			b.WriteString("\r\n" + indent)
			line = len(indent)
		default:
			b.WriteByte(' ')
			line++
		}
		b.WriteString(word)
		line += len(word)
	}
	if line > 0 {
		b.WriteString("\r\n")
	}
}

func ascii(c rune) rune {
	switch {
	case c <= ' ':
		return ' '
	case c > '~':
		return '?'
	}
	return c
}
