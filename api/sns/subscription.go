package sns

import (
	"context"
	"errors"
	"strconv"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/topic"
	"github.com/sesame-mta/sesame/api"
)

// What SNS says in the place of the ARN of a subscription that nobody confirmed.
const (
	pendingMade   = "pending confirmation" // to Subscribe
	pendingListed = "PendingConfirmation"
)

// rawDelivery is the attribute of a subscription that can be set.
const rawDelivery = "RawMessageDelivery"

// raw reads it.
func raw(name, value string) (bool, error) {
	if name != rawDelivery {
		return false, invalid("Attributes Reason: " + name + " is not available")
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, invalid("Attributes Reason: " + rawDelivery + " is true or false")
	}
	return on, nil
}

type subscribeRequest struct {
	TopicArn              string `api:"required"`
	Protocol              string `api:"required"`
	Endpoint              string
	Attributes            map[string]string
	ReturnSubscriptionArn bool
}

type subscriptionResult struct{ SubscriptionArn string }

func (s *Server) subscribe(ctx context.Context, c *api.Call, in *subscribeRequest) (*subscriptionResult, error) {
	name, err := s.name(c, in.TopicArn)
	if err != nil {
		return nil, err
	}
	if in.Protocol != "http" && in.Protocol != "https" {
		return nil, invalid("Protocol Reason: there are http and https")
	}
	plain := false
	for name, value := range in.Attributes {
		if plain, err = raw(name, value); err != nil {
			return nil, err
		}
	}
	x, err := s.r.Topics.Subscribe(ctx, c.Account.ID, name, in.Protocol, in.Endpoint, plain)
	if err != nil {
		return nil, explain(err)
	}
	if !x.Confirmed && !in.ReturnSubscriptionArn {
		return &subscriptionResult{pendingMade}, nil
	}
	return &subscriptionResult{s.r.Topics.SubscriptionARN(x)}, nil
}

type confirmSubscriptionRequest struct {
	TopicArn string `api:"required"`
	Token    string `api:"required"`
	// Who has the token of a subscription may always end it here.
	AuthenticateOnUnsubscribe bool
}

func (s *Server) confirmSubscription(ctx context.Context, c *api.Call, in *confirmSubscriptionRequest) (*subscriptionResult, error) {
	name, err := s.name(c, in.TopicArn)
	if err != nil {
		return nil, err
	}
	if in.AuthenticateOnUnsubscribe {
		return nil, invalid("AuthenticateOnUnsubscribe Reason: not available")
	}
	x, err := s.r.Topics.Confirm(ctx, c.Account.ID, name, in.Token)
	if err != nil {
		return nil, explain(err)
	}
	return &subscriptionResult{s.r.Topics.SubscriptionARN(x)}, nil
}

type subscriptionRequest struct {
	SubscriptionArn string `api:"required"`
}

func (s *Server) unsubscribe(ctx context.Context, c *api.Call, in *subscriptionRequest) (*none, error) {
	name, id, err := s.r.Topics.ParseSubscription(c.Account.ID, in.SubscriptionArn)
	if err != nil {
		return nil, invalid("SubscriptionArn")
	}
	return &none{}, s.r.Topics.Unsubscribe(ctx, c.Account.ID, name, id)
}

// subscription is one in a list.
type subscription struct{ SubscriptionArn, Owner, Protocol, Endpoint, TopicArn string }

type listSubscriptionsResult struct {
	Subscriptions []subscription
	NextToken     string
}

func (s *Server) page(c *api.Call, topicName, token string) (*listSubscriptionsResult, error) {
	list, next, err := api.Page(s.r.Topics.Subscriptions(c.Account.ID, topicName),
		func(x topic.Subscription) string { return x.Topic + "\x00" + x.ID }, token, pageSize)
	if err != nil {
		return nil, invalid("NextToken").WithCause(err)
	}
	out := &listSubscriptionsResult{NextToken: next}
	for _, x := range list {
		arn := pendingListed
		if x.Confirmed {
			arn = s.r.Topics.SubscriptionARN(x)
		}
		out.Subscriptions = append(out.Subscriptions, subscription{arn, x.Account, x.Protocol(), x.Endpoint, s.r.Topics.ARN(x.Account, x.Topic)})
	}
	return out, nil
}

func (s *Server) listSubscriptions(_ context.Context, c *api.Call, in *listRequest) (*listSubscriptionsResult, error) {
	return s.page(c, "", in.NextToken)
}

type listSubscriptionsByTopicRequest struct {
	TopicArn  string `api:"required"`
	NextToken string
}

func (s *Server) listSubscriptionsByTopic(_ context.Context, c *api.Call, in *listSubscriptionsByTopicRequest) (*listSubscriptionsResult, error) {
	name, err := s.name(c, in.TopicArn)
	if err != nil {
		return nil, err
	}
	if _, err := s.r.Topics.Get(c.Account.ID, name); err != nil {
		return nil, explain(err)
	}
	return s.page(c, name, in.NextToken)
}

func (s *Server) getSubscriptionAttributes(_ context.Context, c *api.Call, in *subscriptionRequest) (*attributesResult, error) {
	name, id, err := s.r.Topics.ParseSubscription(c.Account.ID, in.SubscriptionArn)
	if err != nil {
		return nil, invalid("SubscriptionArn")
	}
	x, err := s.r.Topics.Subscription(c.Account.ID, name, id)
	if err != nil {
		return nil, noSubscription()
	}
	return &attributesResult{map[string]string{"SubscriptionArn": in.SubscriptionArn, "TopicArn": s.r.Topics.ARN(x.Account, x.Topic),
		"Owner": x.Account, "Protocol": x.Protocol(), "Endpoint": x.Endpoint, "ConfirmationWasAuthenticated": "false",
		"PendingConfirmation": strconv.FormatBool(!x.Confirmed), rawDelivery: strconv.FormatBool(x.Raw)}}, nil
}

type setSubscriptionAttributesRequest struct {
	SubscriptionArn string `api:"required"`
	AttributeName   string `api:"required"`
	AttributeValue  string
}

func (s *Server) setSubscriptionAttributes(ctx context.Context, c *api.Call, in *setSubscriptionAttributesRequest) (*none, error) {
	name, id, err := s.r.Topics.ParseSubscription(c.Account.ID, in.SubscriptionArn)
	if err != nil {
		return nil, invalid("SubscriptionArn")
	}
	on, err := raw(in.AttributeName, in.AttributeValue)
	if err != nil {
		return nil, err
	}
	err = s.r.Topics.SetRaw(ctx, c.Account.ID, name, id, on)
	if errors.Is(err, account.ErrNotFound) {
		return nil, noSubscription()
	}
	return &none{}, err
}
