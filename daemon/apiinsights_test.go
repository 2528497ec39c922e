package daemon_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/config"
)

// lived gives insights as lines, without the delays that come of chance.
func lived(list []types.EmailInsights) (out []string) {
	for _, to := range list {
		line := *to.Destination + ":"
		for _, e := range to.Events {
			line += " " + string(e.Type)
			if d := e.Details; d != nil && d.Bounce != nil {
				line += fmt.Sprintf("(%s %s %.3s)", d.Bounce.BounceType, *d.Bounce.BounceSubType, *d.Bounce.DiagnosticCode)
			}
			if d := e.Details; d != nil && d.Complaint != nil {
				line += "(" + aws.ToString(d.Complaint.ComplaintFeedbackType) + " " + aws.ToString(d.Complaint.ComplaintSubType) + ")"
			}
		}
		out = append(out, line)
	}
	return out
}

func TestTheLifeOfAMessageByTheAPI(t *testing.T) {
	r := newAPI(t, receives) // the record, with the tags, outlives the last recipient then
	ctx := t.Context()
	if _, err := r.v2.PutSuppressedDestination(ctx, &sesv2.PutSuppressedDestinationInput{EmailAddress: aws.String("eve@example.net"), Reason: "COMPLAINT"}); err != nil {
		t.Fatal(err)
	}
	in := simple("Ann <ann@example.org>", "bob@example.net", "eve@example.net", "bounce@simulator.amazonses.com", "suppressionlist@simulator.amazonses.com",
		"complaint@simulator.amazonses.com")
	in.EmailTags = []types.MessageTag{{Name: aws.String("campaign"), Value: aws.String("spring")}}
	sent, err := r.v2.SendEmail(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"bob@example.net: SEND DELIVERY",
		"eve@example.net: SEND COMPLAINT( OnAccountSuppressionList)",
		"bounce@simulator.amazonses.com: SEND BOUNCE(PERMANENT General 550)",
		"suppressionlist@simulator.amazonses.com: SEND BOUNCE(PERMANENT General 550)",
		"complaint@simulator.amazonses.com: SEND DELIVERY COMPLAINT(abuse )",
	}
	var got *sesv2.GetMessageInsightsOutput
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if got, err = r.v2.GetMessageInsights(ctx, &sesv2.GetMessageInsightsInput{MessageId: sent.MessageId}); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(lived(got.Insights), want) {
			break
		}
		<-time.After(50 * time.Millisecond)
	}
	if diff := cmp.Diff(want, lived(got.Insights)); diff != "" {
		t.Error(diff)
	}
	if *got.MessageId != *sent.MessageId || *got.FromEmailAddress != "ann@example.org" ||
		len(got.EmailTags) != 1 || *got.EmailTags[0].Name != "campaign" || *got.EmailTags[0].Value != "spring" {
		t.Errorf("%s of %s, tags %+v", *got.MessageId, *got.FromEmailAddress, got.EmailTags)
	}
	for _, e := range got.Insights[0].Events {
		if time.Since(*e.Timestamp) > time.Minute {
			t.Errorf("event at %v", e.Timestamp)
		}
	}
	_, other := r.as("shop")
	_, err = other.GetMessageInsights(ctx, &sesv2.GetMessageInsightsInput{MessageId: sent.MessageId})
	wantCode(t, err, "NotFoundException: Message "+*sent.MessageId+" does not exist.")
	_, err = r.v2.GetMessageInsights(ctx, &sesv2.GetMessageInsightsInput{MessageId: aws.String("nothing")})
	wantCode(t, err, "NotFoundException: ")
}

