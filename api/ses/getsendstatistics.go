package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type sendDataPoint struct {
	Timestamp        api.Time
	DeliveryAttempts int64
	Bounces          int64
	Complaints       int64
	Rejects          int64
}

type getSendStatisticsResult struct {
	SendDataPoints []sendDataPoint
}

func (s *Server) getSendStatistics(_ context.Context, c *api.Call, _ *none) (*getSendStatisticsResult, error) {
	out := &getSendStatisticsResult{}
	for _, p := range s.r.Reputation.Statistics(c.Account.ID) {
		out.SendDataPoints = append(out.SendDataPoints, sendDataPoint{
			api.At(p.Time), int64(p.Attempts), int64(p.Bounces), int64(p.Complaints), int64(p.Rejects)})
	}
	return out, nil
}
