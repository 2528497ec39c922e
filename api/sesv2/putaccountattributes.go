package sesv2

import (
	"context"
	"encoding/json"

	"github.com/sesame-mta/sesame/api"
)

type putAccountSendingAttributesRequest struct {
	SendingEnabled bool
}

func (s *Server) putAccountSendingAttributes(ctx context.Context, c *api.Call, in *putAccountSendingAttributesRequest) (*none, error) {
	return &none{}, s.r.SetSending(ctx, c, in.SendingEnabled)
}

type putAccountSuppressionAttributesRequest struct {
	SuppressedReasons    []string
	ValidationAttributes json.RawMessage
}

func (s *Server) putAccountSuppressionAttributes(ctx context.Context, c *api.Call, in *putAccountSuppressionAttributesRequest) (*none, error) {
	if in.ValidationAttributes != nil {
		return nil, api.NotThere()
	}
	return &none{}, s.r.SetSuppress(ctx, c, in.SuppressedReasons)
}
