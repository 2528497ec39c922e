package sesv2

import (
	"context"
	"strings"

	"github.com/sesame-mta/sesame/api"
)

type getMessageInsightsRequest struct {
	MessageId string `path:"MessageId" api:"required"`
}

type insightsBounce struct {
	BounceType     string `json:",omitempty"`
	BounceSubType  string `json:",omitempty"`
	DiagnosticCode string `json:",omitempty"`
}

type insightsComplaint struct {
	ComplaintFeedbackType string `json:",omitempty"`
	ComplaintSubType      string `json:",omitempty"`
}

type insightsDetails struct {
	Bounce    *insightsBounce    `json:",omitempty"`
	Complaint *insightsComplaint `json:",omitempty"`
}

type insightsEvent struct {
	Timestamp api.Time
	Type      string
	Details   *insightsDetails `json:",omitempty"`
}

type emailInsights struct {
	Destination string
	Events      []insightsEvent
}

type getMessageInsightsResult struct {
	MessageId        string
	FromEmailAddress string
	Subject          string `json:",omitempty"`
	EmailTags        []tag
	Insights         []emailInsights
}

func (s *Server) getMessageInsights(ctx context.Context, c *api.Call, in *getMessageInsightsRequest) (*getMessageInsightsResult, error) {
	l, err := s.r.Life(ctx, c, in.MessageId)
	if err != nil {
		return nil, err
	}
	out := &getMessageInsightsResult{MessageId: in.MessageId, FromEmailAddress: l.From, Subject: l.Subject, EmailTags: []tag{}}
	for _, t := range l.Tags {
		out.EmailTags = append(out.EmailTags, tag(t))
	}
	for _, to := range l.To {
		one := emailInsights{Destination: to}
		for _, i := range l.Insights[to] {
			one.Events = append(one.Events, insightsEvent{api.At(i.Time), i.Type, details(i)})
		}
		out.Insights = append(out.Insights, one)
	}
	return out, nil
}

func details(i api.Insight) *insightsDetails {
	switch i.Type {
	case "BOUNCE":
		return &insightsDetails{Bounce: &insightsBounce{strings.ToUpper(i.Kind), i.SubKind, i.Reply}}
	case "COMPLAINT":
		return &insightsDetails{Complaint: &insightsComplaint{i.Kind, i.SubKind}}
	}
	return nil
}
