package daemon_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/api/admin"
)

// as gives the clients of another account, which is made in the sandbox.
func (r *apiRelay) as(name string) (*ses.Client, *sesv2.Client) {
	r.t.Helper()
	if _, err := r.admin().CreateAccount(r.t.Context(), admin.AccountChange{Account: name}); err != nil {
		r.t.Fatal(err)
	}
	c, err := r.admin().CreateCredential(r.t.Context(), name)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.clients(c.AccessKeyID, c.SecretAccessKey, r.cfg.Region)
}

// wantCode checks which error the API answered.
func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if got := code(err); !strings.HasPrefix(got, want) || want == "" && got != "" {
		t.Errorf("answered %q, want %q", got, want)
	}
}

func TestTheOwnerOfAnAccountAsksForProduction(t *testing.T) {
	r := newAPI(t)
	ctx := t.Context()
	_, v2 := r.as("shop")
	get := func() *sesv2.GetAccountOutput {
		t.Helper()
		out, err := v2.GetAccount(ctx, &sesv2.GetAccountInput{})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	a := get()
	if a.ProductionAccessEnabled || !a.SendingEnabled || *a.EnforcementStatus != "HEALTHY" || a.Details != nil ||
		a.SendQuota.Max24HourSend != 200 || a.SendQuota.MaxSendRate != 1 || a.SendQuota.SentLast24Hours != 0 ||
		len(a.SuppressionAttributes.SuppressedReasons) != 2 || a.VdmAttributes.VdmEnabled != types.FeatureStatusDisabled {
		t.Errorf("new account: %+v", a)
	}
	in := &sesv2.PutAccountDetailsInput{MailType: types.MailTypeTransactional, WebsiteURL: aws.String("https://example.org"),
		ContactLanguage: types.ContactLanguageEn, ProductionAccessEnabled: aws.Bool(true),
		AdditionalContactEmailAddresses: []string{"ann@example.org"}}
	if _, err := v2.PutAccountDetails(ctx, in); err != nil {
		t.Fatal(err)
	}
	want := &types.AccountDetails{MailType: "TRANSACTIONAL", WebsiteURL: in.WebsiteURL, ContactLanguage: "EN",
		AdditionalContactEmailAddresses: in.AdditionalContactEmailAddresses, ReviewDetails: &types.ReviewDetails{Status: types.ReviewStatusPending}}
	if diff := cmp.Diff(fmt.Sprintf("%+v", show(want)), fmt.Sprintf("%+v", show(get().Details))); diff != "" {
		t.Error(diff)
	}
	_, err := v2.PutAccountDetails(ctx, in)
	wantCode(t, err, "ConflictException")
	if _, err := r.admin().ChangeAccount(ctx, admin.AccountChange{Account: "shop", Deny: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.admin().ChangeAccount(ctx, admin.AccountChange{Account: "shop", Deny: true}); err == nil {
		t.Error("denied twice")
	}
	if s := get().Details.ReviewDetails.Status; s != types.ReviewStatusDenied {
		t.Errorf("after a no: %s", s)
	}
	if _, err := v2.PutAccountDetails(ctx, in); err != nil {
		t.Errorf("asked again: %v", err)
	}
	shown, err := r.admin().ChangeAccount(ctx, admin.AccountChange{Account: "shop", Production: aws.Bool(true), Quota: aws.Int64(50_000), Rate: aws.Float64(14)})
	if err != nil || shown.Review != "GRANTED" || shown.Details.WebsiteURL != *in.WebsiteURL {
		t.Fatalf("%+v, %v", shown, err)
	}
	if a := get(); !a.ProductionAccessEnabled || a.Details.ReviewDetails.Status != types.ReviewStatusGranted || a.SendQuota.Max24HourSend != 50_000 {
		t.Errorf("after a yes: %+v", a)
	}
	for name, alter := range map[string]func(*sesv2.PutAccountDetailsInput){
		"production given up": func(in *sesv2.PutAccountDetailsInput) { in.ProductionAccessEnabled = aws.Bool(false) },
		"another kind":        func(in *sesv2.PutAccountDetailsInput) { in.MailType = "SPAM" },
		"another language":    func(in *sesv2.PutAccountDetailsInput) { in.ContactLanguage = "DE" },
		"no site":             func(in *sesv2.PutAccountDetailsInput) { in.WebsiteURL = aws.String("example.org") },
	} {
		bad := *in
		alter(&bad)
		_, err := v2.PutAccountDetails(ctx, &bad)
		if got := code(err); !strings.HasPrefix(got, "BadRequestException: ") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// show takes the pointers out of details.
func show(d *types.AccountDetails) []any {
	return []any{d.MailType, *d.WebsiteURL, d.ContactLanguage, d.AdditionalContactEmailAddresses, *d.ReviewDetails}
}

func TestTheSuppressionListByTheAPI(t *testing.T) {
	r := newAPI(t)
	ctx := t.Context()
	put := func(address string, reason types.SuppressionListReason) {
		t.Helper()
		if _, err := r.v2.PutSuppressedDestination(ctx, &sesv2.PutSuppressedDestinationInput{EmailAddress: &address, Reason: reason}); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-time.Second)
	put("Ann+news@Example.NET", "BOUNCE")
	put("bob@example.net", "BOUNCE")
	put("bob@example.net", "COMPLAINT")
	put("eve@example.net", "BOUNCE")
	if _, err := r.admin().Suppress(ctx, admin.SuppressRequest{Account: "default", Address: "left@example.net", Reason: "UNSUBSCRIBE", List: "news"}); err != nil {
		t.Fatal(err)
	}
	got, err := r.v2.GetSuppressedDestination(ctx, &sesv2.GetSuppressedDestinationInput{EmailAddress: aws.String("ann+NEWS@example.net")})
	if err != nil {
		t.Fatal(err)
	}
	if d := got.SuppressedDestination; *d.EmailAddress != "Ann+news@example.net" || d.Reason != "BOUNCE" || d.LastUpdateTime.Before(before) || d.Attributes != nil {
		t.Errorf("got %+v", d)
	}
	list := func(in sesv2.ListSuppressedDestinationsInput) (all []string) {
		t.Helper()
		pages := sesv2.NewListSuppressedDestinationsPaginator(r.v2, &in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page.SuppressedDestinationSummaries {
				all = append(all, *s.EmailAddress+" "+string(s.Reason))
			}
		}
		return all
	}
	all := []string{"Ann+news@example.net BOUNCE", "bob@example.net COMPLAINT", "eve@example.net BOUNCE"}
	hour := time.Hour
	for name, tt := range map[string]struct {
		in   sesv2.ListSuppressedDestinationsInput
		want []string
	}{
		"all":         {sesv2.ListSuppressedDestinationsInput{}, all},
		"one a page":  {sesv2.ListSuppressedDestinationsInput{PageSize: aws.Int32(1)}, all},
		"two a page":  {sesv2.ListSuppressedDestinationsInput{PageSize: aws.Int32(2)}, all},
		"complaints":  {sesv2.ListSuppressedDestinationsInput{Reasons: []types.SuppressionListReason{"COMPLAINT"}}, all[1:2]},
		"both":        {sesv2.ListSuppressedDestinationsInput{Reasons: []types.SuppressionListReason{"COMPLAINT", "BOUNCE"}}, all},
		"since then":  {sesv2.ListSuppressedDestinationsInput{StartDate: aws.Time(before)}, all},
		"since later": {sesv2.ListSuppressedDestinationsInput{StartDate: aws.Time(before.Add(hour))}, nil},
		"until then":  {sesv2.ListSuppressedDestinationsInput{EndDate: aws.Time(before)}, nil},
		"until later": {sesv2.ListSuppressedDestinationsInput{EndDate: aws.Time(before.Add(hour))}, all},
	} {
		if diff := cmp.Diff(tt.want, list(tt.in)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	_, other := r.as("shop")
	for name, tt := range map[string]struct {
		call func() error
		want string
	}{
		"a token of nobody": {func() error {
			_, err := r.v2.ListSuppressedDestinations(ctx, &sesv2.ListSuppressedDestinationsInput{NextToken: aws.String("x")})
			return err
		}, "InvalidNextTokenException"},
		"a page of less than nothing": {func() error {
			_, err := r.v2.ListSuppressedDestinations(ctx, &sesv2.ListSuppressedDestinationsInput{PageSize: aws.Int32(-1)})
			return err
		}, "BadRequestException: 1 validation error detected: Value at 'pageSize' failed to satisfy constraint"},
		"not on the list": {func() error {
			_, err := r.v2.GetSuppressedDestination(ctx, &sesv2.GetSuppressedDestinationInput{EmailAddress: aws.String("left@example.net")})
			return err
		}, "NotFoundException: Email address left@example.net does not exist on your suppression list."},
		"not there to delete": {func() error {
			_, err := r.v2.DeleteSuppressedDestination(ctx, &sesv2.DeleteSuppressedDestinationInput{EmailAddress: aws.String("x@example.net")})
			return err
		}, "NotFoundException: "},
		"no address": {func() error {
			_, err := r.v2.GetSuppressedDestination(ctx, &sesv2.GetSuppressedDestinationInput{EmailAddress: aws.String("ann")})
			return err
		}, "BadRequestException: "},
		"a reason that is ours": {func() error {
			_, err := r.v2.PutSuppressedDestination(ctx, &sesv2.PutSuppressedDestinationInput{EmailAddress: aws.String("x@example.net"), Reason: "UNSUBSCRIBE"})
			return err
		}, "BadRequestException: 1 validation error detected: Value at 'reason' failed to satisfy constraint: Member must satisfy enum value set: [BOUNCE, COMPLAINT]"},
		"of a tenant": {func() error {
			_, err := r.v2.GetSuppressedDestination(ctx, &sesv2.GetSuppressedDestinationInput{EmailAddress: aws.String("bob@example.net"), TenantName: aws.String("t")})
			return err
		}, "UnknownOperationException: Unavailable Operation"},
		"in the sandbox": {func() error {
			_, err := other.PutSuppressedDestination(ctx, &sesv2.PutSuppressedDestinationInput{EmailAddress: aws.String("x@example.net"), Reason: "BOUNCE"})
			return err
		}, "BadRequestException: "},
		"of another account": {func() error {
			_, err := other.GetSuppressedDestination(ctx, &sesv2.GetSuppressedDestinationInput{EmailAddress: aws.String("bob@example.net")})
			return err
		}, "NotFoundException: "},
	} {
		if got := code(tt.call()); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if _, err := r.v2.DeleteSuppressedDestination(ctx, &sesv2.DeleteSuppressedDestinationInput{EmailAddress: aws.String("EVE@example.net")}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(all[:2], list(sesv2.ListSuppressedDestinationsInput{})); diff != "" {
		t.Errorf("after the delete: %s", diff)
	}
	for _, reasons := range [][]types.SuppressionListReason{{"COMPLAINT"}, {}, {"COMPLAINT", "BOUNCE"}} {
		if _, err := r.v2.PutAccountSuppressionAttributes(ctx, &sesv2.PutAccountSuppressionAttributesInput{SuppressedReasons: reasons}); err != nil {
			t.Fatal(err)
		}
		a, err := r.v2.GetAccount(ctx, &sesv2.GetAccountInput{})
		if err != nil || len(a.SuppressionAttributes.SuppressedReasons) != len(reasons) {
			t.Errorf("set %v, got %v, %v", reasons, a.SuppressionAttributes, err)
		}
	}
}

func TestStatisticsAndPausesByTheAPI(t *testing.T) {
	r := newAPI(t)
	ctx := t.Context()
	if _, err := r.v2.SendEmail(ctx, simple("ann@example.org", "bob@example.net", "eve@example.net")); err != nil {
		t.Fatal(err)
	}
	stats, err := r.v1.GetSendStatistics(ctx, &ses.GetSendStatisticsInput{})
	if err != nil || len(stats.SendDataPoints) == 0 {
		t.Fatalf("%+v, %v", stats, err)
	}
	n := int64(0)
	for _, p := range stats.SendDataPoints { // two, when a quarter ends just now
		if n += p.DeliveryAttempts; p.Bounces+p.Complaints+p.Rejects != 0 || time.Since(*p.Timestamp) > time.Hour {
			t.Errorf("point %+v", p)
		}
	}
	if n != 2 {
		t.Errorf("%d attempts", n)
	}
	if _, err := r.v2.PutAccountSendingAttributes(ctx, &sesv2.PutAccountSendingAttributesInput{}); err != nil {
		t.Fatal(err)
	}
	on, err := r.v1.GetAccountSendingEnabled(ctx, &ses.GetAccountSendingEnabledInput{})
	if err != nil || on.Enabled {
		t.Errorf("sending is %+v, %v", on, err)
	}
	_, err = r.v2.SendEmail(ctx, simple("ann@example.org", "bob@example.net"))
	wantCode(t, err, "SendingPausedException")
	if _, err := r.v1.UpdateAccountSendingEnabled(ctx, &ses.UpdateAccountSendingEnabledInput{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.admin().ChangeAccount(ctx, admin.AccountChange{Account: "default", Paused: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	a, err := r.v2.GetAccount(ctx, &sesv2.GetAccountInput{})
	if err != nil || a.SendingEnabled || *a.EnforcementStatus != "SHUTDOWN" || a.SendQuota.SentLast24Hours != 2 {
		t.Errorf("paused: %+v, %v", a, err)
	}
}