func TestWithoutATraceNoLifeIsTold(t *testing.T) {
	r := newAPI(t, func(c *config.Config) { c.Trace.Keep = 0 })
	sent, err := r.v2.SendEmail(t.Context(), simple("ann@example.org", "bob@example.net"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.v2.GetMessageInsights(t.Context(), &sesv2.GetMessageInsightsInput{MessageId: sent.MessageId})
	wantCode(t, err, "UnknownOperationException: Unavailable Operation")
}

func TestSourcesAreTheDedicatedIPsOfTheAPI(t *testing.T) {
	r := newAPI(t, func(c *config.Config) {
		for _, s := range []struct{ address, pool string }{{"127.0.0.3", "bulk"}, {"127.0.0.1", "default"}, {"127.0.0.2", "bulk"}} {
			c.Sources = append(c.Sources, config.Source{Name: s.address, Address: netip.MustParseAddr(s.address), EHLO: c.Hostname, Pool: s.pool})
		}
	})
	ctx := t.Context()
	list := func(pool *string) (out []string) {
		t.Helper()
		pages := sesv2.NewGetDedicatedIpsPaginator(r.v2, &sesv2.GetDedicatedIpsInput{PoolName: pool, PageSize: aws.Int32(1)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, ip := range page.DedicatedIps {
				out = append(out, fmt.Sprint(*ip.Ip, " ", *ip.PoolName, " ", ip.WarmupStatus, *ip.WarmupPercentage))
			}
		}
		return out
	}
	all := []string{"127.0.0.1 default DONE100", "127.0.0.2 bulk DONE100", "127.0.0.3 bulk DONE100"}
	if diff := cmp.Diff(all, list(nil)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(all[1:], list(aws.String("bulk"))); diff != "" {
		t.Error(diff)
	}
	one, err := r.v2.GetDedicatedIp(ctx, &sesv2.GetDedicatedIpInput{Ip: aws.String("127.0.0.3")})
	if err != nil || *one.DedicatedIp.PoolName != "bulk" {
		t.Errorf("%+v, %v", one, err)
	}
	pools, err := r.v2.ListDedicatedIpPools(ctx, &sesv2.ListDedicatedIpPoolsInput{})
	if err != nil || strings.Join(pools.DedicatedIpPools, " ") != "bulk default" || pools.NextToken != nil {
		t.Errorf("%+v, %v", pools, err)
	}
	pool, err := r.v2.GetDedicatedIpPool(ctx, &sesv2.GetDedicatedIpPoolInput{PoolName: aws.String("bulk")})
	if err != nil || pool.DedicatedIpPool.ScalingMode != types.ScalingModeStandard || *pool.DedicatedIpPool.PoolName != "bulk" {
		t.Errorf("%+v, %v", pool, err)
	}
	_, err = r.v2.GetDedicatedIp(ctx, &sesv2.GetDedicatedIpInput{Ip: aws.String("127.0.0.9")})
	wantCode(t, err, "NotFoundException")
	_, err = r.v2.GetDedicatedIpPool(ctx, &sesv2.GetDedicatedIpPoolInput{PoolName: aws.String("none")})
	wantCode(t, err, "NotFoundException")
	_, err = r.v2.PutDedicatedIpInPool(ctx, &sesv2.PutDedicatedIpInPoolInput{Ip: aws.String("127.0.0.1"), DestinationPoolName: aws.String("bulk")})
	wantCode(t, err, "UnknownOperationException: Unavailable Operation")
}

func TestAStoppedMessageIsARejectByTheAPI(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "clamd.ctl")
	clamd(t, socket)
	r := newAPI(t, func(c *config.Config) { c.Scan.Clamd = "unix:" + socket })
	sent, err := r.v2.SendEmail(t.Context(), &sesv2.SendEmailInput{FromEmailAddress: aws.String("ann@example.org"),
		Destination: &types.Destination{ToAddresses: []string{"bob@example.net"}},
		Content:     &types.EmailContent{Raw: &types.RawMessage{Data: []byte(hello + virus + "\r\n")}}})
	if err != nil {
		t.Fatal(err)
	}
	r.empty()
	got, err := r.v2.GetMessageInsights(t.Context(), &sesv2.GetMessageInsightsInput{MessageId: sent.MessageId})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bob@example.net: SEND REJECT"}, lived(got.Insights)); diff != "" {
		t.Error(diff)
	}
}
