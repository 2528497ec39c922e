package submission

import (
	"strings"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
)

// dropped lists the fields that never leave: Bcc is for the sender's eyes
// (spec section 3.2), Return-Path is written at final delivery (RFC 5321 section
// 4.4), the rest steers us (spec section 3.1).
var dropped = [...]string{
	"Bcc", "Resent-Bcc", "Return-Path",
	"X-SES-CONFIGURATION-SET", "X-SES-MESSAGE-TAGS", "X-SES-SOURCE-ARN", "X-SES-FROM-ARN",
	"X-SES-RETURN-PATH-ARN", "X-SES-LIST-MANAGEMENT-OPTIONS", "X-SES-TENANT",
	keyField,
	"X-SES-Outgoing", // ours is added with each attempt
}

// keyField names a message by its client's own choice, so that a repeat is known
// (Request.Key).
const keyField = "X-Sesame-Idempotency-Key"

// maxKey bounds it in octets.
const maxKey = 255

// key gives the key of a message: that of the request, else that of its header. A
// long one is refused: cut, it could be that of another message.
func key(r *Request, s *message.Section) (string, error) {
	value := r.Key
	if value == "" {
		field, _ := s.Get(keyField)
		value = field.Value()
	}
	if given, _, _ := strings.Cut(value, "\x00"); len(given) > maxKey {
		return "", errKey
	}
	return value, nil
}

// edit decides what changes in the header section: fields that go, and before
// what stays Received, and Message-ID and Date where they are missing. Strict
// replaces those two and adds no Received, as SES does (decisions, Profiles).
// Feedback-ID is added too, in place of one of the client in strict or in our name. Strict adds
// MIME-Version where it is missing (spec section 3.3).
// It gives the Message-ID that the message leaves with.
func (d *Desk) edit(r *Request, s *message.Section, id mail.ID, now time.Time, tags []queue.Tag) (message.Edit, string) {
	strict := r.Principal.Strict
	names := dropped[:]
	if strict {
		names = append(names[:len(names):len(names)], "Message-ID", "Date")
	}
	feedback := len(d.o.FeedbackKey) > 0 && (strict || !ownFeedback(s))
	if feedback {
		names = append(names[:len(names):len(names)], "Feedback-ID")
	}
	e := message.Edit{Drop: s.Spans(names...), Prefix: make([]byte, 0, 512)}
	if !strict {
		e.Prefix = append(e.Prefix, d.received(r, id, now)...)
	}
	field, has := s.Get("Message-ID")
	messageID := field.Value()
	if strict || !has {
		messageID = message.NewMessageID(id, d.o.Domain)
		e.Prefix = append(e.Prefix, "Message-ID: "+messageID+"\r\n"...)
	}
	if _, has := s.Get("Date"); strict || !has {
		e.Prefix = append(e.Prefix, "Date: "+message.Date(now)+"\r\n"...)
	}
	if strict && s.Count("MIME-Version") == 0 {
		e.Prefix = append(e.Prefix, "MIME-Version: 1.0\r\n"...)
	}
	if feedback {
		e.Prefix = append(e.Prefix, d.feedbackID(r.Principal.Account, tags)...)
	}
	return e, messageID
}

// received is the trace field (RFC 5321 section 4.4). The client's address
// stays out unless the operator wants it in; the log has it.
func (d *Desk) received(r *Request, id mail.ID, now time.Time) string {
	var b strings.Builder
	b.Grow(320)
	b.WriteString("Received:")
	if r.Origin.Helo != "" {
		b.WriteString(" from ")
		b.WriteString(r.Origin.Helo)
	} else if d.o.ShowClient {
		b.WriteString(" from client")
	}
	if d.o.ShowClient && r.Origin.Client.IsValid() {
		ip := r.Origin.Client.Unmap()
		if ip.Is6() {
			b.WriteString(" ([IPv6:" + ip.String() + "])")
		} else {
			b.WriteString(" ([" + ip.String() + "])")
		}
	}
	if b.Len() > len("Received:") {
		b.WriteString("\r\n\t")
	} else {
		b.WriteString(" ")
	}
	b.WriteString("by ")
	b.WriteString(d.o.Hostname)
	b.WriteString(" with ")
	b.WriteString(r.Origin.Protocol)
	if r.Origin.TLS != "" {
		b.WriteString(" (" + r.Origin.TLS + " " + r.Origin.Cipher + ")")
	}
	b.WriteString("\r\n\tid ")
	b.WriteString(id.String())
	if len(r.To) == 1 {
		b.WriteString("\r\n\tfor <")
		b.WriteString(r.To[0].String())
		b.WriteString(">")
	}
	b.WriteString(";\r\n\t")
	b.WriteString(message.Date(now))
	b.WriteString("\r\n")
	return b.String()
}
