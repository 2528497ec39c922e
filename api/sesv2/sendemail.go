package sesv2

import (
	"context"
	"net/http"
	"strings"

	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/mail/compose"
	"github.com/sesame-mta/sesame/queue"
)

type destination struct {
	ToAddresses, CcAddresses, BccAddresses []string
}

type text struct {
	Data    *string `api:"required"`
	Charset string
}

// data gives the text of one that may be missing.
func (t *text) data() string {
	if t == nil || t.Data == nil {
		return ""
	}
	return *t.Data
}

type tag struct {
	Name  string
	Value string
}

// tags gives message tags for the desk; nil for none, which leaves those of a
// header.
func tags(list []tag) []queue.Tag {
	var out []queue.Tag
	for _, t := range list {
		out = append(out, queue.Tag(t))
	}
	return out
}

type header struct {
	Name  string `api:"required"`
	Value string `api:"required"`
}

type attachment struct {
	RawContent              api.Blob `api:"required"`
	FileName                string   `api:"required"`
	ContentType             string
	ContentDescription      string
	ContentDisposition      string
	ContentId               string
	ContentTransferEncoding string
}

type simple struct {
	Subject *text `api:"required"`
	Body    *struct {
		Text, Html *text
	} `api:"required"`
	Headers     []header
	Attachments []attachment
}

type raw struct {
	Data api.Blob `api:"required"`
}

type sendEmailRequest struct {
	FromEmailAddress               string
	Destination                    *destination
	ReplyToAddresses               []string
	FeedbackForwardingEmailAddress string
	Content                        *struct {
		Simple   *simple
		Raw      *raw
		Template *mailTemplate
	} `api:"required"`
	EmailTags             []tag
	ConfigurationSetName  string
	ListManagementOptions *struct{ ContactListName, TopicName string }
	TenantName            string
	EndpointId            string
}

type sendEmailResult struct {
	MessageId string
}

// errContent is the answer to none or several kinds of content at once.
var errContent = api.BadParameter("Content must be exactly one of Simple, Raw and Template.")

func (s *Server) sendEmail(ctx context.Context, c *api.Call, in *sendEmailRequest) (*sendEmailResult, error) {
	kinds := 0
	for _, given := range []bool{in.Content.Simple != nil, in.Content.Raw != nil, in.Content.Template != nil} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return nil, errContent
	case in.TenantName != "" || in.EndpointId != "" || in.ListManagementOptions != nil:
		return nil, api.NotThere()
	}
	m := api.Sending{
		Operation: "SendEmail", From: in.FromEmailAddress, Return: in.FeedbackForwardingEmailAddress,
		ConfigurationSet: in.ConfigurationSetName, Tags: tags(in.EmailTags), Key: idempotencyKey(c.Request),
	}
	if d := in.Destination; d != nil {
		m.To, m.Cc, m.Bcc = d.ToAddresses, d.CcAddresses, d.BccAddresses
	}
	send := func() (interface{ String() string }, error) {
		if in.Content.Raw != nil {
			return s.r.SendRaw(ctx, c, &api.Raw{Sending: m, Data: in.Content.Raw.Data})
		}
		if in.Content.Template != nil {
			made, err := s.templated(c, in.Content.Template)
			if err != nil {
				return nil, err
			}
			made.Sending, made.ReplyTo = m, in.ReplyToAddresses
			return s.r.SendTemplated(ctx, c, made)
		}
		made, err := in.Content.Simple.message()
		if err != nil {
			return nil, err
		}
		made.Sending, made.ReplyTo = m, in.ReplyToAddresses
		return s.r.SendSimple(ctx, c, made)
	}
	id, err := send()
	if err != nil {
		return nil, err
	}
	return &sendEmailResult{id.String()}, nil
}

// idempotencyKey gives the key under which a repeat of the call is known. The desk
// bounds it.
func idempotencyKey(r *http.Request) string { return r.Header.Get("Idempotency-Key") }

// Bounds of header fields and attachments (spec section 10.4).
const (
	maxHeaders     = 15
	maxHeaderName  = 126
	maxHeaderValue = 995
	maxHeaderBoth  = 996
	maxFileName    = 255
	maxID          = 78
	maxDescription = 1000
)

// notYours are the fields that other members of a request are for.
const notYours = " bcc cc content-disposition content-type content-transfer-encoding date from message-id mime-version" +
	" reply-to return-path sender subject to "

// message gives what is composed of the content.
func (m *simple) message() (*api.Simple, error) {
	out := &api.Simple{Subject: m.Subject.data(), Text: m.Body.Text.data(), HTML: m.Body.Html.data()}
	var err error
	if out.Headers, err = headers(m.Headers); err != nil {
		return nil, err
	}
	out.Attachments, err = attachments(m.Attachments)
	return out, err
}

// headers checks and gives header fields.
func headers(list []header) ([]compose.Field, error) {
	if len(list) > maxHeaders {
		return nil, api.BadParameter("Header count exceeds 15.")
	}
	var out []compose.Field
	for _, h := range list {
		switch {
		case len(h.Name) > maxHeaderName || len(h.Value) > maxHeaderValue || len(h.Name)+len(h.Value) > maxHeaderBoth:
			return nil, api.BadParameter("Header '" + h.Name[:min(len(h.Name), maxHeaderName)] + "' is too long.")
		case strings.Contains(notYours, " "+strings.ToLower(h.Name)+" "):
			return nil, api.BadParameter("Header '" + h.Name + "' is not allowed.")
		}
		out = append(out, compose.Field(h))
	}
	return out, nil
}

// attachments checks and gives attachments.
func attachments(list []attachment) ([]compose.Attachment, error) {
	var out []compose.Attachment
	for _, a := range list {
		if len(a.FileName) > maxFileName || len(a.ContentId) > maxID || len(a.ContentType) > maxID || len(a.ContentDescription) > maxDescription {
			return nil, api.BadParameter("Attachment has a field that is too long.")
		}
		inline := a.ContentDisposition == "INLINE"
		if !inline && a.ContentDisposition != "" && a.ContentDisposition != "ATTACHMENT" {
			return nil, api.BadParameter("Attachment content disposition must be ATTACHMENT or INLINE.")
		}
		switch a.ContentTransferEncoding {
		case "", "BASE64", "QUOTED_PRINTABLE", "SEVEN_BIT":
		default:
			return nil, api.BadParameter("Attachment content transfer encoding must be BASE64, QUOTED_PRINTABLE or SEVEN_BIT.")
		}
		out = append(out, compose.Attachment{
			Name: a.FileName, Type: a.ContentType, Description: a.ContentDescription,
			ContentID: strings.TrimSuffix(strings.TrimPrefix(a.ContentId, "<"), ">"), Inline: inline,
			Quoted: a.ContentTransferEncoding == "QUOTED_PRINTABLE", Open: a.RawContent.Open,
		})
	}
	return out, nil
}
