package api_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdkv1 "github.com/aws/aws-sdk-go-v2/service/ses"
	v1types "github.com/aws/aws-sdk-go-v2/service/ses/types"
	sdkv2 "github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/account/topic"
	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/api/ses"
	"github.com/sesame-mta/sesame/api/sesv2"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/store/bolt"
)

// owner is the account of the caller.
const owner = "000000000001"

// registry is a house whose books of identities and what belongs to them are real,
// and the official clients.
type registry struct {
	*house
	rooms *api.Rooms
	v1    *sdkv1.Client
	v2    *sdkv2.Client
	mu    sync.Mutex
	links []string // addresses that links were mailed to
	fail  error    // of the mail
}

func newRegistry(t *testing.T, alter ...func(*identity.Options, *api.Rooms)) *registry {
	t.Helper()
	dir := t.TempDir()
	books, err := bolt.OpenBooks(bolt.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = books.Close() })
	key, err := keyfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := &registry{rooms: &api.Rooms{Region: region, Domain: "mail.example.org"}}
	g.rooms.MailLink = g.mailLink
	o := identity.Options{Directory: books, Keys: key, Host: "mx1.example.org", Service: "mail.example.org"}
	for _, f := range alter {
		f(&o, g.rooms)
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	g.rooms.Identities, err = identity.Open(t.Context(), o)
	must(err)
	g.rooms.Sets, err = configset.Open(t.Context(), configset.Options{Directory: books})
	must(err)
	g.rooms.Topics, err = topic.Open(t.Context(), topic.Options{Directory: books, Region: region,
		Destinations: func() *destination.Book { return g.rooms.Destinations }})
	must(err)
	g.rooms.Destinations, err = destination.Open(t.Context(), destination.Options{Directory: books, Keys: key})
	must(err)
	g.house = newHouse(t, func(o *api.Options) { o.Query, o.REST = ses.New(g.rooms), sesv2.New(g.rooms) })
	s := httptest.NewServer(g.door)
	t.Cleanup(s.Close)
	who := credentials.NewStaticCredentialsProvider(keyID, secret, "")
	g.v1 = sdkv1.New(sdkv1.Options{Region: region, BaseEndpoint: &s.URL, Credentials: who, Retryer: aws.NopRetryer{}})
	g.v2 = sdkv2.New(sdkv2.Options{Region: region, BaseEndpoint: &s.URL, Credentials: who, Retryer: aws.NopRetryer{}})
	return g
}

func (g *registry) mailLink(_ context.Context, i identity.Identity, link string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail != nil {
		return g.fail
	}
	g.links = append(g.links, i.Name)
	if link == "" {
		g.t.Error("an empty link")
	}
	return nil
}

// said gives code and text of an error that the API answered.
func said(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode() + ": " + e.ErrorMessage()
	}
	return fmt.Sprint(err)
}

// refuses fails the test unless the call gave an error that begins so.
func refuses(t *testing.T, err error, want string) {
	t.Helper()
	if got := said(err); !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// does gives what a call gave, and fails the test unless it worked.
func does[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(said(err))
		}
		return out
	}
}

// rsaKey gives a private key as the API wants it.
func rsaKey(t *testing.T) *string {
	t.Helper()
	key := does(rsa.GenerateKey(rand.Reader, 1024))(t)
	return aws.String(base64.StdEncoding.EncodeToString(does(x509.MarshalPKCS8PrivateKey(key))(t)))
}

