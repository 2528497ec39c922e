package submission

import (
	"cmp"
	"strings"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
)

// operation is what SES calls mail that came by SMTP (spec section 8.3).
const operation = "SendSmtpEmail"

// mailObject makes the mail object for the events of a message, as the client sent
// it: control fields and Bcc included, since only its owner reads them.
func (d *Desk) mailObject(r *Request, m *queue.Message, s *message.Section, octets int) ([]byte, error) {
	o := event.Mail{
		Timestamp: event.Instant{Time: m.Accepted}, Source: m.From.String(), SendingAccountID: m.Account,
		MessageID: m.ID.String(), HeadersTruncated: octets >= 10<<10,
		Destination: make([]string, len(r.To)), Tags: d.eventTags(r, m),
	}
	for i, to := range r.To {
		o.Destination[i] = to.String()
	}
	from := m.From.Address
	if field, ok := s.Get("From"); ok {
		if list, err := message.Addresses(field.Value()); err == nil {
			from = list[0]
			o.Tags[event.TagFromDomain] = []string{from.Domain()}
		}
	}
	if m.From.Null() {
		o.Source = from.String()
	}
	if r.Source != "" {
		o.Source = r.Source
	}
	if m.Identity != "" {
		o.SourceARN = "arn:aws:ses:" + d.o.Region + ":" + m.Account + ":identity/" + m.Identity
	}
	d.addHeaders(&o, r, m, s)
	// The client's own Message-ID stands among the headers only (spec section 8.1).
	o.CommonHeaders.MessageID = m.ID.String()
	return o.Encode()
}

// addHeaders gives the header fields in order, for mail that came by SMTP the
// Received field of SES first (spec section 3.6). Nobody but the owner of the mail sees its client address.
func (d *Desk) addHeaders(o *event.Mail, r *Request, m *queue.Message, s *message.Section) {
	truncated := o.HeadersTruncated
	o.HeadersTruncated = false
	if r.Operation == "" {
		o.Add("Received", d.arrival(r, m))
	}
	for _, f := range s.Fields {
		o.Add(f.Name, f.Value())
	}
	o.HeadersTruncated = o.HeadersTruncated || truncated
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
// automatic ones (spec section 8.3).
func (d *Desk) eventTags(r *Request, m *queue.Message) map[string][]string {
	tags := map[string][]string{event.TagOperation: {cmp.Or(r.Operation, operation)}}
	for _, t := range m.Tags {
		tags[t.Name] = append(tags[t.Name], t.Value)
	}
	caller := r.Principal.Credential
	if caller == "" {
		caller = r.Principal.Name
	}
	source := ""
	if r.Origin.Client.IsValid() {
		source = r.Origin.Client.Unmap().String()
	}
	for name, value := range map[string]string{
		event.TagConfigSet: m.ConfigSet, event.TagSourceIP: source, event.TagCallerIdentity: caller, event.TagSourceTLS: r.Origin.TLS,
	} {
		if value != "" {
			tags[name] = []string{value}
		}
	}
	return tags
}
