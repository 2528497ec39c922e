package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type bulkEmailEntry struct {
	Destination             *destination `api:"required"`
	ReplacementTags         []tag
	ReplacementHeaders      []header
	ReplacementEmailContent *struct {
		ReplacementTemplate *struct{ ReplacementTemplateData string }
	}
}

type sendBulkEmailRequest struct {
	FromEmailAddress               string
	ReplyToAddresses               []string
	FeedbackForwardingEmailAddress string
	DefaultEmailTags               []tag
	DefaultContent                 *struct {
		Template *mailTemplate `api:"required"`
	} `api:"required"`
	BulkEmailEntries     []bulkEmailEntry `api:"required"`
	ConfigurationSetName string
	TenantName           string
	EndpointId           string
}

type bulkEmailEntryResult struct {
	Status    string
	Error     string `json:",omitempty"`
	MessageId string `json:",omitempty"`
}

type sendBulkEmailResult struct {
	BulkEmailEntryResults []bulkEmailEntryResult
}

func (s *Server) sendBulkEmail(ctx context.Context, c *api.Call, in *sendBulkEmailRequest) (*sendBulkEmailResult, error) {
	if in.TenantName != "" || in.EndpointId != "" {
		return nil, api.NotThere()
	}
	m, err := s.templated(c, in.DefaultContent.Template)
	if err != nil {
		return nil, err
	}
	m.ReplyTo, m.Sending = in.ReplyToAddresses, api.Sending{
		Operation: "SendBulkEmail", From: in.FromEmailAddress, Return: in.FeedbackForwardingEmailAddress,
		ConfigurationSet: in.ConfigurationSetName, Tags: tags(in.DefaultEmailTags), Key: idempotencyKey(c.Request),
	}
	b := &api.Bulk{Templated: *m, Entries: make([]api.Entry, len(in.BulkEmailEntries))}
	for i, e := range in.BulkEmailEntries {
		fields, err := headers(e.ReplacementHeaders)
		if err != nil {
			return nil, err
		}
		b.Entries[i] = api.Entry{
			To: e.Destination.ToAddresses, Cc: e.Destination.CcAddresses, Bcc: e.Destination.BccAddresses,
			Tags: tags(e.ReplacementTags), Headers: fields,
		}
		if r := e.ReplacementEmailContent; r != nil && r.ReplacementTemplate != nil {
			b.Entries[i].Data = r.ReplacementTemplate.ReplacementTemplateData
		}
	}
	sent, err := s.r.SendBulk(ctx, c, b)
	if err != nil {
		return nil, err
	}
	out := &sendBulkEmailResult{make([]bulkEmailEntryResult, len(sent))}
	for i := range sent {
		result := &out.BulkEmailEntryResults[i]
		if _, result.Status = sent[i].Status(); sent[i].Err != nil {
			result.Error = sent[i].Err.Message
		} else {
			result.MessageId = sent[i].ID.String()
		}
	}
	return out, nil
}

// mailTemplate is a template that becomes mail.
type mailTemplate struct {
	TemplateName    string
	TemplateArn     string
	TemplateContent *templateContent
	TemplateData    string
	Headers         []header
	Attachments     []attachment
}

// errTemplate is the answer to no template, or several.
var errTemplate = api.BadParameter("Template must have exactly one of TemplateName, TemplateArn and TemplateContent.")

// templated gives the message that a template becomes.
func (s *Server) templated(c *api.Call, t *mailTemplate) (*api.Templated, error) {
	given := 0
	for _, is := range []bool{t.TemplateName != "", t.TemplateArn != "", t.TemplateContent != nil} {
		if is {
			given++
		}
	}
	// An ARN beside its name says nothing more.
	if given != 1 && (given != 2 || t.TemplateContent != nil) {
		return nil, errTemplate
	}
	m := &api.Templated{Template: t.TemplateName, Data: t.TemplateData}
	if t.TemplateArn != "" {
		name, err := s.r.TemplateByARN(c, t.TemplateArn)
		if err != nil {
			return nil, err
		}
		if m.Template != "" && m.Template != name {
			return nil, errTemplate
		}
		m.Template = name
	}
	if t.TemplateContent != nil {
		content := t.TemplateContent.content()
		m.Inline = &content
	}
	var err error
	if m.Headers, err = headers(t.Headers); err != nil {
		return nil, err
	}
	m.Attachments, err = attachments(t.Attachments)
	return m, err
}
