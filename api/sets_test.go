package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdkv1 "github.com/aws/aws-sdk-go-v2/service/ses"
	v1 "github.com/aws/aws-sdk-go-v2/service/ses/types"
	sdkv2 "github.com/aws/aws-sdk-go-v2/service/sesv2"
	v2 "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/topic"
	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/store/bolt"
)

// openSets opens the books of configuration sets and who is told of them.
func openSets(t testing.TB, r *api.Rooms) {
	t.Helper()
	dir := t.TempDir()
	files, err := bolt.OpenBooks(bolt.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	key, err := keyfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r.Topics, err = topic.Open(t.Context(), topic.Options{Directory: files, Region: region,
		Destinations: func() *destination.Book { return r.Destinations },
		Token:        func(d destination.Destination) string { return "token-" + d.Name }}); err != nil {
		t.Fatal(err)
	}
	if r.Destinations, err = destination.Open(t.Context(), destination.Options{Directory: files, Keys: key, Exists: func(o destination.Owner) (err error) {
		if o.Topic != "" {
			_, err = r.Topics.Get(o.Account, o.Topic)
		}
		return err
	}}); err != nil {
		t.Fatal(err)
	}
	if r.Sets, err = configset.Open(t.Context(), configset.Options{Directory: files, Pools: []string{"bulk"},
		Removing: func(ctx context.Context, accountID, name string) error {
			return r.Destinations.DeleteAll(ctx, destination.Owner{Account: accountID, Set: name})
		}}); err != nil {
		t.Fatal(err)
	}
}

// clients serves the door to clients of the official SDKs.
func (h *house) clients() (*sdkv1.Client, *sdkv2.Client) {
	server := httptest.NewServer(h.door)
	h.t.Cleanup(server.Close)
	who := credentials.NewStaticCredentialsProvider(keyID, secret, "")
	return sdkv1.New(sdkv1.Options{Region: region, BaseEndpoint: &server.URL, Credentials: who, Retryer: aws.NopRetryer{}}),
		sdkv2.New(sdkv2.Options{Region: region, BaseEndpoint: &server.URL, Credentials: who, Retryer: aws.NopRetryer{}})
}

// told gives code and message of an error that was answered.
func told(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode() + ": " + e.ErrorMessage()
	}
	if err != nil {
		return "no answer: " + err.Error()
	}
	return ""
}

