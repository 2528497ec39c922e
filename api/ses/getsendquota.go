package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type getSendQuotaResult struct {
	Max24HourSend   float64
	MaxSendRate     float64
	SentLast24Hours float64
}

func (s *Server) getSendQuota(ctx context.Context, c *api.Call, _ *none) (*getSendQuotaResult, error) {
	q, err := s.r.Quota(ctx, c)
	if err != nil {
		return nil, err
	}
	return &getSendQuotaResult{q.MaxDay, q.MaxRate, q.Used}, nil
}
