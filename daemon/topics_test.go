package daemon_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	sestypes "github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
)

// sns gives the official client.
func (r *apiRelay) sns() *sns.Client {
	return sns.New(sns.Options{Region: r.cfg.Region, BaseEndpoint: &r.addrs.API, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(r.keyID, r.secret, "")})
}

// news makes the topic "news" and gives its ARN.
func (r *apiRelay) news() *string {
	r.t.Helper()
	out, err := r.sns().CreateTopic(r.t.Context(), &sns.CreateTopicInput{Name: aws.String("news")})
	if err != nil {
		r.t.Fatal(code(err))
	}
	return out.TopicArn
}

// subscribe subscribes a hook, which is asked to agree, and gives what it was asked.
func (r *apiRelay) subscribe(h *hook, arn *string, attributes map[string]string) map[string]string {
	r.t.Helper()
	out, err := r.sns().Subscribe(r.t.Context(), &sns.SubscribeInput{TopicArn: arn, Protocol: aws.String("http"), Endpoint: &h.URL, Attributes: attributes})
	if err != nil || *out.SubscriptionArn != "pending confirmation" {
		r.t.Fatalf("%+v, %s", out, code(err))
	}
	head, body := h.wait(r.t, 0)
	m := verifySNS(r.t, r.relay, body)
	if head.Get("x-amz-sns-message-type") != "SubscriptionConfirmation" || m["TopicArn"] != *arn {
		r.t.Fatalf("asked %s", body)
	}
	return m
}

// toNews has the bounces of the set "main" told to a topic.
func (r *apiRelay) toNews(arn *string) {
	r.t.Helper()
	ctx, set := r.t.Context(), aws.String("main")
	if _, err := r.v2.CreateConfigurationSet(ctx, &sesv2.CreateConfigurationSetInput{ConfigurationSetName: set}); err != nil {
		r.t.Fatal(code(err))
	}
	if _, err := r.v2.CreateConfigurationSetEventDestination(ctx, &sesv2.CreateConfigurationSetEventDestinationInput{ConfigurationSetName: set,
		EventDestinationName: aws.String("app"), EventDestination: &types.EventDestinationDefinition{Enabled: true,
			MatchingEventTypes: []types.EventType{types.EventTypeSend}, SnsDestination: &types.SnsDestination{TopicArn: arn}}}); err != nil {
		r.t.Fatal(code(err))
	}
}

func TestATopicLeadsFromAnEventDestinationToWebhooks(t *testing.T) {
	r := newAPI(t, withEvents(t.TempDir()))
	arn := r.news()
	if *arn != "arn:aws:sns:local-1:000000000001:news" {
		t.Errorf("ARN %s", *arn)
	}
	one, raw := newHook(t), newHook(t)
	// One agrees by the link, the other by the API.
	asked := r.subscribe(one, arn, nil)
	if xml := r.public(t, asked["SubscribeURL"]); !bytes.Contains(xml, []byte("<SubscriptionArn>"+*arn+":")) {
		t.Errorf("confirmation gave %s", xml)
	}
	asked = r.subscribe(raw, arn, map[string]string{"RawMessageDelivery": "true"})
	out, err := r.sns().ConfirmSubscription(t.Context(), &sns.ConfirmSubscriptionInput{TopicArn: arn, Token: aws.String(asked["Token"])})
	if err != nil {
		t.Fatal(code(err))
	}
	r.toNews(arn)

	head, body := one.wait(t, 1)
	if m := verifySNS(t, r.relay, body); m["Message"] != "Successfully validated SNS topic for sesame event publishing." {
		t.Errorf("first told %s", body)
	}
	oneARN := head.Get("x-amz-sns-subscription-arn")
	if _, body := raw.wait(t, 1); string(body) != "Successfully validated SNS topic for sesame event publishing." {
		t.Errorf("first told %s", body)
	}

	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	head, body = one.wait(t, 2)
	m := verifySNS(t, r.relay, body)
	if parse(t, []byte(m["Message"])).EventType != "Send" || m["TopicArn"] != *arn || head.Get("sesame-sequence") != "1" ||
		head.Get("x-amz-sns-subscription-arn") != oneARN || head.Get("x-amz-sns-rawdelivery") != "" {
		t.Errorf("told %v %s", head, body)
	}
	head, body = raw.wait(t, 2)
	if parse(t, body).EventType != "Send" || head.Get("x-amz-sns-rawdelivery") != "true" || head.Get("x-amz-sns-subscription-arn") != *out.SubscriptionArn {
		t.Errorf("told %v %s", head, body)
	}

	// The one leaves by its link, the other stays.
	r.public(t, m["UnsubscribeURL"])
	list, err := r.sns().ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: arn})
	if err != nil || len(list.Subscriptions) != 1 || *list.Subscriptions[0].SubscriptionArn != *out.SubscriptionArn {
		t.Errorf("left: %+v, %s", list, code(err))
	}
	r.mustSend("eve@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	raw.wait(t, 3)
	r.until("all that was told is acknowledged", func() bool {
		return strings.Contains(r.metrics(), `sesame_event_told_total{kind="sns"} 3`)
	})
	// What was told is told again through the topic.
	again, err := r.admin().ReplayDestination(t.Context(), named("app"), admin.Replay{From: 1})
	if err != nil || again.Again == 0 || again.Kind != "topic" { // the last may not count as told yet
		t.Errorf("told again: %+v, %v", again, err)
	}
	for n := 4; ; n++ { // those of two messages come in any order
		if head, _ := raw.wait(t, n); head.Get("sesame-sequence") == "1" {
			break
		}
	}
}

