package api_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkv1 "github.com/aws/aws-sdk-go-v2/service/ses"
	v1types "github.com/aws/aws-sdk-go-v2/service/ses/types"
	sdkv2 "github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api"
)

func TestADomainByVersion1(t *testing.T) {
	g := newRegistry(t)
	ctx := t.Context()
	domain := aws.String("example.org")
	arn := "arn:aws:ses:" + region + ":" + owner + ":identity/example.org"
	token := does(g.v1.VerifyDomainIdentity(ctx, &sdkv1.VerifyDomainIdentityInput{Domain: domain}))(t).VerificationToken
	if len(*token) != 44 || *does(g.v1.VerifyDomainIdentity(ctx, &sdkv1.VerifyDomainIdentityInput{Domain: domain}))(t).VerificationToken != *token {
		t.Errorf("token %q, and another the second time", *token)
	}
	tokens := does(g.v1.VerifyDomainDkim(ctx, &sdkv1.VerifyDomainDkimInput{Domain: domain}))(t).DkimTokens
	if again := does(g.v1.VerifyDomainDkim(ctx, &sdkv1.VerifyDomainDkimInput{Domain: domain}))(t).DkimTokens; len(tokens) != 3 || strings.Join(again, " ") != strings.Join(tokens, " ") {
		t.Errorf("tokens %v, then %v", tokens, again)
	}
	names := []string{"example.org", arn, "none.example.org"}
	v := does(g.v1.GetIdentityVerificationAttributes(ctx, &sdkv1.GetIdentityVerificationAttributesInput{Identities: names}))(t).VerificationAttributes
	if len(v) != 2 || v[arn].VerificationStatus != v1types.VerificationStatusPending || *v["example.org"].VerificationToken != *token {
		t.Errorf("%+v", v)
	}
	dkim := func() v1types.IdentityDkimAttributes {
		t.Helper()
		return does(g.v1.GetIdentityDkimAttributes(ctx, &sdkv1.GetIdentityDkimAttributesInput{Identities: names}))(t).DkimAttributes["example.org"]
	}
	if d := dkim(); !d.DkimEnabled || d.DkimVerificationStatus != v1types.VerificationStatusPending || strings.Join(d.DkimTokens, " ") != strings.Join(tokens, " ") {
		t.Errorf("%+v", d)
	}
	does(g.v1.SetIdentityDkimEnabled(ctx, &sdkv1.SetIdentityDkimEnabledInput{Identity: domain}))(t)
	if dkim().DkimEnabled {
		t.Error("it is signed")
	}
	mailFrom := func() v1types.IdentityMailFromDomainAttributes {
		t.Helper()
		return does(g.v1.GetIdentityMailFromDomainAttributes(ctx, &sdkv1.GetIdentityMailFromDomainAttributesInput{Identities: names}))(t).MailFromDomainAttributes["example.org"]
	}
	if m := mailFrom(); m.MailFromDomain != nil || m.BehaviorOnMXFailure != v1types.BehaviorOnMXFailureUseDefaultValue {
		t.Errorf("%+v", m)
	}
	does(g.v1.SetIdentityMailFromDomain(ctx, &sdkv1.SetIdentityMailFromDomainInput{Identity: &arn, MailFromDomain: aws.String("b.example.org"),
		BehaviorOnMXFailure: v1types.BehaviorOnMXFailureRejectMessage}))(t)
	if m := mailFrom(); *m.MailFromDomain != "b.example.org" || m.MailFromDomainStatus != v1types.CustomMailFromStatusPending || m.BehaviorOnMXFailure != v1types.BehaviorOnMXFailureRejectMessage {
		t.Errorf("%+v", m)
	}
	does(g.v1.SetIdentityMailFromDomain(ctx, &sdkv1.SetIdentityMailFromDomainInput{Identity: domain}))(t)
	if m := mailFrom(); m.MailFromDomain != nil {
		t.Errorf("%+v", m)
	}
	if l := does(g.v1.ListIdentityPolicies(ctx, &sdkv1.ListIdentityPoliciesInput{Identity: domain}))(t); len(l.PolicyNames) != 0 {
		t.Errorf("%v", l.PolicyNames)
	}
	if l := does(g.v1.GetIdentityPolicies(ctx, &sdkv1.GetIdentityPoliciesInput{Identity: domain, PolicyNames: []string{"x"}}))(t); len(l.Policies) != 0 {
		t.Errorf("%v", l.Policies)
	}
	for range 2 { // the second time it is not there
		does(g.v1.DeleteIdentity(ctx, &sdkv1.DeleteIdentityInput{Identity: domain}))(t)
	}
	if l := g.rooms.Identities.List(owner); len(l) != 0 {
		t.Errorf("left are %v", l)
	}
}

