package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type sendQuota struct {
	Max24HourSend, MaxSendRate, SentLast24Hours float64
}

type suppressionAttributes struct {
	SuppressedReasons []string
}

type getAccountResult struct {
	DedicatedIpAutoWarmupEnabled bool
	EnforcementStatus            string
	ProductionAccessEnabled      bool
	SendQuota                    sendQuota
	SendingEnabled               bool
	SuppressionAttributes        suppressionAttributes
}

func (s *Server) getAccount(ctx context.Context, c *api.Call, _ *none) (*getAccountResult, error) {
	q, err := s.r.Quota(ctx, c)
	if err != nil {
		return nil, err
	}
	a := c.Account
	out := &getAccountResult{
		EnforcementStatus: "HEALTHY", ProductionAccessEnabled: a.Production, SendingEnabled: !a.Paused && !a.SendingOff,
		SendQuota:             sendQuota{q.MaxDay, q.MaxRate, q.Used},
		SuppressionAttributes: suppressionAttributes{api.Reasons(a.Suppress)},
	}
	if a.Paused {
		out.EnforcementStatus = "SHUTDOWN"
	}
	return out, nil
}

type putAccountSendingAttributesRequest struct {
	SendingEnabled bool
}

func (s *Server) putAccountSendingAttributes(ctx context.Context, c *api.Call, in *putAccountSendingAttributesRequest) (*none, error) {
	return &none{}, s.r.SetSending(ctx, c, in.SendingEnabled)
}
