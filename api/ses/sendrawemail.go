package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type sendRawEmailRequest struct {
	RawMessage *struct {
		Data api.Blob `api:"required"`
	} `api:"required"`
	Source               string
	Destinations         []string
	Tags                 []tag
	ConfigurationSetName string
}

func (s *Server) sendRawEmail(ctx context.Context, c *api.Call, in *sendRawEmailRequest) (*sendResult, error) {
	id, err := s.r.SendRaw(ctx, c, &api.Raw{
		Sending: api.Sending{
			Operation: "SendRawEmail", From: in.Source, To: in.Destinations,
			ConfigurationSet: in.ConfigurationSetName, Tags: tags(in.Tags), MaxBytes: maxMessage,
		},
		Data: in.RawMessage.Data,
	})
	if err != nil {
		return nil, err
	}
	return &sendResult{id.String()}, nil
}
