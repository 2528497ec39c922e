package submission

import (
	"cmp"
	"strings"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// operation is what SES calls mail that came by SMTP (spec section 8.3).
const operation = "SendSmtpEmail"

// facts keeps what the mail object for the events of a message is made of, as the
// client sent it: control fields and Bcc included, since only its owner reads them.
func (d *Desk) facts(r *Request, m *queue.Message, from mail.Address, header []byte) ([]byte, error) {
	f := event.Facts{
		Message: m.ID, Account: m.Account, Accepted: m.Accepted, Source: m.From.String(),
		Destination: make([]string, len(r.To)), Tags: d.eventTags(r, m, from), Header: header,
	}
	for i, to := range r.To {
		f.Destination[i] = to.String()
	}
	if m.From.Null() {
		f.Source = from.String()
	}
	if r.Source != "" {
		f.Source = r.Source
	}
	if m.Identity != "" {
		f.SourceARN = "arn:aws:ses:" + d.o.Region + ":" + m.Account + ":identity/" + m.Identity
	}
	if r.Operation == "" {
		// Mail that came by SMTP has the field of SES first (spec section 3.6). Nobody but
		// the owner of the mail sees its client address.
		f.Received = d.arrival(r, m)
	}
	return f.Encode()
}

// arrival is what the Received field of SES says of mail that came by SMTP.
func (d *Desk) arrival(r *Request, m *queue.Message) string {
	var b strings.Builder
	b.WriteString("from " + r.Origin.Helo)
	if r.Origin.Client.IsValid() {
		b.WriteString(" ([" + r.Origin.Client.Unmap().String() + "])")
	}
	b.WriteString(" by " + d.o.Hostname + " with SMTP (sesame) id " + r.Origin.Session)
	if len(r.To) == 1 {
		b.WriteString(" for " + r.To[0].String())
	}
	b.WriteString("; " + m.Accepted.UTC().Format("Mon, 02 Jan 2006 15:04:05 +0000 (UTC)"))
	return b.String()
}

// eventTags gives the tags of a message: those of its sender's choice and the
// automatic ones, whose names no sender can take (spec section 8.3).
func (d *Desk) eventTags(r *Request, m *queue.Message, from mail.Address) []string {
	caller := cmp.Or(r.Principal.Credential, r.Principal.Name)
	source := ""
	if r.Origin.Client.IsValid() {
		source = r.Origin.Client.Unmap().String()
	}
	tags := make([]string, 0, 12+2*len(m.Tags))
	for _, t := range m.Tags {
		tags = append(tags, t.Name, t.Value)
	}
	for _, t := range [...][2]string{
		{event.TagOperation, cmp.Or(r.Operation, operation)}, {event.TagFromDomain, from.Domain()}, {event.TagConfigSet, m.ConfigSet},
		{event.TagSourceIP, source}, {event.TagCallerIdentity, caller}, {event.TagSourceTLS, r.Origin.TLS},
	} {
		if t[1] != "" {
			tags = append(tags, t[0], t[1])
		}
	}
	return tags
}
