package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	netmail "net/mail"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	sestypes "github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// apiRelay is a relay with the HTTP API, and the official clients for it.
type apiRelay struct {
	*relay
	keyID, secret string
	v1            *ses.Client
	v2            *sesv2.Client
}

func withAPI(c *config.Config) { c.Listen.API = "http://127.0.0.1:0" }

// newAPI starts a relay with the API. Its clients try each call once.
func newAPI(t *testing.T, alter ...func(*config.Config)) *apiRelay {
	t.Helper()
	r := &apiRelay{relay: newRelay(t, testmx.Options{}, append(alter, withAPI)...)}
	c, err := r.admin().CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	r.keyID, r.secret = c.AccessKeyID, c.SecretAccessKey
	r.v1, r.v2 = r.clients(r.keyID, r.secret, r.cfg.Region)
	return r
}

func (r *apiRelay) clients(keyID, secret, region string) (*ses.Client, *sesv2.Client) {
	who := credentials.NewStaticCredentialsProvider(keyID, secret, "")
	return ses.New(ses.Options{Region: region, BaseEndpoint: &r.addrs.API, Credentials: who, Retryer: aws.NopRetryer{}}),
		sesv2.New(sesv2.Options{Region: region, BaseEndpoint: &r.addrs.API, Credentials: who, Retryer: aws.NopRetryer{}})
}

// code gives the code of an error that the API answered.
func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode() + ": " + e.ErrorMessage()
	}
	if err != nil {
		return "no answer of the API: " + err.Error()
	}
	return ""
}

func simple(from string, to ...string) *sesv2.SendEmailInput {
	return &sesv2.SendEmailInput{
		FromEmailAddress: &from, Destination: &types.Destination{ToAddresses: to},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: &types.Content{Data: aws.String("Grüße")},
			Body:    &types.Body{Text: &types.Content{Data: aws.String("Hallo Welt\n")}, Html: &types.Content{Data: aws.String("<p>Hallo Wält</p>")}},
		}},
	}
}

func TestMailComesByTheAPIOfBothVersions(t *testing.T) {
	r := newAPI(t)
	ctx := t.Context()
	raw := "From: ann@example.org\nTo: bob@example.net\nBcc: eve@example.net\nSubject: hi\n\nbody\n"
	sends := map[string]func(context.Context) (*string, error){
		"v1 SendEmail": func(ctx context.Context) (*string, error) {
			out, err := r.v1.SendEmail(ctx, &ses.SendEmailInput{Source: aws.String("Ann <ann@example.org>"),
				Destination: &sestypes.Destination{ToAddresses: []string{"bob@example.net"}, BccAddresses: []string{"eve@example.net"}},
				Message: &sestypes.Message{Subject: &sestypes.Content{Data: aws.String("hi & <all>")},
					Body: &sestypes.Body{Text: &sestypes.Content{Data: aws.String("body")}}}})
			if err != nil {
				return nil, err
			}
			return out.MessageId, nil
		},
		"v1 SendRawEmail": func(ctx context.Context) (*string, error) {
			out, err := r.v1.SendRawEmail(ctx, &ses.SendRawEmailInput{RawMessage: &sestypes.RawMessage{Data: []byte(raw)}})
			if err != nil {
				return nil, err
			}
			return out.MessageId, nil
		},
		"v2 SendEmail simple": func(ctx context.Context) (*string, error) {
			in := simple("Ann <ann@example.org>", "Bøb <bob@example.net>")
			in.Destination.BccAddresses = []string{"eve@example.net"}
			out, err := r.v2.SendEmail(ctx, in)
			if err != nil {
				return nil, err
			}
			return out.MessageId, nil
		},
		"v2 SendEmail raw": func(ctx context.Context) (*string, error) {
			out, err := r.v2.SendEmail(ctx, &sesv2.SendEmailInput{Content: &types.EmailContent{Raw: &types.RawMessage{Data: []byte(raw)}}})
			if err != nil {
				return nil, err
			}
			return out.MessageId, nil
		},
	}
	n := 0
	for name, send := range sends {
		id, err := send(ctx)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n++
		got := r.arrived(n)[n-1]
		msg, err := netmail.ReadMessage(strings.NewReader(string(got.Data)))
		if err != nil {
			t.Fatal(err)
		}
		if got.From != "ann@example.org" || strings.Join(got.To, " ") != "bob@example.net eve@example.net" {
			t.Errorf("%s: envelope %s %v", name, got.From, got.To)
		}
		if msg.Header.Get("Bcc") != "" || msg.Header.Get("Message-Id") != "<"+*id+"@mx1.example.org>" ||
			!strings.Contains(msg.Header.Get("DKIM-Signature"), "d=example.org") || msg.Header.Get("Date") == "" {
			t.Errorf("%s: header %v", name, msg.Header)
		}
		if strings.Contains(strings.ReplaceAll(string(got.Data), "\r\n", ""), "\n") {
			t.Errorf("%s: a bare LF left the house", name)
		}
	}
}

