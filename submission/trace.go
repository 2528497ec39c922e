package submission

import (
	"bytes"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission/admission"
	"github.com/sesame-mta/sesame/trace"
)

// entry begins the record of a request; nil when nobody records.
func (d *Desk) entry(r *Request) *trace.Record {
	if !d.o.Trace.On() {
		return nil
	}
	rec := &trace.Record{
		Kind: trace.Refused, Time: d.o.Now(), Account: r.Principal.Account, From: r.From.String(),
		To: make([]string, len(r.To)),
		Entry: &trace.Entry{
			Helo: r.Origin.Helo, Protocol: r.Origin.Protocol, TLS: r.Origin.TLS, Cipher: r.Origin.Cipher,
			Session: r.Origin.Session, Credential: r.Principal.Credential,
		},
	}
	for i, to := range r.To {
		rec.To[i] = to.String()
	}
	if r.Origin.Client.IsValid() {
		rec.Entry.Client = r.Origin.Client.String()
	}
	return rec
}

// passed notes which rules let the message pass.
func passed(rec *trace.Record, rules []string) {
	if rec != nil {
		rec.Entry.Passed = rules
	}
}

// content notes what is known of a message once its header section is read.
func content(rec *trace.Record, c *admission.Candidate) {
	if rec == nil {
		return
	}
	if field, ok := c.Header.Get("Message-ID"); ok {
		rec.MessageID = field.Value()
	}
	rec.Entry.Size, rec.Entry.ConfigSet = c.Size, c.SetName
}

// turnedAway records a refusal.
func (d *Desk) turnedAway(rec *trace.Record, rule string, reply *mail.Reply) {
	if rec == nil {
		return
	}
	rec.Entry.Rule, rec.Entry.Reply = rule, reply.String()
	if reply.Cause != nil {
		rec.Entry.Cause = reply.Cause.Error()
		rec.Entry.Limit = trace.LimitOf(mail.LimitOf(reply.Cause))
	}
	d.o.Trace.Add(rec)
}

// takenIn records an acceptance.
func (d *Desk) takenIn(rec *trace.Record, m *queue.Message, header []byte, c *admission.Candidate) {
	if rec == nil {
		return
	}
	rec.Kind, rec.Time, rec.ID, rec.MessageID = trace.Accepted, m.Accepted, m.ID, m.MessageID
	e := rec.Entry
	e.Keys, e.Wait, e.Limit = m.Keys, c.Wait, trace.LimitOf(c.Waits)
	for line := range bytes.Lines(m.Edit.Prefix) {
		if name, _, ok := bytes.Cut(line, []byte(":")); ok && line[0] != ' ' && line[0] != '\t' {
			e.Added = append(e.Added, fieldName(name))
		}
	}
	for _, span := range m.Edit.Drop {
		name, _, _ := bytes.Cut(header[span.Off:span.Off+span.Len], []byte(":"))
		e.Dropped = append(e.Dropped, fieldName(bytes.TrimSpace(name)))
	}
	d.o.Trace.Add(rec)
}

// fieldName gives the name of a field, that of one that most mail gets as a constant.
func fieldName(name []byte) string {
	for _, known := range [...]string{"Received", "Feedback-ID", "Message-ID", "Date"} {
		if string(name) == known {
			return known
		}
	}
	return string(name)
}

// noticed records a mail of ours.
func (d *Desk) noticed(m *queue.Message, n event.Notice) {
	if !d.o.Trace.On() {
		return
	}
	d.o.Trace.Add(&trace.Record{
		Kind: trace.Noticed, Time: m.Accepted, ID: m.ID, About: n.About, Account: m.Account, To: []string{n.To.String()},
		Entry: &trace.Entry{Size: m.Size, Keys: m.Keys},
	})
}

// Refused records a message that a door refused before the desk saw it.
func (d *Desk) Refused(r *Request, reply *mail.Reply) {
	d.turnedAway(d.entry(r), "door", reply)
}
