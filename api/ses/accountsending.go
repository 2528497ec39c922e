package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type getAccountSendingEnabledResult struct {
	Enabled bool
}

func (s *Server) getAccountSendingEnabled(_ context.Context, c *api.Call, _ *none) (*getAccountSendingEnabledResult, error) {
	return &getAccountSendingEnabledResult{!c.Account.Paused && !c.Account.SendingOff}, nil
}

type updateAccountSendingEnabledRequest struct {
	Enabled bool
}

func (s *Server) updateAccountSendingEnabled(ctx context.Context, c *api.Call, in *updateAccountSendingEnabledRequest) (*none, error) {
	return &none{}, s.r.SetSending(ctx, c, in.Enabled)
}
