package daemon_test

import (
	"context"
	"errors"
	"net/http"
	netmail "net/mail"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	sestypes "github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"

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
