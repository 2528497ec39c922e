package api

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/compose"
	"github.com/sesame-mta/sesame/mail/handlebars"
	"github.com/sesame-mta/sesame/queue"
)

// Templated is a message that a template becomes.
type Templated struct {
	Sending
	ReplyTo []string
	// Template is the name of one that is kept, or Inline is one itself.
	Template string
	Inline   *template.Content
	Data     string // an object of JSON

	Headers     []compose.Field
	Attachments []compose.Attachment
}

// errUnsupported is the answer to a template in a call that does more than to put
// values into text (spec section 10.5).
var errUnsupported = BadParameter("Template contains unsupported operations.")

// ready gives the template of a message.
func (r *Rooms) ready(ctx context.Context, c *Call, m *Templated) (*template.Ready, error) {
	if m.Inline == nil {
		return r.Template(ctx, c, m.Template)
	}
	t, err := template.Read(template.Template{Account: c.Account.ID, Content: *m.Inline})
	var syntax *handlebars.SyntaxError
	switch {
	case errors.As(err, &syntax) && syntax.Unsupported, err == nil && !t.Plain():
		return nil, errUnsupported
	case err != nil:
		return nil, ofTemplate(err, "")
	}
	return t, nil
}

// SendTemplated fills a template and submits what it becomes. Data that lacks a
// value makes an event in the place of mail, or an error where the template says so.
func (r *Rooms) SendTemplated(ctx context.Context, c *Call, m *Templated) (mail.ID, error) {
	t, err := r.ready(ctx, c, m)
	if err != nil {
		return mail.ID{}, err
	}
	d, err := sentData("templateData", m.Data)
	if err != nil {
		return mail.ID{}, err
	}
	return r.sendFilled(ctx, c, m, t, d)
}

// sentData reads the data of a mail. What is wrong with it has another name here
// than where it is tested.
func sentData(member, text string) (handlebars.Data, error) {
	d, err := readData(member, text)
	var e *Error
	if errors.As(err, &e) && e.Query.Code == "InvalidRenderingParameter" {
		err = BadParameter(e.Message)
	}
	return d, err
}

func (r *Rooms) sendFilled(ctx context.Context, c *Call, m *Templated, t *template.Ready, d handlebars.Data) (mail.ID, error) {
	filled, done, err := c.fill(ctx, t, d)
	defer done()
	s := &Simple{
		Sending: m.Sending, ReplyTo: m.ReplyTo, Subject: filled.Subject, Text: filled.Text, HTML: filled.HTML,
		Headers: m.Headers, Attachments: m.Attachments,
	}
	var lacks *handlebars.MissingError
	switch {
	case errors.As(err, &lacks) && t.FailsOnMissing():
		return mail.ID{}, missing(lacks, t.Name)
	case errors.As(err, &lacks):
		s.Failure = &event.Failure{Template: t.Name, Text: lacks.Error()}
	case err != nil:
		return mail.ID{}, err
	}
	return r.SendSimple(ctx, c, s)
}

// MaxEntries is the most mails in one call (spec section 5.1).
const MaxEntries = 50

// Bulk is a template that becomes a mail for each entry.
type Bulk struct {
	Templated
	Entries []Entry
}

// Entry is one mail of several. Its data, tags and header fields go over those of
// all.
type Entry struct {
	To, Cc, Bcc []string
	Data        string
	Tags        []queue.Tag
	Headers     []compose.Field
}

// Sent is what became of an entry: an id, or an error.
type Sent struct {
	ID  mail.ID
	Err *Error
}

// SendBulk submits a mail for each entry. An entry that is refused stops no other.
// The error is one of the whole call.
func (r *Rooms) SendBulk(ctx context.Context, c *Call, b *Bulk) ([]Sent, error) {
	if len(b.Entries) == 0 || len(b.Entries) > MaxEntries {
		return nil, BadParameter("A call must have 1 to " + strconv.Itoa(MaxEntries) + " destinations.")
	}
	t, err := r.ready(ctx, c, &b.Templated)
	if err != nil {
		return nil, err
	}
	defaults, err := sentData("defaultTemplateData", b.Data)
	if err != nil {
		return nil, err
	}
	sent := make([]Sent, len(b.Entries))
	for i := range b.Entries {
		id, err := r.sendEntry(ctx, c, b, i, t, defaults)
		if ctx.Err() != nil {
			return nil, ctx.Err() // nobody reads what became of the others
		}
		if sent[i].ID = id; err != nil {
			sent[i].Err = Explain(err)
			c.door.failed(c, sent[i].Err)
		}
	}
	return sent, nil
}

func (r *Rooms) sendEntry(ctx context.Context, c *Call, b *Bulk, i int, t *template.Ready, defaults handlebars.Data) (mail.ID, error) {
	e := &b.Entries[i]
	d, err := sentData("replacementTemplateData", e.Data)
	if err != nil {
		return mail.ID{}, err
	}
	m := b.Templated
	m.To, m.Cc, m.Bcc = e.To, e.Cc, e.Bcc
	m.Tags = over(m.Tags, e.Tags, func(t queue.Tag) string { return t.Name })
	m.Headers = over(m.Headers, e.Headers, func(f compose.Field) string { return strings.ToLower(f.Name) })
	if m.Key != "" { // each mail has its own, that no client can give
		m.Key += "\x00" + strconv.Itoa(i)
	}
	return r.sendFilled(ctx, c, &m, t, d.Over(defaults))
}

// over gives a list with those of more beside or in the place of its own. It is
// nil when both are.
func over[T any](list, more []T, name func(T) string) []T {
	if len(more) == 0 {
		return list
	}
	replaced := make(map[string]bool, len(more))
	for _, m := range more {
		replaced[name(m)] = true
	}
	var out []T
	for _, t := range list {
		if !replaced[name(t)] {
			out = append(out, t)
		}
	}
	return append(out, more...)
}

// Status names what became of an entry, in the words of both versions.
func (s *Sent) Status() (query, rest string) {
	if s.Err == nil {
		return "Success", "SUCCESS"
	}
	switch s.Err.Query.Code {
	case "MessageRejected", "AccessDenied":
		return "MessageRejected", "MESSAGE_REJECTED"
	case "MailFromDomainNotVerifiedException":
		return "MailFromDomainNotVerified", "MAIL_FROM_DOMAIN_NOT_VERIFIED"
	case "ConfigurationSetDoesNotExist":
		return "ConfigurationSetDoesNotExist", "CONFIGURATION_SET_NOT_FOUND"
	case "ConfigurationSetSendingPausedException":
		return "ConfigurationSetSendingPaused", "CONFIGURATION_SET_SENDING_PAUSED"
	case "AccountSendingPausedException":
		return "AccountSendingPaused", "ACCOUNT_SENDING_PAUSED"
	case "Throttling":
		if s.Err.REST.Code == "LimitExceededException" {
			return "AccountDailyQuotaExceeded", "ACCOUNT_DAILY_QUOTA_EXCEEDED"
		}
		return "AccountThrottled", "ACCOUNT_THROTTLED"
	case "InvalidParameterValue", "ValidationError", "MissingRenderingAttribute", "InvalidTemplate", "MalformedInput":
		return "InvalidParameterValue", "INVALID_PARAMETER"
	case "ServiceUnavailable":
		return "TransientFailure", "TRANSIENT_FAILURE"
	}
	return "Failed", "FAILED"
}
