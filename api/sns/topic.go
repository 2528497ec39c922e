package sns

import (
	"context"
	"strconv"

	"github.com/sesame-mta/sesame/account/topic"
	"github.com/sesame-mta/sesame/api"
)

type keyValue struct{ Key, Value string }

type createTopicRequest struct {
	Name                 string `api:"required"`
	Attributes           map[string]string
	Tags                 []keyValue
	DataProtectionPolicy string
}

type topicResult struct{ TopicArn string }

func (s *Server) createTopic(ctx context.Context, c *api.Call, in *createTopicRequest) (*topicResult, error) {
	if len(in.Tags) > 0 {
		return nil, invalid("Tags Reason: not available")
	}
	if in.DataProtectionPolicy != "" {
		return nil, invalid("DataProtectionPolicy Reason: not available")
	}
	signature := 0
	for name, value := range in.Attributes {
		switch {
		case name == "SignatureVersion":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 {
				return nil, explain(topic.ErrSignature)
			}
			signature = n
		case name == "FifoTopic" && value == "false":
		default:
			return nil, invalid("Attributes Reason: " + name + " is not available")
		}
	}
	t, err := s.r.Topics.Create(ctx, c.Account.ID, in.Name, signature)
	if err != nil {
		return nil, explain(err)
	}
	return &topicResult{s.r.Topics.ARN(t.Account, t.Name)}, nil
}

type topicRequest struct {
	TopicArn string `api:"required"`
}

// name reads the ARN of a topic.
func (s *Server) name(c *api.Call, arn string) (string, error) {
	name, err := s.r.Topics.Parse(c.Account.ID, arn)
	if err != nil {
		return "", invalid("TopicArn")
	}
	return name, nil
}

func (s *Server) deleteTopic(ctx context.Context, c *api.Call, in *topicRequest) (*none, error) {
	name, err := s.name(c, in.TopicArn)
	if err != nil {
		return nil, err
	}
	return &none{}, s.r.Topics.Delete(ctx, c.Account.ID, name)
}

type listRequest struct{ NextToken string }

type listTopicsResult struct {
	Topics    []topicResult
	NextToken string
}

func (s *Server) listTopics(_ context.Context, c *api.Call, in *listRequest) (*listTopicsResult, error) {
	list, next, err := api.Page(s.r.Topics.List(c.Account.ID), func(t topic.Topic) string { return t.Name }, in.NextToken, pageSize)
	if err != nil {
		return nil, invalid("NextToken").WithCause(err)
	}
	out := &listTopicsResult{NextToken: next}
	for _, t := range list {
		out.Topics = append(out.Topics, topicResult{s.r.Topics.ARN(t.Account, t.Name)})
	}
	return out, nil
}

type attributesResult struct{ Attributes map[string]string }

func (s *Server) getTopicAttributes(_ context.Context, c *api.Call, in *topicRequest) (*attributesResult, error) {
	name, err := s.name(c, in.TopicArn)
	if err != nil {
		return nil, err
	}
	t, err := s.r.Topics.Get(c.Account.ID, name)
	if err != nil {
		return nil, explain(err)
	}
	confirmed, pending := 0, 0
	for _, x := range s.r.Topics.Subscriptions(t.Account, t.Name) {
		if x.Confirmed {
			confirmed++
		} else {
			pending++
		}
	}
	return &attributesResult{map[string]string{"TopicArn": in.TopicArn, "Owner": t.Account, "DisplayName": "",
		"SubscriptionsConfirmed": strconv.Itoa(confirmed), "SubscriptionsPending": strconv.Itoa(pending), "SubscriptionsDeleted": "0",
		"SignatureVersion": strconv.Itoa(t.Signature)}}, nil
}