// same compares what an SDK gives, which has fields of its own.
func same[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(v1.ConfigurationSet{}, v1.EventDestination{}, v1.SNSDestination{},
		v1.CloudWatchDestination{}, v1.CloudWatchDimensionConfiguration{}, v1.DeliveryOptions{}, v1.ReputationOptions{},
		v2.DeliveryOptions{}, v2.ReputationOptions{}, v2.SendingOptions{}, v2.SuppressionOptions{}, v2.Tag{}, v2.EventDestination{},
		v2.SnsDestination{}, v2.CloudWatchDestination{}, v2.CloudWatchDimensionConfiguration{}),
		cmpopts.IgnoreFields(sdkv1.DescribeConfigurationSetOutput{}, "ResultMetadata"),
		cmpopts.IgnoreFields(sdkv2.GetConfigurationSetOutput{}, "ResultMetadata"),
		cmpopts.IgnoreUnexported(sdkv2.GetConfigurationSetOutput{}), cmpopts.IgnoreUnexported(sdkv1.DescribeConfigurationSetOutput{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(out T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(told(err))
		}
		return out
	}
}

func TestAConfigurationSetIsMadeReadAndChangedByVersion2(t *testing.T) {
	_, c := newHouse(t).clients()
	ctx, name := t.Context(), aws.String("main")
	get := func() *sdkv2.GetConfigurationSetOutput {
		t.Helper()
		return must[*sdkv2.GetConfigurationSetOutput](t)(c.GetConfigurationSet(ctx, &sdkv2.GetConfigurationSetInput{ConfigurationSetName: name}))
	}
	must[*sdkv2.CreateConfigurationSetOutput](t)(c.CreateConfigurationSet(ctx, &sdkv2.CreateConfigurationSetInput{ConfigurationSetName: name}))
	want := &sdkv2.GetConfigurationSetOutput{ConfigurationSetName: name, DeliveryOptions: &v2.DeliveryOptions{TlsPolicy: v2.TlsPolicyOptional},
		ReputationOptions: &v2.ReputationOptions{}, SendingOptions: &v2.SendingOptions{SendingEnabled: true}, Tags: []v2.Tag{}}
	same(t, get(), want)

	_, err := c.PutConfigurationSetDeliveryOptions(ctx, &sdkv2.PutConfigurationSetDeliveryOptionsInput{ConfigurationSetName: name,
		TlsPolicy: v2.TlsPolicyRequire, SendingPoolName: aws.String("bulk"), MaxDeliverySeconds: aws.Int64(300)})
	if err != nil {
		t.Fatal(told(err))
	}
	if _, err = c.PutConfigurationSetReputationOptions(ctx, &sdkv2.PutConfigurationSetReputationOptionsInput{ConfigurationSetName: name,
		ReputationMetricsEnabled: true}); err != nil {
		t.Fatal(told(err))
	}
	if _, err = c.PutConfigurationSetSendingOptions(ctx, &sdkv2.PutConfigurationSetSendingOptionsInput{ConfigurationSetName: name}); err != nil {
		t.Fatal(told(err))
	}
	if _, err = c.PutConfigurationSetSuppressionOptions(ctx, &sdkv2.PutConfigurationSetSuppressionOptionsInput{ConfigurationSetName: name,
		SuppressedReasons: []v2.SuppressionListReason{v2.SuppressionListReasonBounce}}); err != nil {
		t.Fatal(told(err))
	}
	want.DeliveryOptions = &v2.DeliveryOptions{TlsPolicy: v2.TlsPolicyRequire, SendingPoolName: aws.String("bulk"), MaxDeliverySeconds: aws.Int64(300)}
	want.ReputationOptions.ReputationMetricsEnabled, want.SendingOptions.SendingEnabled = true, false
	want.SuppressionOptions = &v2.SuppressionOptions{SuppressedReasons: []v2.SuppressionListReason{v2.SuppressionListReasonBounce}}
	same(t, get(), want)

	// All of it can be said at once.
	in := &sdkv2.CreateConfigurationSetInput{ConfigurationSetName: aws.String("whole"), DeliveryOptions: want.DeliveryOptions,
		ReputationOptions: want.ReputationOptions, SendingOptions: want.SendingOptions, SuppressionOptions: want.SuppressionOptions,
		Tags: []v2.Tag{{Key: aws.String("team"), Value: aws.String("red")}}}
	must[*sdkv2.CreateConfigurationSetOutput](t)(c.CreateConfigurationSet(ctx, in))
	name, want.ConfigurationSetName, want.Tags = in.ConfigurationSetName, in.ConfigurationSetName, in.Tags
	same(t, get(), want)

	if _, err := c.DeleteConfigurationSet(ctx, &sdkv2.DeleteConfigurationSetInput{ConfigurationSetName: name}); err != nil {
		t.Fatal(told(err))
	}
	if _, err := c.GetConfigurationSet(ctx, &sdkv2.GetConfigurationSetInput{ConfigurationSetName: name}); told(err) != "NotFoundException: Configuration set <whole> does not exist." {
		t.Errorf("after its end: %v", told(err))
	}
}

func TestAConfigurationSetIsMadeReadAndChangedByVersion1(t *testing.T) {
	c, _ := newHouse(t).clients()
	ctx, name := t.Context(), aws.String("main")
	must[*sdkv1.CreateConfigurationSetOutput](t)(c.CreateConfigurationSet(ctx, &sdkv1.CreateConfigurationSetInput{ConfigurationSet: &v1.ConfigurationSet{Name: name}}))
	if _, err := c.PutConfigurationSetDeliveryOptions(ctx, &sdkv1.PutConfigurationSetDeliveryOptionsInput{ConfigurationSetName: name,
		DeliveryOptions: &v1.DeliveryOptions{TlsPolicy: v1.TlsPolicyRequire}}); err != nil {
		t.Fatal(told(err))
	}
	if _, err := c.UpdateConfigurationSetReputationMetricsEnabled(ctx, &sdkv1.UpdateConfigurationSetReputationMetricsEnabledInput{
		ConfigurationSetName: name, Enabled: true}); err != nil {
		t.Fatal(told(err))
	}
	if _, err := c.UpdateConfigurationSetSendingEnabled(ctx, &sdkv1.UpdateConfigurationSetSendingEnabledInput{ConfigurationSetName: name}); err != nil {
		t.Fatal(told(err))
	}
	describe := func(names ...v1.ConfigurationSetAttribute) *sdkv1.DescribeConfigurationSetOutput {
		t.Helper()
		return must[*sdkv1.DescribeConfigurationSetOutput](t)(c.DescribeConfigurationSet(ctx,
			&sdkv1.DescribeConfigurationSetInput{ConfigurationSetName: name, ConfigurationSetAttributeNames: names}))
	}
	same(t, describe(v1.ConfigurationSetAttributeDeliveryOptions, v1.ConfigurationSetAttributeReputationOptions), &sdkv1.DescribeConfigurationSetOutput{
		ConfigurationSet: &v1.ConfigurationSet{Name: name}, DeliveryOptions: &v1.DeliveryOptions{TlsPolicy: v1.TlsPolicyRequire},
		ReputationOptions: &v1.ReputationOptions{ReputationMetricsEnabled: true}, EventDestinations: []v1.EventDestination{}})
	if out := describe(); out.DeliveryOptions != nil || out.ReputationOptions != nil {
		t.Errorf("told without being asked: %+v", out)
	}
	if _, err := c.DeleteConfigurationSet(ctx, &sdkv1.DeleteConfigurationSetInput{ConfigurationSetName: name}); err != nil {
		t.Fatal(told(err))
	}
	_, err := c.DescribeConfigurationSet(ctx, &sdkv1.DescribeConfigurationSetInput{ConfigurationSetName: name})
	var none *v1.ConfigurationSetDoesNotExistException
	if !errors.As(err, &none) || aws.ToString(none.ConfigurationSetName) != "main" {
		t.Errorf("after its end: %v", told(err))
	}
}

func TestConfigurationSetsAreListedInPages(t *testing.T) {
	one, two := newHouse(t).clients()
	ctx := t.Context()
	var want []string
	for n := range 5 {
		name := fmt.Sprint("set", n)
		want = append(want, name)
		must[*sdkv2.CreateConfigurationSetOutput](t)(two.CreateConfigurationSet(ctx, &sdkv2.CreateConfigurationSetInput{ConfigurationSetName: &name}))
	}
	var got []string
	for p := sdkv2.NewListConfigurationSetsPaginator(two, &sdkv2.ListConfigurationSetsInput{PageSize: aws.Int32(2)}); p.HasMorePages(); {
		out := must[*sdkv2.ListConfigurationSetsOutput](t)(p.NextPage(ctx))
		got = append(got, out.ConfigurationSets...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("version 2: %v", got)
	}
	some := must[*sdkv2.ListConfigurationSetsOutput](t)(two.ListConfigurationSets(ctx, &sdkv2.ListConfigurationSetsInput{
		Filter: map[string]string{"CONFIGURATION_SET_NAME_CONTAINS": "t3"}}))
	if !slices.Equal(some.ConfigurationSets, []string{"set3"}) {
		t.Errorf("filtered: %v", some.ConfigurationSets)
	}
	got = nil
	for in := (&sdkv1.ListConfigurationSetsInput{MaxItems: aws.Int32(3)}); ; {
		out := must[*sdkv1.ListConfigurationSetsOutput](t)(one.ListConfigurationSets(ctx, in))
		for _, s := range out.ConfigurationSets {
			got = append(got, *s.Name)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("version 1: %v", got)
	}
	if _, err := two.ListConfigurationSets(ctx, &sdkv2.ListConfigurationSetsInput{NextToken: aws.String("x")}); !strings.HasPrefix(told(err), "InvalidNextTokenException: ") {
		t.Errorf("another token: %v", told(err))
	}
}

const newsARN = "arn:aws:sns:local-1:000000000001:news"

// makeNews makes the topic "news" and the configuration set "main".
func makeNews(t *testing.T, h *house) {
	t.Helper()
	if _, err := h.rooms.Topics.Create(t.Context(), "000000000001", "news", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.rooms.Sets.Create(t.Context(), configset.Set{Account: "000000000001", Name: "main", TLS: configset.Optional, Sending: true}); err != nil {
		t.Fatal(err)
	}
}

func TestEventDestinationsOfVersion2(t *testing.T) {
	h := newHouse(t)
	makeNews(t, h)
	var announced []string
	h.rooms.Announce = func(d destination.Destination) { announced = append(announced, d.Name+" "+d.Target) }
	_, c := h.clients()
	ctx, set := t.Context(), aws.String("main")
	sns := &v2.EventDestinationDefinition{Enabled: true, MatchingEventTypes: []v2.EventType{v2.EventTypeBounce, v2.EventTypeRenderingFailure, v2.EventTypeOpen},
		SnsDestination: &v2.SnsDestination{TopicArn: aws.String(newsARN)}}
	watch := &v2.EventDestinationDefinition{MatchingEventTypes: []v2.EventType{v2.EventTypeSend}, CloudWatchDestination: &v2.CloudWatchDestination{
		DimensionConfigurations: []v2.CloudWatchDimensionConfiguration{{DimensionName: aws.String("campaign"),
			DimensionValueSource: v2.DimensionValueSourceMessageTag, DefaultDimensionValue: aws.String("none")}}}}
	for name, d := range map[string]*v2.EventDestinationDefinition{"a": sns, "b": watch} {
		if _, err := c.CreateConfigurationSetEventDestination(ctx, &sdkv2.CreateConfigurationSetEventDestinationInput{
			ConfigurationSetName: set, EventDestinationName: &name, EventDestination: d}); err != nil {
			t.Fatal(told(err))
		}
	}
	get := func() []v2.EventDestination {
		t.Helper()
		return must[*sdkv2.GetConfigurationSetEventDestinationsOutput](t)(c.GetConfigurationSetEventDestinations(ctx,
			&sdkv2.GetConfigurationSetEventDestinationsInput{ConfigurationSetName: set})).EventDestinations
	}
	want := []v2.EventDestination{
		{Name: aws.String("a"), Enabled: true, MatchingEventTypes: sns.MatchingEventTypes, SnsDestination: sns.SnsDestination},
		{Name: aws.String("b"), MatchingEventTypes: watch.MatchingEventTypes, CloudWatchDestination: watch.CloudWatchDestination},
	}
	same(t, get(), want)

	update := func(d *v2.EventDestinationDefinition) {
		t.Helper()
		if _, err := c.UpdateConfigurationSetEventDestination(ctx, &sdkv2.UpdateConfigurationSetEventDestinationInput{
			ConfigurationSetName: set, EventDestinationName: aws.String("b"), EventDestination: d}); err != nil {
			t.Fatal(told(err))
		}
	}
	update(sns)
	want[1].Enabled, want[1].MatchingEventTypes, want[1].SnsDestination, want[1].CloudWatchDestination = true, sns.MatchingEventTypes, sns.SnsDestination, nil
	same(t, get(), want)
	update(&v2.EventDestinationDefinition{Enabled: false})
	want[1].Enabled = false
	same(t, get(), want)
	if !slices.Equal(announced, []string{"a news", "b news"}) {
		t.Errorf("announced %v", announced)
	}
	if _, err := c.DeleteConfigurationSetEventDestination(ctx, &sdkv2.DeleteConfigurationSetEventDestinationInput{
		ConfigurationSetName: set, EventDestinationName: aws.String("b")}); err != nil {
		t.Fatal(told(err))
	}
	same(t, get(), want[:1])
	if _, err := c.DeleteConfigurationSet(ctx, &sdkv2.DeleteConfigurationSetInput{ConfigurationSetName: set}); err != nil || len(h.rooms.Destinations.All("")) != 0 {
		t.Errorf("after the end of its set: %v, %v", told(err), h.rooms.Destinations.All(""))
	}
}

func TestEventDestinationsOfVersion1(t *testing.T) {
	h := newHouse(t)
	makeNews(t, h)
	c, _ := h.clients()
	ctx, set := t.Context(), aws.String("main")
	want := []v1.EventDestination{
		{Name: aws.String("a"), Enabled: true, MatchingEventTypes: []v1.EventType{v1.EventTypeBounce, v1.EventTypeRenderingFailure, v1.EventTypeClick},
			SNSDestination: &v1.SNSDestination{TopicARN: aws.String(newsARN)}},
		{Name: aws.String("b"), MatchingEventTypes: []v1.EventType{v1.EventTypeSend}, CloudWatchDestination: &v1.CloudWatchDestination{
			DimensionConfigurations: []v1.CloudWatchDimensionConfiguration{{DimensionName: aws.String("campaign"),
				DimensionValueSource: v1.DimensionValueSourceMessageTag, DefaultDimensionValue: aws.String("none")}}}},
	}
	for i := range want {
		if _, err := c.CreateConfigurationSetEventDestination(ctx, &sdkv1.CreateConfigurationSetEventDestinationInput{
			ConfigurationSetName: set, EventDestination: &want[i]}); err != nil {
			t.Fatal(told(err))
		}
	}
	get := func() []v1.EventDestination {
		t.Helper()
		return must[*sdkv1.DescribeConfigurationSetOutput](t)(c.DescribeConfigurationSet(ctx, &sdkv1.DescribeConfigurationSetInput{
			ConfigurationSetName: set, ConfigurationSetAttributeNames: []v1.ConfigurationSetAttribute{v1.ConfigurationSetAttributeEventDestinations}})).EventDestinations
	}
	same(t, get(), want)
	want[1].Enabled = true
	if _, err := c.UpdateConfigurationSetEventDestination(ctx, &sdkv1.UpdateConfigurationSetEventDestinationInput{
		ConfigurationSetName: set, EventDestination: &want[1]}); err != nil {
		t.Fatal(told(err))
	}
	same(t, get(), want)
	if _, err := c.DeleteConfigurationSetEventDestination(ctx, &sdkv1.DeleteConfigurationSetEventDestinationInput{
		ConfigurationSetName: set, EventDestinationName: aws.String("a")}); err != nil {
		t.Fatal(told(err))
	}
	same(t, get(), want[1:])
}

func TestWhatIsWrongWithSetsIsSaidInTheWordsOfSES(t *testing.T) {
	h := newHouse(t)
	makeNews(t, h)
	one, two := h.clients()
	ctx, set := t.Context(), aws.String("main")
	dest1 := func(alter func(*v1.EventDestination)) error {
		d := &v1.EventDestination{Name: aws.String("x"), MatchingEventTypes: []v1.EventType{"send"}, SNSDestination: &v1.SNSDestination{TopicARN: aws.String(newsARN)}}
		alter(d)
		_, err := one.CreateConfigurationSetEventDestination(ctx, &sdkv1.CreateConfigurationSetEventDestinationInput{ConfigurationSetName: set, EventDestination: d})
		return err
	}
	dest2 := func(alter func(*v2.EventDestinationDefinition)) error {
		d := &v2.EventDestinationDefinition{MatchingEventTypes: []v2.EventType{"SEND"}, SnsDestination: &v2.SnsDestination{TopicArn: aws.String(newsARN)}}
		alter(d)
		_, err := two.CreateConfigurationSetEventDestination(ctx, &sdkv2.CreateConfigurationSetEventDestinationInput{ConfigurationSetName: set,
			EventDestinationName: aws.String("x"), EventDestination: d})
		return err
	}
	make2 := func(alter func(*sdkv2.CreateConfigurationSetInput)) error {
		in := &sdkv2.CreateConfigurationSetInput{ConfigurationSetName: aws.String("other")}
		alter(in)
		_, err := two.CreateConfigurationSet(ctx, in)
		return err
	}
	if err := dest1(func(d *v1.EventDestination) { d.Name = aws.String("taken") }); err != nil {
		t.Fatal(told(err))
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"v1 made twice": {second(one.CreateConfigurationSet(ctx, &sdkv1.CreateConfigurationSetInput{ConfigurationSet: &v1.ConfigurationSet{Name: set}})),
			"ConfigurationSetAlreadyExists: Configuration set <main> already exists."},
		"v2 made twice": {make2(func(in *sdkv2.CreateConfigurationSetInput) { in.ConfigurationSetName = set }),
			"AlreadyExistsException: Configuration set <main> already exists."},
		"v1 name": {second(one.CreateConfigurationSet(ctx, &sdkv1.CreateConfigurationSetInput{ConfigurationSet: &v1.ConfigurationSet{Name: aws.String("a b")}})),
			"InvalidConfigurationSet: The name of a configuration set is 1 to 64 of letters, digits, hyphen and underscore."},
		"v2 name": {make2(func(in *sdkv2.CreateConfigurationSetInput) { in.ConfigurationSetName = aws.String("a b") }),
			"BadRequestException: The name of a configuration set is 1 to 64 of letters, digits, hyphen and underscore."},
		"v2 pool": {make2(func(in *sdkv2.CreateConfigurationSetInput) {
			in.DeliveryOptions = &v2.DeliveryOptions{SendingPoolName: aws.String("x")}
		}),
			"NotFoundException: The dedicated IP pool does not exist."},
		"v2 time": {make2(func(in *sdkv2.CreateConfigurationSetInput) {
			in.DeliveryOptions = &v2.DeliveryOptions{MaxDeliverySeconds: aws.Int64(1 << 62)}
		}),
			"BadRequestException: The longest delivery time is 300 to 50400 seconds, or 0 for the server's."},
		"v2 policy": {make2(func(in *sdkv2.CreateConfigurationSetInput) {
			in.DeliveryOptions = &v2.DeliveryOptions{TlsPolicy: "SOME"}
		}),
			"BadRequestException: 1 validation error detected: Value at 'deliveryOptions.tlsPolicy' failed to satisfy constraint: Member must satisfy enum value set: [REQUIRE, OPTIONAL]"},
		"v2 tracking": {make2(func(in *sdkv2.CreateConfigurationSetInput) {
			in.TrackingOptions = &v2.TrackingOptions{CustomRedirectDomain: aws.String("x.example.org")}
		}),
			"BadRequestException: TrackingOptions are not available."},
		"v2 tenants": {make2(func(in *sdkv2.CreateConfigurationSetInput) {
			in.SuppressionOptions = &v2.SuppressionOptions{SuppressionScope: v2.SuppressionListScopeTenant}
		}),
			"BadRequestException: The suppression scope TENANT is not available."},
		"v1 no set": {second(one.DeleteConfigurationSet(ctx, &sdkv1.DeleteConfigurationSetInput{ConfigurationSetName: aws.String("x")})),
			"ConfigurationSetDoesNotExist: Configuration set <x> does not exist."},
		"v2 no set": {second(two.DeleteConfigurationSet(ctx, &sdkv2.DeleteConfigurationSetInput{ConfigurationSetName: aws.String("x")})),
			"NotFoundException: Configuration set <x> does not exist."},
		"v2 no set for destinations": {second(two.GetConfigurationSetEventDestinations(ctx, &sdkv2.GetConfigurationSetEventDestinationsInput{ConfigurationSetName: aws.String("x")})),
			"NotFoundException: Configuration set <x> does not exist."},
		"v1 destination made twice": {dest1(func(d *v1.EventDestination) { d.Name = aws.String("taken") }),
			"EventDestinationAlreadyExists: An event destination with name <taken> already exists for configuration set <main>."},
		"v1 no destination": {second(one.DeleteConfigurationSetEventDestination(ctx, &sdkv1.DeleteConfigurationSetEventDestinationInput{ConfigurationSetName: set, EventDestinationName: aws.String("x")})),
			"EventDestinationDoesNotExist: No EventDestination found for x"},
		"v2 no destination": {second(two.DeleteConfigurationSetEventDestination(ctx, &sdkv2.DeleteConfigurationSetEventDestinationInput{ConfigurationSetName: set, EventDestinationName: aws.String("x")})),
			"NotFoundException: No EventDestination found for x"},
		"v1 no topic": {dest1(func(d *v1.EventDestination) { d.SNSDestination.TopicARN = aws.String(newsARN + "x") }),
			"InvalidSNSDestination: SNS topic <" + newsARN + "x> not found."},
		"v2 no topic": {dest2(func(d *v2.EventDestinationDefinition) { d.SnsDestination.TopicArn = aws.String(newsARN + "x") }),
			"BadRequestException: SNS topic <" + newsARN + "x> not found."},
		"v2 no ARN": {dest2(func(d *v2.EventDestinationDefinition) { d.SnsDestination.TopicArn = aws.String("news") }),
			"BadRequestException: SNS topic <news> not found."},
		"v1 Firehose": {dest1(func(d *v1.EventDestination) {
			d.KinesisFirehoseDestination = &v1.KinesisFirehoseDestination{IAMRoleARN: aws.String("x"), DeliveryStreamARN: aws.String("y")}
		}), "InvalidFirehoseDestination: Firehose is not available. There are SNS topics and CloudWatch dimensions."},
		"v2 EventBridge": {dest2(func(d *v2.EventDestinationDefinition) {
			d.SnsDestination, d.EventBridgeDestination = nil, &v2.EventBridgeDestination{EventBusArn: aws.String("x")}
		}),
			"BadRequestException: EventBridge is not available. There are SNS topics and CloudWatch dimensions."},
		"v2 no target": {dest2(func(d *v2.EventDestinationDefinition) { d.SnsDestination = nil }), "BadRequestException: An event destination has one destination."},
		"v2 two targets": {dest2(func(d *v2.EventDestinationDefinition) {
			d.CloudWatchDestination = &v2.CloudWatchDestination{DimensionConfigurations: []v2.CloudWatchDimensionConfiguration{}}
		}), "BadRequestException: An event destination has one destination."},
		"v1 dimension": {dest1(func(d *v1.EventDestination) {
			d.SNSDestination, d.CloudWatchDestination = nil, &v1.CloudWatchDestination{DimensionConfigurations: []v1.CloudWatchDimensionConfiguration{
				{DimensionName: aws.String("To"), DimensionValueSource: "emailHeader", DefaultDimensionValue: aws.String("x")}}}
		}), "InvalidCloudWatchDestination: Nothing is counted by the header field To."},
		"v2 event": {dest2(func(d *v2.EventDestinationDefinition) { d.MatchingEventTypes = []v2.EventType{"send"} }),
			"BadRequestException: 1 validation error detected: Value at 'eventDestination.matchingEventTypes' failed to satisfy constraint: Member must satisfy enum value set: " +
				"[SEND, REJECT, BOUNCE, COMPLAINT, DELIVERY, DELIVERY_DELAY, RENDERING_FAILURE, SUBSCRIPTION, OPEN, CLICK]"},
		"v2 no events": {dest2(func(d *v2.EventDestinationDefinition) { d.MatchingEventTypes = nil }), "BadRequestException: It wants no events."},
		"v1 tracking": {second(one.CreateConfigurationSetTrackingOptions(ctx, &sdkv1.CreateConfigurationSetTrackingOptionsInput{ConfigurationSetName: set, TrackingOptions: &v1.TrackingOptions{}})),
			"InvalidAction: Unavailable Operation"},
		"v2 tracking options": {second(two.PutConfigurationSetTrackingOptions(ctx, &sdkv2.PutConfigurationSetTrackingOptionsInput{ConfigurationSetName: set})),
			"UnknownOperationException: Unavailable Operation"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := told(c.err); got != c.want {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }
