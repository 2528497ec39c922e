package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type sendTemplatedEmailRequest struct {
	Source               string       `api:"required"`
	Destination          *destination `api:"required"`
	Template             string       `api:"required"`
	TemplateData         *string      `api:"required"`
	ReplyToAddresses     []string
	ReturnPath           string
	Tags                 []tag
	ConfigurationSetName string
}

func (s *Server) sendTemplatedEmail(ctx context.Context, c *api.Call, in *sendTemplatedEmailRequest) (*sendResult, error) {
	id, err := s.r.SendTemplated(ctx, c, &api.Templated{
		Sending: api.Sending{
			Operation: "SendTemplatedEmail", From: in.Source, Return: in.ReturnPath,
			To: in.Destination.ToAddresses, Cc: in.Destination.CcAddresses, Bcc: in.Destination.BccAddresses,
			ConfigurationSet: in.ConfigurationSetName, Tags: tags(in.Tags), MaxBytes: maxMessage,
		},
		ReplyTo: in.ReplyToAddresses, Template: in.Template, Data: *in.TemplateData,
	})
	if err != nil {
		return nil, err
	}
	return &sendResult{id.String()}, nil
}
