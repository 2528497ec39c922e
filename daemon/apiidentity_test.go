package daemon_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	sestypes "github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/sesame-mta/sesame/config"
)

// What programs do that set domains up, Terraform among them: they ask for tokens,
// publish records where SES looks for them, and wait.
func TestADomainIsSetUpByTheAPI(t *testing.T) {
	r := newAPI(t, func(c *config.Config) {
		c.Service.Domain = "mail.example.org"
		c.Listen.Public = "127.0.0.1:0"
		c.Service.PublicURL = "https://mail.example.org"
	})
	ctx := t.Context()
	domain := aws.String("shop.example.com")
	_, err := r.v2.SendEmail(ctx, simple("ann@shop.example.com", "bob@example.net"))
	if got := code(err); !strings.HasPrefix(got, "MessageRejected: Email address is not verified.") {
		t.Errorf("before: %s", got)
	}
	check := func() { // as the checker does in its own time
		if _, err := r.admin().CheckIdentity(ctx, "default", *domain); err != nil {
			t.Fatal(err)
		}
	}
	verified, err := r.v1.VerifyDomainIdentity(ctx, &ses.VerifyDomainIdentityInput{Domain: domain})
	if err != nil {
		t.Fatal(err)
	}
	r.dns.Add(`_amazonses.shop.example.com 1 TXT "` + *verified.VerificationToken + `"`)
	r.until("the domain is verified by its token", func() bool {
		check()
		out, err := r.v1.GetIdentityVerificationAttributes(ctx, &ses.GetIdentityVerificationAttributesInput{Identities: []string{*domain}})
		return err == nil && out.VerificationAttributes[*domain].VerificationStatus == sestypes.VerificationStatusSuccess
	})
	made, err := r.v1.VerifyDomainDkim(ctx, &ses.VerifyDomainDkimInput{Domain: domain})
	if err != nil {
		t.Fatal(err)
	}
	get := func() *sesv2.GetEmailIdentityOutput {
		t.Helper()
		out, err := r.v2.GetEmailIdentity(ctx, &sesv2.GetEmailIdentityInput{EmailIdentity: domain})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	zone := *get().DkimAttributes.SigningHostedZone
	for _, token := range made.DkimTokens {
		r.dns.Add(token + "._domainkey.shop.example.com 1 CNAME " + token + "." + zone + ".")
	}
	for rec, err := range r.admin().ServiceRecords(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		r.dns.Add(rec.Zone())
	}
	r.until("DNS shows its keys", func() bool {
		check()
		return get().DkimAttributes.Status == types.DkimStatusSuccess
	})
	if v := get().VerificationInfo; v.LastCheckedTimestamp == nil || v.LastSuccessTimestamp == nil || v.LastSuccessTimestamp.After(*v.LastCheckedTimestamp) {
		t.Errorf("looked at it: %+v", v)
	}
	for n, signed := range []bool{true, false, true} {
		if _, err := r.v1.SetIdentityDkimEnabled(ctx, &ses.SetIdentityDkimEnabledInput{Identity: domain, DkimEnabled: signed}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.v2.SendEmail(ctx, simple("ann@shop.example.com", "bob@example.net")); err != nil {
			t.Fatal(err)
		}
		if data := string(r.arrived(n + 1)[n].Data); strings.Contains(data, "d=shop.example.com") != signed {
			t.Errorf("to be signed is %v:\n%s", signed, data)
		}
	}

	mailed := map[string]func(context.Context) error{
		"eve@example.com": func(ctx context.Context) error {
			_, err := r.v1.VerifyEmailIdentity(ctx, &ses.VerifyEmailIdentityInput{EmailAddress: aws.String("eve@example.com")})
			return err
		},
		"jim@example.com": func(ctx context.Context) error {
			_, err := r.v2.CreateEmailIdentity(ctx, &sesv2.CreateEmailIdentityInput{EmailIdentity: aws.String("jim@example.com")})
			return err
		},
	}
	n := 3
	for to, call := range mailed {
		if err := call(ctx); err != nil {
			t.Fatal(err)
		}
		n++
		got := r.arrived(n)[n-1]
		if got.To[0] != to || linkForm.FindString(strings.ReplaceAll(string(got.Data), "=\r\n", "")) == "" {
			t.Errorf("no link to %s: %v\n%s", to, got.To, got.Data)
		}
	}
}

func TestAnIdentityTellsItsTopics(t *testing.T) {
	r := newAPI(t, withEvents(t.TempDir()))
	ctx := t.Context()
	arn, h, me := r.news(), newHook(t), aws.String("example.org")
	asked := r.subscribe(h, arn, nil)
	r.public(t, asked["SubscribeURL"])
	set := func(kind sestypes.NotificationType, arn *string) {
		t.Helper()
		if _, err := r.v1.SetIdentityNotificationTopic(ctx, &ses.SetIdentityNotificationTopicInput{Identity: me, NotificationType: kind, SnsTopic: arn}); err != nil {
			t.Fatal(code(err))
		}
	}
	next := 0
	hears := func(words ...string) {
		t.Helper()
		next++
		_, body := h.wait(t, next)
		m := verifySNS(t, r.relay, body)
		for _, word := range words {
			if !strings.Contains(m["Message"], word) || m["Subject"] != "" || m["TopicArn"] != *arn {
				t.Errorf("no %s in %s", word, body)
			}
		}
	}
	for _, kind := range []sestypes.NotificationType{sestypes.NotificationTypeBounce, sestypes.NotificationTypeComplaint, sestypes.NotificationTypeDelivery} {
		set(kind, arn)
		hears(`"notificationType":"AmazonSnsSubscriptionSucceeded"`, "to receive '"+string(kind)+"' notifications", "'"+*arn+"'", "identity 'example.org'")
	}
	if _, err := r.v1.SetIdentityFeedbackForwardingEnabled(ctx, &ses.SetIdentityFeedbackForwardingEnabledInput{Identity: me}); err != nil {
		t.Fatal(code(err))
	}
	if _, err := r.v1.SetIdentityHeadersInNotificationsEnabled(ctx, &ses.SetIdentityHeadersInNotificationsEnabledInput{
		Identity: me, NotificationType: sestypes.NotificationTypeBounce, Enabled: true}); err != nil {
		t.Fatal(code(err))
	}
	r.mustSend("bob@example.net", letter())
	hears(`"notificationType":"Delivery"`)
	r.mustSend("eve@null.example.net", letter())
	hears(`"notificationType":"Bounce"`, `"headersTruncated":false`)
	r.empty()
	if n := len(r.arrived(1)); n != 1 {
		t.Errorf("%d messages left, so the bounce was mailed as well", n)
	}
	set(sestypes.NotificationTypeDelivery, nil)
	r.mustSend("bob@example.net", letter())
	r.mustSend("eve@null.example.net", letter())
	hears(`"notificationType":"Bounce"`) // and of no delivery
}