func TestCallsThatAreNotSignedAsTheyMustBe(t *testing.T) {
	r := newAPI(t)
	ctx := t.Context()
	tests := map[string]struct {
		keyID, secret, region string
		v1, v2                string
	}{
		"right": {r.keyID, r.secret, r.cfg.Region, "", ""},
		"unknown key": {"AKIAAAAAAAAAAAAAAAAA", r.secret, r.cfg.Region,
			"InvalidClientTokenId: The security token included in the request is invalid.",
			"UnrecognizedClientException: The security token included in the request is invalid."},
		"wrong secret": {r.keyID, "wrong", r.cfg.Region,
			"SignatureDoesNotMatch: The request signature we calculated", "InvalidSignatureException: The request signature we calculated"},
		"wrong region": {r.keyID, r.secret, "eu-west-9", "SignatureDoesNotMatch: Credential should be scoped to a valid region.",
			"InvalidSignatureException: Credential should be scoped to a valid region."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v1, v2 := r.clients(tt.keyID, tt.secret, tt.region)
			_, err := v1.GetSendQuota(ctx, &ses.GetSendQuotaInput{})
			if got := code(err); !strings.HasPrefix(got, tt.v1) || tt.v1 == "" && got != "" {
				t.Errorf("v1: %q, want %q", got, tt.v1)
			}
			_, err = v2.GetAccount(ctx, &sesv2.GetAccountInput{})
			if got := code(err); !strings.HasPrefix(got, tt.v2) || tt.v2 == "" && got != "" {
				t.Errorf("v2: %q, want %q", got, tt.v2)
			}
		})
	}
	resp, err := http.Post(r.addrs.API, "application/x-www-form-urlencoded", strings.NewReader("Action=GetSendQuota"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || resp.Header.Get("X-Amzn-RequestId") == "" {
		t.Errorf("without a signature: %d, %v", resp.StatusCode, resp.Header)
	}
}

func TestMailByTheAPIIsToldOfUnderItsID(t *testing.T) { // checklist 15
	dir := t.TempDir()
	r := newAPI(t, withEvents(dir))
	r.createSet("main", admin.SetChange{})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "events.jsonl"})
	in := simple("Ann <ann@example.org>", "bob@example.net")
	in.ConfigurationSetName = aws.String("main")
	in.EmailTags = []types.MessageTag{{Name: aws.String("campaign"), Value: aws.String("spring")}}
	made, err := r.v2.SendEmail(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	lines := fileLines(t, filepath.Join(dir, "events.jsonl"), 2)
	for i, want := range []string{"Send", "Delivery"} {
		e := parse(t, lines[i])
		if e.EventType != want || e.Mail.MessageID != *made.MessageId || e.Mail.Tags["ses:operation"][0] != "SendEmail" ||
			e.Mail.Tags["campaign"][0] != "spring" || e.Mail.Tags["ses:caller-identity"][0] != r.keyID {
			t.Errorf("%s", lines[i])
		}
		if !strings.Contains(string(lines[i]), `"source":"Ann <ann@example.org>"`) || strings.Contains(string(lines[i]), `"name":"Received"`) {
			t.Errorf("%s", lines[i])
		}
	}
	raw := "From: ann@example.org\nTo: bob@example.net\nX-SES-CONFIGURATION-SET: other\nX-SES-MESSAGE-TAGS: campaign=autumn, a=b\n\nhi\n"
	if _, err := r.v1.SendRawEmail(t.Context(), &ses.SendRawEmailInput{RawMessage: &sestypes.RawMessage{Data: []byte(raw)},
		ConfigurationSetName: aws.String("main"), Tags: []sestypes.MessageTag{{Name: aws.String("campaign"), Value: aws.String("winter")}}}); err != nil {
		t.Fatal(err)
	}
	e := parse(t, fileLines(t, filepath.Join(dir, "events.jsonl"), 3)[2])
	if e.Mail.Tags["campaign"][0] != "winter" || e.Mail.Tags["a"] != nil || e.Mail.Tags["ses:operation"][0] != "SendRawEmail" {
		t.Errorf("parameters do not take the place of the header: %+v", e.Mail)
	}
}

