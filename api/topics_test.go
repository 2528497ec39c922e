package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"
)

const snsAccount = "000000000001"

// snsClient serves the door to the official client of SNS.
func (h *house) snsClient() *sns.Client {
	server := httptest.NewServer(h.door)
	h.t.Cleanup(server.Close)
	return sns.New(sns.Options{Region: region, BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, "")})
}

func TestTopicsAndSubscriptionsByTheClientOfSNS(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.snsClient(), t.Context()
	for _, name := range []string{"news", "news", "other"} { // twice is once
		must[*sns.CreateTopicOutput](t)(c.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name, Attributes: map[string]string{"SignatureVersion": "2", "FifoTopic": "false"}}))
	}
	arn := aws.String(newsARN)
	topics := must[*sns.ListTopicsOutput](t)(c.ListTopics(ctx, &sns.ListTopicsInput{}))
	if len(topics.Topics) != 2 || *topics.Topics[0].TopicArn != newsARN || topics.NextToken != nil {
		t.Errorf("topics %+v", topics)
	}
	in := &sns.SubscribeInput{TopicArn: arn, Protocol: aws.String("https"), Endpoint: aws.String("https://app.example.com/sns")}
	if out := must[*sns.SubscribeOutput](t)(c.Subscribe(ctx, in)); *out.SubscriptionArn != "pending confirmation" {
		t.Errorf("subscribed as %s", *out.SubscriptionArn)
	}
	in.ReturnSubscriptionArn = true
	sub := must[*sns.SubscribeOutput](t)(c.Subscribe(ctx, in)).SubscriptionArn
	list := must[*sns.ListSubscriptionsOutput](t)(c.ListSubscriptions(ctx, &sns.ListSubscriptionsInput{})).Subscriptions
	if len(list) != 1 || *list[0].SubscriptionArn != "PendingConfirmation" || *list[0].TopicArn != newsARN || *list[0].Protocol != "https" ||
		*list[0].Owner != snsAccount || *list[0].Endpoint != *in.Endpoint {
		t.Errorf("subscriptions %+v", list)
	}
	id := (*sub)[strings.LastIndexByte(*sub, ':')+1:]
	confirmed := must[*sns.ConfirmSubscriptionOutput](t)(c.ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: arn, Token: aws.String("token-" + id)}))
	if *confirmed.SubscriptionArn != *sub {
		t.Errorf("confirmed %s, not %s", *confirmed.SubscriptionArn, *sub)
	}
	if _, err := c.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{SubscriptionArn: sub,
		AttributeName: aws.String("RawMessageDelivery"), AttributeValue: aws.String("true")}); err != nil {
		t.Fatal(told(err))
	}
	got := must[*sns.GetSubscriptionAttributesOutput](t)(c.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: sub}))
	if diff := cmp.Diff(map[string]string{"SubscriptionArn": *sub, "TopicArn": newsARN, "Owner": snsAccount, "Protocol": "https",
		"Endpoint": *in.Endpoint, "ConfirmationWasAuthenticated": "false", "PendingConfirmation": "false", "RawMessageDelivery": "true"}, got.Attributes); diff != "" {
		t.Error(diff)
	}
	topic := must[*sns.GetTopicAttributesOutput](t)(c.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: arn}))
	if diff := cmp.Diff(map[string]string{"TopicArn": newsARN, "Owner": snsAccount, "DisplayName": "", "SubscriptionsConfirmed": "1",
		"SubscriptionsPending": "0", "SubscriptionsDeleted": "0", "SignatureVersion": "2"}, topic.Attributes); diff != "" {
		t.Error(diff)
	}
	by := must[*sns.ListSubscriptionsByTopicOutput](t)(c.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: arn}))
	if len(by.Subscriptions) != 1 || *by.Subscriptions[0].SubscriptionArn != *sub {
		t.Errorf("of the topic %+v", by.Subscriptions)
	}
	if _, err := c.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: sub}); err != nil {
		t.Fatal(told(err))
	}
	if _, err := c.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: arn}); err != nil {
		t.Fatal(told(err))
	}
	if topics := must[*sns.ListTopicsOutput](t)(c.ListTopics(ctx, &sns.ListTopicsInput{})); len(topics.Topics) != 1 || len(h.rooms.Destinations.All("")) != 0 {
		t.Errorf("left %+v, %v", topics, h.rooms.Destinations.All(""))
	}
}

func TestWhatSNSRefuses(t *testing.T) {
	h := newHouse(t)
	makeNews(t, h)
	c, ctx, arn := h.snsClient(), t.Context(), aws.String(newsARN)
	subscribe := func(alter func(*sns.SubscribeInput)) error {
		in := &sns.SubscribeInput{TopicArn: arn, Protocol: aws.String("https"), Endpoint: aws.String("https://app.example.com/sns")}
		alter(in)
		return second(c.Subscribe(ctx, in))
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a bad name": {second(c.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("a/b")})), "InvalidParameter: Invalid parameter: Topic Name"},
		"a FIFO topic": {second(c.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("a"), Attributes: map[string]string{"FifoTopic": "true"}})),
			"InvalidParameter: Invalid parameter: Attributes Reason: FifoTopic is not available"},
		"no such topic": {second(c.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(newsARN + "x")})), "NotFound: Topic does not exist"},
		"no ARN":        {second(c.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String("news")})), "InvalidParameter: Invalid parameter: TopicArn"},
		"another account's": {second(c.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: aws.String("arn:aws:sns:local-1:000000000002:news")})),
			"InvalidParameter: Invalid parameter: TopicArn"},
		"mail":     {subscribe(func(in *sns.SubscribeInput) { in.Protocol = aws.String("email") }), "InvalidParameter: Invalid parameter: Protocol Reason: there are http and https"},
		"no topic": {subscribe(func(in *sns.SubscribeInput) { in.TopicArn = aws.String(newsARN + "x") }), "NotFound: Topic does not exist"},
		"a protocol that is another": {subscribe(func(in *sns.SubscribeInput) { in.Protocol = aws.String("http") }),
			"InvalidParameter: Invalid parameter: Endpoint must match the specified protocol"},
		"an endpoint with a password": {subscribe(func(in *sns.SubscribeInput) { in.Endpoint = aws.String("https://a:b@example.com/") }), "InvalidParameter: Invalid parameter: Endpoint"},
		"a filter": {subscribe(func(in *sns.SubscribeInput) { in.Attributes = map[string]string{"FilterPolicy": "{}"} }),
			"InvalidParameter: Invalid parameter: Attributes Reason: FilterPolicy is not available"},
		"another token":   {second(c.ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: arn, Token: aws.String("x")})), "InvalidParameter: Invalid parameter: Token"},
		"no subscription": {second(c.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: aws.String(newsARN + ":x")})), "NotFound: Subscription does not exist"},
		"publishing":      {second(c.Publish(ctx, &sns.PublishInput{TopicArn: arn, Message: aws.String("x")})), "InvalidAction: Could not find operation Publish for version 2010-03-31"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := told(c.err); got != c.want {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestACallGoesToTheServiceThatItIsSignedFor(t *testing.T) {
	h := newHouse(t)
	// Signed for SES.
	if a := h.call("POST", "/", "Action=ListTopics&Version=2010-03-31"); a.code != "InvalidAction" {
		t.Errorf("%d %s: %s", a.status, a.code, a.message)
	}
	c := h.snsClient()
	if _, err := c.ListTopics(t.Context(), &sns.ListTopicsInput{}); err != nil {
		t.Error(told(err))
	}
}