func TestADomainByVersion2(t *testing.T) {
	g := newRegistry(t)
	ctx := t.Context()
	if _, err := g.rooms.Sets.Create(ctx, configset.Set{Account: owner, Name: "news", TLS: configset.Optional}); err != nil {
		t.Fatal(err)
	}
	name := aws.String("Example.ORG")
	made := does(g.v2.CreateEmailIdentity(ctx, &sdkv2.CreateEmailIdentityInput{EmailIdentity: name, ConfigurationSetName: aws.String("news"),
		DkimSigningAttributes: &types.DkimSigningAttributes{NextSigningKeyLength: types.DkimSigningKeyLengthRsa2048Bit},
		Tags:                  []types.Tag{{Key: aws.String("team"), Value: aws.String("red")}, {Key: aws.String("empty"), Value: aws.String("")}}}))(t)
	d := made.DkimAttributes
	if made.IdentityType != types.IdentityTypeDomain || made.VerifiedForSendingStatus || d.Status != types.DkimStatusPending || !d.SigningEnabled ||
		len(d.Tokens) != 3 || len(d.Tokens[0]) != 32 || *d.SigningHostedZone != "dkim.mail.example.org" || d.SigningAttributesOrigin != types.DkimSigningAttributesOriginAwsSes ||
		d.CurrentSigningKeyLength != types.DkimSigningKeyLengthRsa2048Bit || d.LastKeyGenerationTimestamp == nil {
		t.Errorf("created %+v, %+v", made, d)
	}
	_, err := g.v2.CreateEmailIdentity(ctx, &sdkv2.CreateEmailIdentityInput{EmailIdentity: name})
	refuses(t, err, "AlreadyExistsException: Email identity Example.ORG already exist.")

	id := aws.String("example.org")
	does(g.v2.PutEmailIdentityMailFromAttributes(ctx, &sdkv2.PutEmailIdentityMailFromAttributesInput{EmailIdentity: id,
		MailFromDomain: aws.String("bounce.example.org"), BehaviorOnMxFailure: types.BehaviorOnMxFailureRejectMessage}))(t)
	does(g.v2.PutEmailIdentityFeedbackAttributes(ctx, &sdkv2.PutEmailIdentityFeedbackAttributesInput{EmailIdentity: id}))(t)
	does(g.v2.PutEmailIdentityDkimAttributes(ctx, &sdkv2.PutEmailIdentityDkimAttributesInput{EmailIdentity: id}))(t)
	d.SigningEnabled = false
	want := &sdkv2.GetEmailIdentityOutput{
		IdentityType: types.IdentityTypeDomain, VerificationStatus: types.VerificationStatusPending, VerificationInfo: &types.VerificationInfo{},
		ConfigurationSetName: aws.String("news"), DkimAttributes: d, Policies: map[string]string{},
		MailFromAttributes: &types.MailFromAttributes{MailFromDomain: aws.String("bounce.example.org"),
			MailFromDomainStatus: types.MailFromDomainStatusPending, BehaviorOnMxFailure: types.BehaviorOnMxFailureRejectMessage},
		Tags: []types.Tag{{Key: aws.String("empty"), Value: aws.String("")}, {Key: aws.String("team"), Value: aws.String("red")}},
	}
	get := func() *sdkv2.GetEmailIdentityOutput {
		t.Helper()
		return does(g.v2.GetEmailIdentity(ctx, &sdkv2.GetEmailIdentityInput{EmailIdentity: id}))(t)
	}
	same := func() {
		t.Helper()
		ignore := cmpopts.IgnoreFields(sdkv2.GetEmailIdentityOutput{}, "ResultMetadata", "noSmithyDocumentSerde")
		if diff := cmp.Diff(want, get(), ignore, cmpopts.IgnoreUnexported(types.DkimAttributes{}, types.MailFromAttributes{}, types.Tag{}, types.VerificationInfo{})); diff != "" {
			t.Error(diff)
		}
	}
	same()
	does(g.v2.PutEmailIdentityMailFromAttributes(ctx, &sdkv2.PutEmailIdentityMailFromAttributesInput{EmailIdentity: id}))(t)
	does(g.v2.PutEmailIdentityFeedbackAttributes(ctx, &sdkv2.PutEmailIdentityFeedbackAttributesInput{EmailIdentity: id, EmailForwardingEnabled: true}))(t)
	does(g.v2.PutEmailIdentityDkimAttributes(ctx, &sdkv2.PutEmailIdentityDkimAttributesInput{EmailIdentity: id, SigningEnabled: true}))(t)
	does(g.v2.PutEmailIdentityConfigurationSetAttributes(ctx, &sdkv2.PutEmailIdentityConfigurationSetAttributesInput{EmailIdentity: id}))(t)
	want.MailFromAttributes = &types.MailFromAttributes{BehaviorOnMxFailure: types.BehaviorOnMxFailureUseDefaultValue}
	want.FeedbackForwardingStatus, d.SigningEnabled, want.ConfigurationSetName = true, true, nil
	same()
	if p := does(g.v2.GetEmailIdentityPolicies(ctx, &sdkv2.GetEmailIdentityPoliciesInput{EmailIdentity: id}))(t); len(p.Policies) != 0 {
		t.Errorf("policies %v", p.Policies)
	}
	does(g.v2.DeleteEmailIdentity(ctx, &sdkv2.DeleteEmailIdentityInput{EmailIdentity: id}))(t)
	_, err = g.v2.DeleteEmailIdentity(ctx, &sdkv2.DeleteEmailIdentityInput{EmailIdentity: id})
	refuses(t, err, "NotFoundException: Email identity example.org does not exist.")
}

