package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
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

type sendEmailRequest struct {
	Source      string       `api:"required"`
	Destination *destination `api:"required"`
	Message     *struct {
		Subject *text `api:"required"`
		Body    *struct{ Text, Html *text }
	} `api:"required"`
	ReplyToAddresses     []string
	ReturnPath           string
	Tags                 []tag
	ConfigurationSetName string
}

type sendResult struct {
	MessageId string
}

func (s *Server) sendEmail(ctx context.Context, c *api.Call, in *sendEmailRequest) (*sendResult, error) {
	m := &api.Simple{
		Sending: api.Sending{
			Operation: "SendEmail", From: in.Source, Return: in.ReturnPath,
			To: in.Destination.ToAddresses, Cc: in.Destination.CcAddresses, Bcc: in.Destination.BccAddresses,
			ConfigurationSet: in.ConfigurationSetName, Tags: tags(in.Tags), MaxBytes: maxMessage,
		},
		ReplyTo: in.ReplyToAddresses, Subject: in.Message.Subject.data(),
	}
	if b := in.Message.Body; b != nil {
		m.Text, m.HTML = b.Text.data(), b.Html.data()
	}
	id, err := s.r.SendSimple(ctx, c, m)
	if err != nil {
		return nil, err
	}
	return &sendResult{id.String()}, nil
}
