package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"io"
	"strconv"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/compose"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
	"github.com/sesame-mta/sesame/submission/admission"
)

// Sending is what every operation that sends says, whatever it sends.
type Sending struct {
	// Operation is its name, for events.
	Operation string
	// From is the sender as it was given: an address, with or without a name. A raw
	// message may leave it out.
	From string
	// Return is where feedback goes; empty is From.
	Return           string
	To, Cc, Bcc      []string
	ConfigurationSet string
	// Tags take the place of those in the header of a raw message; nil leaves them.
	Tags []queue.Tag
	// Key makes a repeat within 24 hours give the id of the first message.
	Key string
	// MaxBytes bounds the message more than others; 0 does not.
	MaxBytes int64
}

// Simple is a message that is still to be composed.
type Simple struct {
	Sending
	ReplyTo     []string
	Subject     string
	Text, HTML  string
	Headers     []compose.Field
	Attachments []compose.Attachment
	// Failure, when not nil, is why there is no subject, text or attachment, and so
	// no mail, but what happened is told.
	Failure *event.Failure
}

// SendSimple composes a message and submits it.
func (r *Rooms) SendSimple(ctx context.Context, c *Call, m *Simple) (mail.ID, error) {
	req, err := r.request(c, &m.Sending)
	if err != nil {
		return mail.ID{}, err
	}
	from, err := mailboxes(m.From)
	if err != nil {
		return mail.ID{}, err
	}
	fields := []compose.Field{{Name: "From", Value: from.field}}
	for _, f := range []struct {
		name     string
		list     []string
		envelope bool
	}{{"To", m.To, true}, {"Cc", m.Cc, true}, {"Bcc", m.Bcc, true}, {"Reply-To", m.ReplyTo, false}} {
		if len(f.list) == 0 {
			continue
		}
		list, err := mailboxes(f.list...)
		if err != nil {
			return mail.ID{}, err
		}
		if f.envelope {
			req.To = append(req.To, list.paths()...)
		}
		if f.name != "Bcc" { // which is for nobody's eyes
			fields = append(fields, compose.Field{Name: f.name, Value: list.field})
		}
	}
	if err := r.recipients(req); err != nil {
		return mail.ID{}, err
	}
	if req.From.Null() {
		req.From = mail.ReversePath{Address: from.list[0]}
	}
	if m.Failure != nil {
		return r.submitFailure(ctx, c, m, req, append(fields, m.Headers...))
	}
	fields = append(append(fields, compose.Field{Name: "Subject", Value: m.Subject}), m.Headers...)
	msg := &compose.Message{Fields: fields, Text: m.Text, HTML: m.HTML, Attachments: m.Attachments}
	if err := msg.Check(); err != nil {
		return mail.ID{}, BadParameter(err.Error())
	}
	if len(msg.Attachments) == 0 {
		var buf bytes.Buffer
		if err := msg.Write(&buf); err != nil {
			return mail.ID{}, err
		}
		return r.submit(ctx, c, &m.Sending, req, &buf, int64(buf.Len()))
	}
	// What is attached never is in memory as a whole.
	pr, pw := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		out := bufio.NewWriterSize(pw, contentBuf) // what is written comes in lines
		err := msg.Write(out)
		pw.CloseWithError(cmp.Or(err, out.Flush()))
	}()
	defer func() {
		_ = pr.Close()
		<-written
	}()
	return r.submit(ctx, c, &m.Sending, req, pr, contentBuf)
}

// submitFailure submits what is known of a message that is none.
func (r *Rooms) submitFailure(ctx context.Context, c *Call, m *Simple, req *submission.Request, fields []compose.Field) (mail.ID, error) {
	msg := compose.Message{Fields: fields}
	if err := msg.Check(); err != nil {
		return mail.ID{}, BadParameter(err.Error())
	}
	req.Failure = m.Failure
	header := msg.Header()
	return r.submit(ctx, c, &m.Sending, req, bytes.NewReader(header), int64(len(header)))
}

// request makes what is known of a submission without its recipients.
func (r *Rooms) request(c *Call, s *Sending) (*submission.Request, error) {
	req := &submission.Request{
		Principal: c.Principal, Origin: c.Origin, Operation: s.Operation, Source: s.From,
		ConfigurationSet: s.ConfigurationSet, Tags: s.Tags, Key: s.Key,
	}
	if err := admission.CheckTags(s.Tags); err != nil {
		return nil, err
	}
	if s.Return != "" {
		back, err := mailboxes(s.Return)
		if err != nil {
			return nil, err
		}
		req.From = mail.ReversePath{Address: back.list[0]}
	}
	return req, nil
}

// recipients checks how many there are (spec section 1.7).
func (r *Rooms) recipients(req *submission.Request) error {
	switch {
	case len(req.To) == 0:
		return BadParameter("Missing required header 'To'.")
	case len(req.To) > r.Recipients:
		return BadParameter("Recipient count exceeds " + strconv.Itoa(r.Recipients) + ".")
	}
	return nil
}

// submit hands a message to the desk.
func (r *Rooms) submit(ctx context.Context, c *Call, s *Sending, req *submission.Request, in io.Reader, size int64) (mail.ID, error) {
	most := r.MessageBytes
	if s.MaxBytes > 0 {
		most = min(most, s.MaxBytes)
	}
	req.Content = newContent(in, c, size, r.LineOctets, most, func(n int64) error { return tooLong(most, n) })
	return r.Desk.Submit(ctx, req)
}

// tooLong is what SES says of a message over its limit.
func tooLong(most, size int64) error {
	return BadParameter("Message length is more than " + strconv.FormatInt(most, 10) +
		" bytes long: '" + strconv.FormatInt(size, 10) + "'.")
}
