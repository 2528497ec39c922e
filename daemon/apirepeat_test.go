package daemon_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// under gives a call a key.
func under(key string) func(*sesv2.Options) {
	return func(o *sesv2.Options) {
		o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("Idempotency-Key", key))
	}
}

func TestARepeatOfManyIsSentOnceEach(t *testing.T) {
	r := newAPI(t)
	r.createTemplate("hello", "hello {{name}}", "hello")
	key := strings.Repeat("k", 255) // the longest
	bulk := func() (ids []string) {
		t.Helper()
		in := &sesv2.SendBulkEmailInput{FromEmailAddress: aws.String("ann@example.org"), DefaultContent: &types.BulkEmailContent{
			Template: &types.Template{TemplateName: aws.String("hello"), TemplateData: aws.String(`{"name":"you"}`)}}}
		for _, to := range []string{"bob@example.net", "eve@example.net"} {
			in.BulkEmailEntries = append(in.BulkEmailEntries, types.BulkEmailEntry{Destination: &types.Destination{ToAddresses: []string{to}}})
		}
		out, err := r.v2.SendBulkEmail(t.Context(), in, under(key))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.BulkEmailEntryResults {
			if e.Status != types.BulkEmailStatusSuccess {
				t.Fatalf("%s: %s", e.Status, aws.ToString(e.Error))
			}
			ids = append(ids, *e.MessageId)
		}
		return ids
	}
	first := bulk()
	if again := bulk(); !slices.Equal(first, again) || first[0] == first[1] {
		t.Errorf("sent %v, and again %v", first, again)
	}
	for _, like := range []string{key, key[2:] + " 1"} { // a key of one message is none of many
		out, err := r.v2.SendEmail(t.Context(), simple("ann@example.org", "bob@example.net"), under(like))
		if err != nil || slices.Contains(first, *out.MessageId) {
			t.Errorf("another call: %+v, %v", out, err)
		}
	}
	_, err := r.v2.SendEmail(t.Context(), simple("ann@example.org", "bob@example.net"), under(key+"k"))
	wantCode(t, err, "BadRequestException: Idempotency key cannot exceed 255 characters.")
	r.arrived(4)
	r.empty()
	if n := r.mx.Count(); n != 4 {
		t.Errorf("%d messages were sent", n)
	}
}
