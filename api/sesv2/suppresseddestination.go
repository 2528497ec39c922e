package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type putSuppressedDestinationRequest struct {
	EmailAddress string `api:"required"`
	Reason       string `api:"required"`
	TenantName   string
}

func (s *Server) putSuppressedDestination(ctx context.Context, c *api.Call, in *putSuppressedDestinationRequest) (*none, error) {
	if in.TenantName != "" {
		return nil, api.NotThere()
	}
	return &none{}, s.r.Suppress(ctx, c, in.EmailAddress, in.Reason)
}

type suppressedDestinationRequest struct {
	EmailAddress string `path:"EmailAddress" api:"required"`
	TenantName   string `query:"TenantName"`
}

type suppressedDestinationAttributes struct {
	MessageId  string `json:",omitempty"`
	FeedbackId string `json:",omitempty"`
}

type suppressedDestination struct {
	EmailAddress   string
	Reason         string
	LastUpdateTime api.Time
	Attributes     *suppressedDestinationAttributes `json:",omitempty"`
}

type getSuppressedDestinationResult struct {
	SuppressedDestination suppressedDestination
}

func (s *Server) getSuppressedDestination(ctx context.Context, c *api.Call, in *suppressedDestinationRequest) (*getSuppressedDestinationResult, error) {
	if in.TenantName != "" {
		return nil, api.NotThere()
	}
	e, err := s.r.Suppressed(ctx, c, in.EmailAddress)
	if err != nil {
		return nil, err
	}
	out := suppressedDestination{EmailAddress: e.Address.String(), Reason: e.Reason.String(), LastUpdateTime: api.At(e.Updated)}
	if e.MessageID != "" || e.FeedbackID != "" {
		out.Attributes = &suppressedDestinationAttributes{e.MessageID, e.FeedbackID}
	}
	return &getSuppressedDestinationResult{out}, nil
}

func (s *Server) deleteSuppressedDestination(ctx context.Context, c *api.Call, in *suppressedDestinationRequest) (*none, error) {
	if in.TenantName != "" {
		return nil, api.NotThere()
	}
	return &none{}, s.r.Unsuppress(ctx, c, in.EmailAddress)
}

type listSuppressedDestinationsRequest struct {
	Reasons    []string `query:"Reason"`
	StartDate  api.Time `query:"StartDate"`
	EndDate    api.Time `query:"EndDate"`
	NextToken  string   `query:"NextToken"`
	PageSize   int      `query:"PageSize"`
	TenantName string   `query:"TenantName"`
}

type suppressedDestinationSummary struct {
	EmailAddress   string
	Reason         string
	LastUpdateTime api.Time
}

type listSuppressedDestinationsResult struct {
	SuppressedDestinationSummaries []suppressedDestinationSummary
	NextToken                      string `json:",omitempty"`
}

func (s *Server) listSuppressedDestinations(ctx context.Context, c *api.Call, in *listSuppressedDestinationsRequest) (*listSuppressedDestinationsResult, error) {
	if in.TenantName != "" {
		return nil, api.NotThere()
	}
	list, next, err := s.r.ListSuppressed(ctx, c, in.Reasons, in.StartDate, in.EndDate, in.NextToken, in.PageSize)
	if err != nil {
		return nil, err
	}
	out := &listSuppressedDestinationsResult{SuppressedDestinationSummaries: []suppressedDestinationSummary{}, NextToken: next}
	for _, e := range list {
		out.SuppressedDestinationSummaries = append(out.SuppressedDestinationSummaries,
			suppressedDestinationSummary{e.Address.String(), e.Reason.String(), api.At(e.Updated)})
	}
	return out, nil
}
