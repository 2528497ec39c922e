//go:build e2e

package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/eventtest"
	"github.com/sesame-mta/sesame/event/webhook"
	"github.com/sesame-mta/sesame/mail"
)

// understand is an application with django-anymail, unmodified, that takes the
// requests that SNS would make and says what it read.
const understand = `
import json, sys
from django.conf import settings
settings.configure(SECRET_KEY="x", ALLOWED_HOSTS=["*"], USE_TZ=True, ANYMAIL={"WEBHOOK_SECRET": "me:secret"})
import django
django.setup()
from django.test import RequestFactory
from anymail.signals import tracking
from anymail.webhooks.amazon_ses import AmazonSESTrackingWebhookView

def heard(sender, event, esp_name, **kwargs):
    print("|".join(str(v) for v in (event.event_type, event.message_id, event.recipient, event.reject_reason,
        event.description, event.mta_response, event.user_agent, event.esp_event["mail"]["source"])))
tracking.connect(heard, weak=False)
view = AmazonSESTrackingWebhookView.as_view()
for r in json.load(sys.stdin):
    request = RequestFactory().post("/", data=r["body"], content_type=r["type"], HTTP_AUTHORIZATION="Basic bWU6c2VjcmV0",
        HTTP_X_AMZ_SNS_MESSAGE_TYPE=r["kind"], HTTP_X_AMZ_SNS_MESSAGE_ID=r["id"])
    response = view(request)
    if response.status_code != 200:
        print("status", response.status_code)
`

// needAnymail skips the test where Debian's django-anymail is not installed.
func needAnymail(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("/usr/bin/python3", "-c", "import anymail, boto3").CombinedOutput(); err != nil {
		if inCI() {
			t.Fatalf("python3-django-anymail: %v: %s", err, out)
		}
		t.Skip("python3-django-anymail and python3-boto3 are not installed; run .ci/counterparts")
	}
}

// happened is an event of each type, and what anymail makes of it: type, recipient,
// reject reason, description, reply of the remote host and user agent.
func happened(t *testing.T) (events []event.Event, want []string) {
	t.Helper()
	to, err := mail.ParseForwardPath("ann@example.net")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		e    event.Event
		want string
	}{
		{event.Event{Type: event.Send}, "sent|ann@example.net|None|None|None|None"},
		{event.Event{Type: event.Delivery, Recipients: []event.Recipient{{Reply: mail.Reply{Code: 250, Text: "Ok: queued as 4F1"}, Remote: true}}},
			"delivered|ann@example.net|None|None|250 Ok: queued as 4F1|None"},
		{event.Event{Type: event.Bounce, Recipients: []event.Recipient{{Reply: *mail.Refuse(550, 1, 1, "user unknown"), Remote: true,
			BounceType: "Permanent", BounceSubType: "General"}}},
			"bounced|ann@example.net|bounced|Permanent: General|smtp; 550 5.1.1 user unknown|None"},
		{event.Event{Type: event.Complaint, Recipients: []event.Recipient{{}},
			Report: &event.Report{UserAgent: "ExampleFBL/1.0", FeedbackType: "abuse", Arrival: time.Now()}},
			"complained|ann@example.net|spam|abuse|None|ExampleFBL/1.0"},
		{event.Event{Type: event.Reject}, "rejected|ann@example.net|blocked|Bad content|None|None"},
		{event.Event{Type: event.RenderingFailure, Failure: &event.Failure{Template: "a", Text: "Attribute 'b' is not present"}},
			"failed|ann@example.net|None|Attribute 'b' is not present|None|None"},
		// It knows no events of these types.
		{event.Event{Type: event.DeliveryDelay, Recipients: []event.Recipient{{Reply: *mail.Refuse(451, 2, 1, "busy")}}},
			"unknown|ann@example.net|None|Unknown SES eventType 'DeliveryDelay'|None|None"},
		{event.Event{Type: event.Subscription, Change: &event.Change{List: "news", Source: "UnsubscribeHeader"}},
			"unknown|ann@example.net|None|Unknown SES eventType 'Subscription'|None|None"},
	} {
		one.e.Message, one.e.Account, one.e.Time = eventtest.Message(t, len(events)), "000000000001", time.Now()
		if len(one.e.Recipients) == 0 {
			one.e.Recipients = []event.Recipient{{}}
		}
		one.e.Recipients[0].To = to
		object := event.Mail{Timestamp: event.Instant{Time: time.Now()}, Source: "news@example.org", MessageID: one.e.Message.String(),
			SendingAccountID: one.e.Account, Destination: []string{to.String()}, Tags: map[string][]string{event.TagSourceIP: {"192.0.2.1"}}}
		object.Add("From", "News <news@example.org>")
		if one.e.Mail, err = object.Encode(); err != nil {
			t.Fatal(err)
		}
		kind, rest, _ := strings.Cut(one.want, "|")
		events, want = append(events, one.e), append(want, kind+"|"+one.e.Message.String()+"|"+rest+"|news@example.org")
	}
	return events, want
}

func TestDjangoAnymailUnderstandsOurSNSMessages(t *testing.T) {
	needAnymail(t)
	type request struct {
		Body string `json:"body"`
		Type string `json:"type"`
		Kind string `json:"kind"`
		ID   string `json:"id"`
	}
	var requests []request
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests = append(requests, request{string(body), r.Header.Get("Content-Type"), r.Header.Get("X-Amz-Sns-Message-Type"), r.Header.Get("X-Amz-Sns-Message-Id")})
	}))
	defer receiver.Close()
	client := webhook.NewClient(func(netip.Addr) error { return nil })
	defer client.CloseIdleConnections()
	signer := newSigner(t)

	var want []string
	events, lines := happened(t)
	for _, form := range []bool{false, true} {
		sink := webhook.NewSNS(webhook.SNSOptions{Consumer: "to/1/main/sns", URL: receiver.URL, Client: client, Signer: signer, Version: 1,
			Encoder: &event.Encoder{Hostname: "mx1.example.org", Notification: form}, PublicURL: "https://mail.example.org", Token: "t", Confirmed: true,
			Topic: webhook.Topic{Region: "local-1", Account: "000000000001", Owner: "main", Name: "sns"}})
		for i, e := range events {
			if form && !event.Notified(e.Type) {
				continue
			}
			if _, err := sink.Tell(t.Context(), []event.Record{{Seq: uint64(i + 1), Event: e}}); err != nil {
				t.Fatal(err)
			}
			want = append(want, lines[i])
		}
	}
	text, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(program(t, "", nil, text, "/usr/bin/python3", "-W", "ignore", "-c", understand)), "\n")
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