func TestOwnersBringTheirKeysByVersion2(t *testing.T) {
	g := newRegistry(t)
	ctx := t.Context()
	id := aws.String("example.org")
	first, second := rsaKey(t), rsaKey(t)
	does(g.v2.CreateEmailIdentity(ctx, &sdkv2.CreateEmailIdentityInput{EmailIdentity: id,
		DkimSigningAttributes: &types.DkimSigningAttributes{DomainSigningSelector: aws.String("one"), DomainSigningPrivateKey: first}}))(t)
	put := func(origin types.DkimSigningAttributesOrigin, a *types.DkimSigningAttributes) (*sdkv2.PutEmailIdentityDkimSigningAttributesOutput, error) {
		return g.v2.PutEmailIdentityDkimSigningAttributes(ctx, &sdkv2.PutEmailIdentityDkimSigningAttributesInput{EmailIdentity: id,
			SigningAttributesOrigin: origin, SigningAttributes: a})
	}
	external, easy := types.DkimSigningAttributesOriginExternal, types.DkimSigningAttributesOriginAwsSes
	is := func(origin types.DkimSigningAttributesOrigin, token string) {
		t.Helper()
		d := does(g.v2.GetEmailIdentity(ctx, &sdkv2.GetEmailIdentityInput{EmailIdentity: id}))(t).DkimAttributes
		if d.SigningAttributesOrigin != origin || len(d.Tokens) == 0 || token != "" && d.Tokens[0] != token || (d.SigningHostedZone != nil) != (origin == easy) {
			t.Errorf("%+v, want %s, %s", d, origin, token)
		}
	}
	is(external, "one")
	out := does(put(external, &types.DkimSigningAttributes{DomainSigningSelector: aws.String("two"), DomainSigningPrivateKey: second}))(t)
	if out.DkimStatus != types.DkimStatusPending || len(out.DkimTokens) != 1 || out.DkimTokens[0] != "two" || out.SigningHostedZone != nil {
		t.Errorf("%+v", out)
	}
	is(external, "two")
	out = does(put(easy, &types.DkimSigningAttributes{NextSigningKeyLength: types.DkimSigningKeyLengthRsa2048Bit}))(t)
	if len(out.DkimTokens) != 3 || *out.SigningHostedZone != "dkim.mail.example.org" {
		t.Errorf("%+v", out)
	}
	is(easy, out.DkimTokens[0])
	does(put(easy, nil))(t)
	is(easy, out.DkimTokens[0])
	does(put(external, &types.DkimSigningAttributes{DomainSigningSelector: aws.String("one"), DomainSigningPrivateKey: first}))(t)
	is(external, "one")

	selector, key := aws.String("x"), rsaKey(t)
	for name, tt := range map[string]struct {
		origin types.DkimSigningAttributesOrigin
		a      *types.DkimSigningAttributes
		want   string
	}{
		"no key":     {external, nil, "must hold a key"},
		"half a key": {external, &types.DkimSigningAttributes{DomainSigningSelector: selector}, "must be given together"},
		"a key that is none": {external, &types.DkimSigningAttributes{DomainSigningSelector: selector, DomainSigningPrivateKey: aws.String("AAAA")},
			"identity example.org: cannot be set"},
		"a selector that is none": {external, &types.DkimSigningAttributes{DomainSigningSelector: aws.String("a b"), DomainSigningPrivateKey: key}, "identity example.org: cannot be set"},
		"a long key":              {external, &types.DkimSigningAttributes{DomainSigningSelector: selector, DomainSigningPrivateKey: aws.String(strings.Repeat("A", 20481))}, "1 validation error"},
		"a key for Easy DKIM":     {easy, &types.DkimSigningAttributes{DomainSigningSelector: selector, DomainSigningPrivateKey: key}, "must hold a key"},
		"a short key":             {easy, &types.DkimSigningAttributes{NextSigningKeyLength: types.DkimSigningKeyLengthRsa1024Bit}, "Keys of 1024 bits"},
		"an unknown length":       {easy, &types.DkimSigningAttributes{NextSigningKeyLength: "RSA_1"}, "1 validation error detected: Value at 'dkimSigningAttributes.nextSigningKeyLength'"},
		"another region":          {types.DkimSigningAttributesOriginAwsSesUsEast1, nil, "SigningAttributesOrigin must be"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := put(tt.origin, tt.a)
			if got := said(err); !strings.HasPrefix(got, "BadRequestException: ") || !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestIdentitiesAreListedInPages(t *testing.T) {
	g := newRegistry(t)
	ctx := t.Context()
	for _, name := range []string{"a.example.org", "ann@example.org", "b.example.org", "bob@example.org", "c.example.org"} {
		if _, err := g.rooms.Identities.Add(ctx, owner, name, identity.AddOptions{Verified: name[0] != 'b'}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.rooms.Identities.Add(ctx, "000000000002", "other.example.org", identity.AddOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.rooms.Identities.Pause(ctx, owner, "c.example.org", true); err != nil {
		t.Fatal(err)
	}
	var v2 []string
	pages := sdkv2.NewListEmailIdentitiesPaginator(g.v2, &sdkv2.ListEmailIdentitiesInput{PageSize: aws.Int32(2)})
	for pages.HasMorePages() {
		page := does(pages.NextPage(ctx))(t)
		if len(page.EmailIdentities) > 2 {
			t.Errorf("%d in a page", len(page.EmailIdentities))
		}
		for _, i := range page.EmailIdentities {
			v2 = append(v2, fmt.Sprint(*i.IdentityName, " ", i.IdentityType, " ", i.SendingEnabled, " ", i.VerificationStatus))
		}
	}
	if diff := cmp.Diff([]string{"a.example.org DOMAIN true SUCCESS", "ann@example.org EMAIL_ADDRESS true SUCCESS", "b.example.org DOMAIN false PENDING",
		"bob@example.org EMAIL_ADDRESS false NOT_STARTED", "c.example.org DOMAIN false SUCCESS"}, v2); diff != "" {
		t.Error(diff)
	}
	// Older SDKs ask by GET.
	if a := g.call("GET", "/v2/email/identities?PageSize=1", ""); !strings.Contains(a.body, "a.example.org") || strings.Contains(a.body, "ann@") {
		t.Errorf("by GET: %s", a.body)
	}
	for kind, want := range map[v1types.IdentityType]string{"": "a.example.org ann@example.org b.example.org bob@example.org c.example.org",
		v1types.IdentityTypeDomain: "a.example.org b.example.org c.example.org", v1types.IdentityTypeEmailAddress: "ann@example.org bob@example.org"} {
		var v1 []string
		pages := sdkv1.NewListIdentitiesPaginator(g.v1, &sdkv1.ListIdentitiesInput{IdentityType: kind, MaxItems: aws.Int32(2)})
		for pages.HasMorePages() {
			v1 = append(v1, does(pages.NextPage(ctx))(t).Identities...)
		}
		if got := strings.Join(v1, " "); got != want {
			t.Errorf("%q: %s", kind, got)
		}
	}
	if l := does(g.v1.ListVerifiedEmailAddresses(ctx, &sdkv1.ListVerifiedEmailAddressesInput{}))(t); strings.Join(l.VerifiedEmailAddresses, " ") != "ann@example.org" {
		t.Errorf("verified are %v", l.VerifiedEmailAddresses)
	}
	_, err := g.v2.ListEmailIdentities(ctx, &sdkv2.ListEmailIdentitiesInput{NextToken: aws.String("x")})
	refuses(t, err, "InvalidNextTokenException: ")
	_, err = g.v2.ListEmailIdentities(ctx, &sdkv2.ListEmailIdentitiesInput{Filter: map[string]string{"a": "b"}})
	refuses(t, err, "BadRequestException: 1 validation error detected: Value at 'filter'")
	for want, filter := range map[string]map[string]string{
		"b.example.org": {"IDENTITY_NAME_CONTAINS": "B", "IDENTITY_TYPE": "DOMAIN"}, "bob@example.org": {"VERIFICATION_STATUS": "NOT_STARTED"},
	} {
		list := does(g.v2.ListEmailIdentities(ctx, &sdkv2.ListEmailIdentitiesInput{Filter: filter}))(t).EmailIdentities
		if len(list) != 1 || *list[0].IdentityName != want {
			t.Errorf("%v gives %+v", filter, list)
		}
	}
	_, err = g.v1.ListIdentities(ctx, &sdkv1.ListIdentitiesInput{NextToken: aws.String("x")})
	refuses(t, err, "InvalidParameterValue: ")
	_, err = g.v1.ListIdentities(ctx, &sdkv1.ListIdentitiesInput{IdentityType: "Zone"})
	refuses(t, err, "ValidationError: 1 validation error detected: Value at 'identityType' failed to satisfy constraint: Member must satisfy enum value set: [EmailAddress, Domain]")
}

func TestResourcesHaveTags(t *testing.T) {
	g := newRegistry(t)
	ctx := t.Context()
	if _, err := g.rooms.Identities.Add(ctx, owner, "ann@example.org", identity.AddOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.rooms.Sets.Create(ctx, configset.Set{Account: owner, Name: "news", TLS: configset.Optional}); err != nil {
		t.Fatal(err)
	}
	prefix := "arn:aws:ses:" + region + ":" + owner + ":"
	for _, arn := range []string{prefix + "identity/ann@example.org", prefix + "configuration-set/news"} {
		tag := func(key, value string) {
			t.Helper()
			does(g.v2.TagResource(ctx, &sdkv2.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: &key, Value: &value}}}))(t)
		}
		tag("b", "1")
		tag("a", "")
		tag("b", "2 3")
		tag("c", "x")
		does(g.v2.UntagResource(ctx, &sdkv2.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"c", "none"}}))(t)
		got := ""
		for _, l := range does(g.v2.ListTagsForResource(ctx, &sdkv2.ListTagsForResourceInput{ResourceArn: &arn}))(t).Tags {
			got += *l.Key + "=" + *l.Value + ";"
		}
		if got != "a=;b=2 3;" {
			t.Errorf("%s: %s", arn, got)
		}
		_, err := g.v2.TagResource(ctx, &sdkv2.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: aws.String(strings.Repeat("k", 129)), Value: aws.String("")}}})
		refuses(t, err, "BadRequestException: ")
	}
	for arn, want := range map[string]string{
		prefix + "identity/bob@example.org":                            "NotFoundException: Email identity bob@example.org does not exist.",
		prefix + "configuration-set/none":                              "NotFoundException: Configuration set <none> does not exist.",
		prefix + "contact-list/x":                                      "NotFoundException: ",
		"arn:aws:ses:" + region + ":000000000002:identity/example.org": "BadRequestException: Invalid ARN",
		"example.org": "BadRequestException: Invalid ARN",
	} {
		_, err := g.v2.ListTagsForResource(ctx, &sdkv2.ListTagsForResourceInput{ResourceArn: &arn})
		refuses(t, err, want)
		_, err = g.v2.TagResource(ctx, &sdkv2.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
		refuses(t, err, want)
	}
}