func TestAnIdentityTellsTopics(t *testing.T) {
	g := newRegistry(t)
	ctx := t.Context()
	for _, name := range []string{"first", "second"} {
		if _, err := g.rooms.Topics.Create(ctx, owner, name, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.rooms.Identities.Add(ctx, owner, "example.org", identity.AddOptions{Verified: true}); err != nil {
		t.Fatal(err)
	}
	domain, arn := aws.String("example.org"), "arn:aws:sns:"+region+":"+owner+":"
	set := func(kind v1types.NotificationType, topic *string) error {
		_, err := g.v1.SetIdentityNotificationTopic(ctx, &sdkv1.SetIdentityNotificationTopicInput{Identity: domain, NotificationType: kind, SnsTopic: topic})
		return err
	}
	forward := func(on bool) error {
		_, err := g.v1.SetIdentityFeedbackForwardingEnabled(ctx, &sdkv1.SetIdentityFeedbackForwardingEnabledInput{Identity: domain, ForwardingEnabled: on})
		return err
	}
	headers := func(kind v1types.NotificationType, on bool) {
		t.Helper()
		does(g.v1.SetIdentityHeadersInNotificationsEnabled(ctx, &sdkv1.SetIdentityHeadersInNotificationsEnabledInput{Identity: domain, NotificationType: kind, Enabled: on}))(t)
	}
	is := func(want v1types.IdentityNotificationAttributes) {
		t.Helper()
		got := does(g.v1.GetIdentityNotificationAttributes(ctx, &sdkv1.GetIdentityNotificationAttributesInput{Identities: []string{"example.org"}}))(t)
		if diff := cmp.Diff(map[string]v1types.IdentityNotificationAttributes{"example.org": want}, got.NotificationAttributes,
			cmpopts.IgnoreUnexported(want)); diff != "" {
			t.Error(diff)
		}
	}
	bounce, complaint, delivery := v1types.NotificationTypeBounce, v1types.NotificationTypeComplaint, v1types.NotificationTypeDelivery
	is(v1types.IdentityNotificationAttributes{ForwardingEnabled: true})
	refuses(t, forward(false), "InvalidParameterValue: ")
	first, second := aws.String(arn+"first"), aws.String(arn+"second")
	for _, err := range []error{set(bounce, first), set(complaint, first), set(delivery, first), set(bounce, second), set(delivery, nil), forward(false)} {
		if err != nil {
			t.Fatal(said(err))
		}
	}
	headers(bounce, true)
	headers(delivery, true)
	headers(bounce, false)
	is(v1types.IdentityNotificationAttributes{BounceTopic: second, ComplaintTopic: first, HeadersInDeliveryNotificationsEnabled: true})
	if err := forward(true); err != nil {
		t.Error(said(err))
	}
	refuses(t, set(bounce, aws.String(arn+"third")), "InvalidParameterValue: SNS topic <"+arn+"third> not found.")
	refuses(t, set(bounce, aws.String("first")), "InvalidParameterValue: SNS topic <first> not found.")
	refuses(t, set("Open", first), "ValidationError: 1 validation error detected: Value at 'notificationType'")
}

func TestCallsAboutIdentitiesThatAreRefused(t *testing.T) {
	g := newRegistry(t, func(o *identity.Options, _ *api.Rooms) { o.Service = "" })
	ctx := t.Context()
	for _, name := range []string{"example.org", "ann@example.org"} {
		if _, err := g.rooms.Identities.Add(ctx, owner, name, identity.AddOptions{DKIM: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.rooms.Identities.Add(ctx, "000000000002", "other.example.org", identity.AddOptions{}); err != nil {
		t.Fatal(err)
	}
	none, there, other, address := aws.String("none.example.org"), aws.String("example.org"), aws.String("other.example.org"), aws.String("ann@example.org")
	const missing = "NotFoundException: Email identity none.example.org does not exist."
	const missing1 = "InvalidParameterValue: Identity <none.example.org> does not exist."
	calls := map[string]struct {
		call func() error
		want string
	}{
		"v2 get": {func() error {
			_, err := g.v2.GetEmailIdentity(ctx, &sdkv2.GetEmailIdentityInput{EmailIdentity: none})
			return err
		}, missing},
		"v2 get of another's": {func() error {
			_, err := g.v2.GetEmailIdentity(ctx, &sdkv2.GetEmailIdentityInput{EmailIdentity: other})
			return err
		}, "NotFoundException: Email identity other"},
		"v2 policies": {func() error {
			_, err := g.v2.GetEmailIdentityPolicies(ctx, &sdkv2.GetEmailIdentityPoliciesInput{EmailIdentity: none})
			return err
		}, missing},
		"v2 policy": {func() error {
			_, err := g.v2.CreateEmailIdentityPolicy(ctx, &sdkv2.CreateEmailIdentityPolicyInput{EmailIdentity: there, PolicyName: aws.String("p"), Policy: aws.String("{}")})
			return err
		}, "UnknownOperationException: Unavailable Operation"},
		"v1 delete of a domain as an address": {func() error {
			_, err := g.v1.DeleteVerifiedEmailAddress(ctx, &sdkv1.DeleteVerifiedEmailAddressInput{EmailAddress: there})
			return err
		}, "InvalidParameterValue: Invalid email address<example.org>."},
		"v2 signing": {func() error {
			_, err := g.v2.PutEmailIdentityDkimAttributes(ctx, &sdkv2.PutEmailIdentityDkimAttributesInput{EmailIdentity: none})
			return err
		}, missing},
		"v2 feedback": {func() error {
			_, err := g.v2.PutEmailIdentityFeedbackAttributes(ctx, &sdkv2.PutEmailIdentityFeedbackAttributesInput{EmailIdentity: none})
			return err
		}, missing},
		"v2 set": {func() error {
			_, err := g.v2.PutEmailIdentityConfigurationSetAttributes(ctx, &sdkv2.PutEmailIdentityConfigurationSetAttributesInput{EmailIdentity: none})
			return err
		}, missing},
		"v2 set that is none": {func() error {
			_, err := g.v2.PutEmailIdentityConfigurationSetAttributes(ctx, &sdkv2.PutEmailIdentityConfigurationSetAttributesInput{EmailIdentity: there, ConfigurationSetName: aws.String("x")})
			return err
		}, "NotFoundException: Configuration set <x> does not exist."},
		"v2 mail from": {func() error {
			_, err := g.v2.PutEmailIdentityMailFromAttributes(ctx, &sdkv2.PutEmailIdentityMailFromAttributesInput{EmailIdentity: none, MailFromDomain: aws.String("b.none.example.org")})
			return err
		}, missing},
		"v2 mail from outside": {func() error {
			_, err := g.v2.PutEmailIdentityMailFromAttributes(ctx, &sdkv2.PutEmailIdentityMailFromAttributesInput{EmailIdentity: address, MailFromDomain: aws.String("b.example.com")})
			return err
		}, "BadRequestException: Provided MAIL-FROM domain <b.example.com> is not subdomain of the domain of the identity <example.org>."},
		"v2 mail from word": {func() error {
			_, err := g.v2.PutEmailIdentityMailFromAttributes(ctx, &sdkv2.PutEmailIdentityMailFromAttributesInput{EmailIdentity: there, BehaviorOnMxFailure: "RejectMessage"})
			return err
		}, "BadRequestException: 1 validation error detected: Value at 'behaviorOnMxFailure'"},
		"v2 no Easy DKIM": {func() error {
			_, err := g.v2.PutEmailIdentityDkimSigningAttributes(ctx, &sdkv2.PutEmailIdentityDkimSigningAttributesInput{EmailIdentity: there, SigningAttributesOrigin: "AWS_SES"})
			return err
		}, "BadRequestException: identity example.org: cannot be set: this server has no service domain"},
		"v2 create of no domain": {func() error {
			_, err := g.v2.CreateEmailIdentity(ctx, &sdkv2.CreateEmailIdentityInput{EmailIdentity: aws.String("a..b")})
			return err
		}, "BadRequestException: Invalid domain name <a..b>."},
		"v2 create of no address": {func() error {
			_, err := g.v2.CreateEmailIdentity(ctx, &sdkv2.CreateEmailIdentityInput{EmailIdentity: aws.String("@b")})
			return err
		}, "BadRequestException: Invalid email address<@b>."},
		"v2 create with no set": {func() error {
			_, err := g.v2.CreateEmailIdentity(ctx, &sdkv2.CreateEmailIdentityInput{EmailIdentity: none, ConfigurationSetName: aws.String("x")})
			return err
		}, "NotFoundException: Configuration set <x> does not exist."},
		"v2 create of an address with a key": {func() error {
			_, err := g.v2.CreateEmailIdentity(ctx, &sdkv2.CreateEmailIdentityInput{EmailIdentity: aws.String("a@b.test"), DkimSigningAttributes: &types.DkimSigningAttributes{}})
			return err
		}, "BadRequestException: DkimSigningAttributes"},
		"v1 topic": {func() error {
			_, err := g.v1.SetIdentityNotificationTopic(ctx, &sdkv1.SetIdentityNotificationTopicInput{Identity: none, NotificationType: "Bounce"})
			return err
		}, missing1},
		"v1 headers": {func() error {
			_, err := g.v1.SetIdentityHeadersInNotificationsEnabled(ctx, &sdkv1.SetIdentityHeadersInNotificationsEnabledInput{Identity: none, NotificationType: "Bounce"})
			return err
		}, missing1},
		"v1 forwarding": {func() error {
			_, err := g.v1.SetIdentityFeedbackForwardingEnabled(ctx, &sdkv1.SetIdentityFeedbackForwardingEnabledInput{Identity: none})
			return err
		}, missing1},
		"v1 signing": {func() error {
			_, err := g.v1.SetIdentityDkimEnabled(ctx, &sdkv1.SetIdentityDkimEnabledInput{Identity: none})
			return err
		}, missing1},
		"v1 mail from": {func() error {
			_, err := g.v1.SetIdentityMailFromDomain(ctx, &sdkv1.SetIdentityMailFromDomainInput{Identity: none, MailFromDomain: aws.String("b.none.example.org")})
			return err
		}, missing1},
		"v1 mail from outside": {func() error {
			_, err := g.v1.SetIdentityMailFromDomain(ctx, &sdkv1.SetIdentityMailFromDomainInput{Identity: there, MailFromDomain: there})
			return err
		}, "InvalidParameterValue: Provided MAIL-FROM domain <example.org> is not subdomain of the domain of the identity <example.org>."},
		"v1 mail from word": {func() error {
			_, err := g.v1.SetIdentityMailFromDomain(ctx, &sdkv1.SetIdentityMailFromDomainInput{Identity: there, BehaviorOnMXFailure: "x"})
			return err
		}, "ValidationError: 1 validation error detected: Value at 'behaviorOnMXFailure' failed to satisfy constraint: Member must satisfy enum value set: [RejectMessage, UseDefaultValue]"},
		"v1 no address": {func() error {
			_, err := g.v1.VerifyEmailIdentity(ctx, &sdkv1.VerifyEmailIdentityInput{EmailAddress: aws.String("STUB")})
			return err
		}, "InvalidParameterValue: Invalid email address<STUB>."},
		"v1 no domain": {func() error {
			_, err := g.v1.VerifyDomainIdentity(ctx, &sdkv1.VerifyDomainIdentityInput{Domain: address})
			return err
		}, "InvalidParameterValue: Invalid domain name <ann@example.org>."},
		"v1 no Easy DKIM": {func() error {
			_, err := g.v1.VerifyDomainDkim(ctx, &sdkv1.VerifyDomainDkimInput{Domain: there})
			return err
		}, "InvalidParameterValue: identity example.org: cannot be set: this server has no service domain"},
		"v1 policy": {func() error {
			_, err := g.v1.PutIdentityPolicy(ctx, &sdkv1.PutIdentityPolicyInput{Identity: there, PolicyName: aws.String("p"), Policy: aws.String("{}")})
			return err
		}, "InvalidAction: Unavailable Operation"},
	}
	for name, tt := range calls {
		t.Run(name, func(t *testing.T) { refuses(t, tt.call(), tt.want) })
	}
	if l := g.rooms.Identities.List(owner); len(l) != 2 {
		t.Errorf("now there are %v", l)
	}
	// A key in the zone of the domain, where there is no service domain.
	d := does(g.v2.GetEmailIdentity(ctx, &sdkv2.GetEmailIdentityInput{EmailIdentity: there}))(t).DkimAttributes
	if d.SigningAttributesOrigin != types.DkimSigningAttributesOriginExternal || len(d.Tokens) != 1 || d.SigningHostedZone != nil {
		t.Errorf("%+v", d)
	}
}