func TestASubscriberThatHangsHoldsUpNoOther(t *testing.T) {
	r := newAPI(t, withEvents(t.TempDir()))
	arn := r.news()
	dead, alive := newHook(t), newHook(t)
	for _, h := range []*hook{dead, alive} {
		r.public(t, r.subscribe(h, arn, nil)["SubscribeURL"])
	}
	r.toNews(arn)
	dead.mu.Lock()
	dead.answer = http.StatusInternalServerError
	dead.mu.Unlock()
	for range 3 {
		r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	}
	for n := range 3 {
		alive.wait(t, 2+n)
	}
	// Parked is what does not take: the subscription, and so the destination.
	if d, err := r.admin().Destination(t.Context(), named("app")); err != nil || d.State != "on" {
		t.Errorf("%+v, %v", d, err)
	}
	var kinds []string
	for d, err := range r.admin().Destinations(t.Context(), admin.DestinationName{}) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, d.Kind+" of "+d.Owner())
	}
	slices.Sort(kinds)
	if strings.Join(kinds, ", ") != "sns of news, sns of news, topic of main" {
		t.Errorf("there are %v", kinds)
	}
}

func TestATopicThatGoesTellsNobody(t *testing.T) {
	r := newAPI(t, withEvents(t.TempDir()))
	arn := r.news()
	h, other := newHook(t), newHook(t)
	r.public(t, r.subscribe(h, arn, nil)["SubscribeURL"])
	r.toNews(arn)
	h.wait(t, 1)
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "webhook", Target: other.URL, Events: []string{"send"}})
	if _, err := r.sns().DeleteTopic(t.Context(), &sns.DeleteTopicInput{TopicArn: arn}); err != nil {
		t.Fatal(code(err))
	}
	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	other.wait(t, 0)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.bodies) != 2 { // the question and the text
		t.Errorf("told %d times", len(h.bodies))
	}
}

func TestParkedIsTheSubscriptionAndResumedThroughTheDestination(t *testing.T) {
	r := newAPI(t, withEvents(t.TempDir()), func(c *config.Config) { c.Events.ParkAfter = time.Millisecond })
	arn := r.news()
	h := newHook(t)
	r.public(t, r.subscribe(h, arn, nil)["SubscribeURL"])
	r.toNews(arn)
	h.wait(t, 1)
	answer := func(code int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.answer = code
	}
	answer(http.StatusGone)
	r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	for deadline := time.Now().Add(wait); ; <-time.After(5 * time.Millisecond) {
		d, err := r.admin().Destination(t.Context(), named("app"))
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", d, err)
		}
		if d.State == "parked" {
			break
		}
	}
	answer(http.StatusOK)
	if d, err := r.admin().ReplayDestination(t.Context(), named("app"), admin.Replay{}); err != nil || d.State != "on" {
		t.Fatalf("%+v, %v", d, err)
	}
	h.wait(t, 3)
}

func TestAnIdentityTellsATopicInItsOwnForm(t *testing.T) {
	r := newAPI(t, withEvents(t.TempDir()))
	arn := r.news()
	h := newHook(t)
	r.public(t, r.subscribe(h, arn, nil)["SubscribeURL"])
	if _, err := r.v1.SetIdentityNotificationTopic(t.Context(), &ses.SetIdentityNotificationTopicInput{Identity: aws.String("example.org"),
		NotificationType: sestypes.NotificationTypeDelivery, SnsTopic: arn}); err != nil {
		t.Fatal(code(err))
	}
	r.mustSend("bob@example.net", letter("X-Mailer: test"))
	// That the topic was set is told beside it, before or after.
	told := 0
	for n := 1; n <= 2; n++ {
		_, body := h.wait(t, n)
		m := verifySNS(t, r.relay, body)
		if m["Subject"] != "" || m["TopicArn"] != *arn {
			t.Errorf("told %s", body)
		}
		if strings.Contains(m["Message"], `"notificationType":"Delivery"`) {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told of %d deliveries", told)
	}
}

func TestTopicsGoWithTheirAccount(t *testing.T) {
	r := newAPI(t, withEvents(t.TempDir()))
	if _, err := r.admin().CreateAccount(t.Context(), admin.AccountChange{Account: "shop"}); err != nil {
		t.Fatal(err)
	}
	c, err := r.admin().CreateCredential(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	r.keyID, r.secret = c.AccessKeyID, c.SecretAccessKey
	h := newHook(t)
	if arn := r.news(); strings.Contains(*arn, "000000000001") {
		t.Errorf("another account's topic has the ARN %s", *arn)
	} else {
		r.subscribe(h, arn, nil)
	}
	if _, err := r.admin().DeleteAccount(t.Context(), "shop", true); err != nil {
		t.Fatal(err)
	}
	for d, err := range r.admin().Destinations(t.Context(), admin.DestinationName{}) {
		t.Errorf("left %+v, %v", d, err)
	}
}