func TestAddressesAreVerifiedByALink(t *testing.T) {
	g := newRegistry(t)
	ctx := t.Context()
	ann := aws.String("ann@example.org")
	create := func() error {
		_, err := g.v2.CreateEmailIdentity(ctx, &sdkv2.CreateEmailIdentityInput{EmailIdentity: ann})
		return err
	}
	g.fail = errors.New("no room")
	refuses(t, create(), "InternalServiceErrorException: ")
	g.fail = nil
	if err := create(); err != nil {
		t.Fatal("what failed is in the way: ", said(err))
	}
	refuses(t, create(), "AlreadyExistsException: Email identity ann@example.org already exist.")
	// Again within a minute; the old name of the operation; and a new one.
	does(g.v1.VerifyEmailIdentity(ctx, &sdkv1.VerifyEmailIdentityInput{EmailAddress: ann}))(t)
	does(g.v1.VerifyEmailAddress(ctx, &sdkv1.VerifyEmailAddressInput{EmailAddress: aws.String("bob@example.org")}))(t)
	if got := strings.Join(g.links, " "); got != "ann@example.org bob@example.org" {
		t.Errorf("links went to %s", got)
	}
	out := does(g.v2.GetEmailIdentity(ctx, &sdkv2.GetEmailIdentityInput{EmailIdentity: ann}))(t)
	if out.VerificationStatus != types.VerificationStatusPending || out.IdentityType != types.IdentityTypeEmailAddress ||
		out.DkimAttributes.SigningEnabled || out.DkimAttributes.Status != types.DkimStatusNotStarted || len(out.DkimAttributes.Tokens) != 0 {
		t.Errorf("%+v, %+v", out, out.DkimAttributes)
	}
	does(g.v1.VerifyDomainDkim(ctx, &sdkv1.VerifyDomainDkimInput{Domain: aws.String("example.org")}))(t)
	if d := does(g.v2.GetEmailIdentity(ctx, &sdkv2.GetEmailIdentityInput{EmailIdentity: ann}))(t).DkimAttributes; !d.SigningEnabled || len(d.Tokens) != 3 {
		t.Errorf("with its domain: %+v", d)
	}
	does(g.v1.DeleteVerifiedEmailAddress(ctx, &sdkv1.DeleteVerifiedEmailAddressInput{EmailAddress: ann}))(t)
	_, err := g.v2.GetEmailIdentity(ctx, &sdkv2.GetEmailIdentityInput{EmailIdentity: ann})
	refuses(t, err, "NotFoundException: Email identity ann@example.org does not exist.")

	// No stranger gets many.
	for n := range 10 {
		if _, err = g.v1.VerifyEmailIdentity(ctx, &sdkv1.VerifyEmailIdentityInput{EmailAddress: aws.String(fmt.Sprintf("u%d@example.net", n))}); err != nil {
			break
		}
	}
	refuses(t, err, "Throttling: Rate exceeded")

	none := newRegistry(t, func(_ *identity.Options, r *api.Rooms) { r.MailLink = nil })
	_, err = none.v2.CreateEmailIdentity(ctx, &sdkv2.CreateEmailIdentityInput{EmailIdentity: ann})
	refuses(t, err, "BadRequestException: This server mails no links")
}
