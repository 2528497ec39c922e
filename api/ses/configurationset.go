package ses

import (
	"context"
	"slices"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/api"
)

// What configuration sets lack.
const (
	noTracking = "there are no tracking options"
	allCounted = "reputation is counted for every set, whatever is asked for"
	setsAPage  = 1000
)

type configurationSet struct {
	Name string `api:"required"`
}

type createConfigurationSetRequest struct {
	ConfigurationSet *configurationSet `api:"required"`
}

func (s *Server) createConfigurationSet(ctx context.Context, c *api.Call, in *createConfigurationSetRequest) (*none, error) {
	return &none{}, s.r.CreateSet(ctx, c, in.ConfigurationSet.Name, func(*configset.Set) {})
}

type configurationSetRequest struct {
	ConfigurationSetName string `api:"required"`
}

func (s *Server) deleteConfigurationSet(ctx context.Context, c *api.Call, in *configurationSetRequest) (*none, error) {
	return &none{}, s.r.DeleteSet(ctx, c, in.ConfigurationSetName)
}

type listConfigurationSetsRequest struct {
	MaxItems  int
	NextToken string
}

type listConfigurationSetsResult struct {
	ConfigurationSets []configurationSet
	NextToken         string
}

func (s *Server) listConfigurationSets(_ context.Context, c *api.Call, in *listConfigurationSetsRequest) (*listConfigurationSetsResult, error) {
	size, err := api.Size(in.MaxItems, setsAPage)
	if err != nil {
		return nil, err
	}
	names, next, err := s.r.ListSets(c, "", in.NextToken, size)
	out := &listConfigurationSetsResult{NextToken: next}
	for _, name := range names {
		out.ConfigurationSets = append(out.ConfigurationSets, configurationSet{name})
	}
	return out, err
}

type describeConfigurationSetRequest struct {
	ConfigurationSetName           string `api:"required"`
	ConfigurationSetAttributeNames []string
}

type deliveryOptions struct{ TlsPolicy string }

type reputationOptions struct {
	SendingEnabled           bool
	ReputationMetricsEnabled bool
	LastFreshStart           api.Time
}

type describeConfigurationSetResult struct {
	ConfigurationSet  configurationSet
	EventDestinations []eventDestination
	DeliveryOptions   *deliveryOptions
	ReputationOptions *reputationOptions
}

func (s *Server) describeConfigurationSet(_ context.Context, c *api.Call, in *describeConfigurationSetRequest) (*describeConfigurationSetResult, error) {
	set, err := s.r.Set(c, in.ConfigurationSetName)
	if err != nil {
		return nil, err
	}
	for _, name := range in.ConfigurationSetAttributeNames {
		if err := api.OneOf("configurationSetAttributeNames", name, "eventDestinations", "trackingOptions", "deliveryOptions", "reputationOptions"); err != nil {
			return nil, err
		}
	}
	asked := func(name string) bool { return slices.Contains(in.ConfigurationSetAttributeNames, name) }
	out := &describeConfigurationSetResult{ConfigurationSet: configurationSet{set.Name}}
	if asked("eventDestinations") {
		if out.EventDestinations, err = s.eventDestinations(c, set.Name); err != nil {
			return nil, err
		}
	}
	if asked("deliveryOptions") {
		out.DeliveryOptions = &deliveryOptions{"Optional"}
		if set.TLS == configset.Require {
			out.DeliveryOptions.TlsPolicy = "Require"
		}
	}
	if asked("reputationOptions") {
		out.ReputationOptions = &reputationOptions{set.Sending, set.ReputationMetrics, s.r.FreshStart(set)}
	}
	return out, nil
}

type putConfigurationSetDeliveryOptionsRequest struct {
	ConfigurationSetName string `api:"required"`
	DeliveryOptions      *deliveryOptions
}

func (s *Server) putConfigurationSetDeliveryOptions(ctx context.Context, c *api.Call, in *putConfigurationSetDeliveryOptionsRequest) (*none, error) {
	word := ""
	if in.DeliveryOptions != nil {
		word = in.DeliveryOptions.TlsPolicy
	}
	policy, err := api.SetTLS("deliveryOptions.tlsPolicy", word)
	if err != nil {
		return nil, err
	}
	return &none{}, s.r.ChangeSet(ctx, c, in.ConfigurationSetName, func(set *configset.Set) { set.TLS = policy })
}

type enabledRequest struct {
	ConfigurationSetName string `api:"required"`
	Enabled              bool
}

func (s *Server) updateConfigurationSetReputationMetricsEnabled(ctx context.Context, c *api.Call, in *enabledRequest) (*none, error) {
	return &none{}, s.r.ChangeSet(ctx, c, in.ConfigurationSetName, func(set *configset.Set) { set.ReputationMetrics = in.Enabled })
}

func (s *Server) updateConfigurationSetSendingEnabled(ctx context.Context, c *api.Call, in *enabledRequest) (*none, error) {
	return &none{}, s.r.ChangeSet(ctx, c, in.ConfigurationSetName, func(set *configset.Set) { set.Sending = in.Enabled })
}