// as reports whether err is of a type of the SDK.
func as[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func TestRefusalsHaveTheTypesOfTheSDKs(t *testing.T) {
	r := newAPI(t, func(c *config.Config) { c.Suppression.Installation = false })
	ctx := t.Context()
	v1 := func(change func(*ses.SendEmailInput)) error {
		in := &ses.SendEmailInput{Source: aws.String("ann@example.org"), Destination: &sestypes.Destination{ToAddresses: []string{"bob@example.net"}},
			Message: &sestypes.Message{Subject: &sestypes.Content{Data: aws.String("x")}, Body: &sestypes.Body{Text: &sestypes.Content{Data: aws.String("y")}}}}
		change(in)
		_, err := r.v1.SendEmail(ctx, in)
		return err
	}
	v2 := func(change func(*sesv2.SendEmailInput)) error {
		in := simple("ann@example.org", "bob@example.net")
		change(in)
		_, err := r.v2.SendEmail(ctx, in)
		return err
	}
	const failed = "Email address is not verified. The following identities failed the check in region LOCAL-1: eve@example.com"
	err := v1(func(in *ses.SendEmailInput) { in.Source = aws.String("eve@example.com") })
	if !as[*sestypes.MessageRejected](err) || code(err) != "MessageRejected: "+failed {
		t.Errorf("v1, not verified: %v", err)
	}
	err = v2(func(in *sesv2.SendEmailInput) { in.FromEmailAddress = aws.String("eve@example.com") })
	if !as[*types.MessageRejected](err) || code(err) != "MessageRejected: "+failed {
		t.Errorf("v2, not verified: %v", err)
	}
	err = v1(func(in *ses.SendEmailInput) { in.ReturnPath = aws.String("eve@example.com") })
	if !as[*sestypes.MessageRejected](err) {
		t.Errorf("v1, a return path that is not verified: %v", err)
	}
	err = v1(func(in *ses.SendEmailInput) { in.ConfigurationSetName = aws.String("none") })
	if !as[*sestypes.ConfigurationSetDoesNotExistException](err) {
		t.Errorf("v1, no such set: %v", err)
	}
	err = v2(func(in *sesv2.SendEmailInput) { in.ConfigurationSetName = aws.String("none") })
	if !as[*types.NotFoundException](err) || code(err) != "NotFoundException: Configuration set <none> does not exist." {
		t.Errorf("v2, no such set: %v", err)
	}
	err = v2(func(in *sesv2.SendEmailInput) { in.Destination.ToAddresses = []string{"bob"} })
	if !as[*types.BadRequestException](err) || code(err) != "BadRequestException: Missing final '@domain'" {
		t.Errorf("v2, no address: %v", err)
	}
	err = v2(func(in *sesv2.SendEmailInput) {
		in.Content = &types.EmailContent{Template: &types.Template{TemplateName: aws.String("x")}}
	})
	if err == nil {
		t.Error("a template that is not there was sent")
	}

	if _, err := r.v2.PutAccountSendingAttributes(ctx, &sesv2.PutAccountSendingAttributesInput{}); err != nil {
		t.Fatal(err)
	}
	if err := v1(func(*ses.SendEmailInput) {}); !as[*sestypes.AccountSendingPausedException](err) {
		t.Errorf("v1, paused: %v", err)
	}
	if err := v2(func(*sesv2.SendEmailInput) {}); !as[*types.SendingPausedException](err) {
		t.Errorf("v2, paused: %v", err)
	}
	a, err := r.v2.GetAccount(ctx, &sesv2.GetAccountInput{})
	if err != nil || a.SendingEnabled || !a.ProductionAccessEnabled || a.SendQuota.Max24HourSend != -1 {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := r.v1.UpdateAccountSendingEnabled(ctx, &ses.UpdateAccountSendingEnabledInput{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	if e, err := r.v1.GetAccountSendingEnabled(ctx, &ses.GetAccountSendingEnabledInput{}); err != nil || !e.Enabled {
		t.Errorf("%+v, %v", e, err)
	}

	one := int64(1)
	if _, err := r.admin().ChangeAccount(ctx, admin.AccountChange{Account: "default", Quota: &one}); err != nil {
		t.Fatal(err)
	}
	if err := v1(func(*ses.SendEmailInput) {}); err != nil {
		t.Fatal(err)
	}
	if err := v1(func(*ses.SendEmailInput) {}); code(err) != "Throttling: Daily message quota exceeded." {
		t.Errorf("v1, over the quota: %v", err)
	}
	if err := v2(func(*sesv2.SendEmailInput) {}); !as[*types.LimitExceededException](err) {
		t.Errorf("v2, over the quota: %v", err)
	}
	if q, err := r.v1.GetSendQuota(ctx, &ses.GetSendQuotaInput{}); err != nil || q.SentLast24Hours != 1 || q.Max24HourSend != 1 {
		t.Errorf("%+v, %v", q, err)
	}
}

func TestARepeatUnderAKeyIsSentOnce(t *testing.T) {
	r := newAPI(t)
	send := func(key string) string {
		out, err := r.v2.SendEmail(t.Context(), simple("ann@example.org", "bob@example.net"), func(o *sesv2.Options) {
			o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("Idempotency-Key", key))
		})
		if err != nil {
			t.Fatal(err)
		}
		return *out.MessageId
	}
	first := send("order 1")
	if again := send("order 1"); again != first {
		t.Errorf("the repeat has the id %s, not %s", again, first)
	}
	if other := send("order 2"); other == first {
		t.Error("another key has the same id")
	}
	letter := "From: ann@example.org\r\nX-Sesame-Idempotency-Key: order 3\r\n\r\nhi\r\n"
	one, err := r.send("ann@example.org", []string{"bob@example.net"}, letter)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := r.send("ann@example.org", []string{"bob@example.net"}, letter); err != nil || one != two {
		t.Errorf("by SMTP: %q and %q, %v", one, two, err)
	}
	for _, m := range r.arrived(3) {
		if bytes.Contains(m.Data, []byte("Idempotency")) {
			t.Error("the key left the house")
		}
	}
	r.empty()
	if n := r.mx.Count(); n != 3 {
		t.Errorf("%d messages were sent", n)
	}
}
