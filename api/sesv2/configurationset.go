package sesv2

import (
	"context"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/api"
)

// What configuration sets lack.
const (
	noTracking  = "open and click tracking, VDM, archiving and message security are refused"
	allCounted  = "reputation is counted for every set, whatever is asked for"
	noTenants   = "scopes of tenants and validation are refused"
	setsPerPage = 1000
)

type deliveryOptions struct {
	MaxDeliverySeconds *int64 `json:",omitempty"`
	SendingPoolName    string `json:",omitempty"`
	TlsPolicy          string `json:",omitempty"`
}

// apply gives a set all of the options; those that were not sent have their
// defaults. No options change nothing.
func (o *deliveryOptions) apply() (func(*configset.Set), error) {
	if o == nil {
		return func(*configset.Set) {}, nil
	}
	policy, err := api.SetTLS("deliveryOptions.tlsPolicy", o.TlsPolicy)
	if err != nil {
		return nil, err
	}
	return func(s *configset.Set) {
		s.TLS, s.Pool, s.MaxDelivery = policy, o.SendingPoolName, 0
		if o.MaxDeliverySeconds != nil {
			s.MaxDelivery = api.MaxDelivery(*o.MaxDeliverySeconds)
		}
	}, nil
}

type reputationOptions struct {
	LastFreshStart           api.Time `json:",omitzero"`
	ReputationMetricsEnabled bool
}

type sendingOptions struct{ SendingEnabled bool }

type suppressionOptions struct {
	SuppressedReasons []string
	SuppressionScope  string         `json:",omitempty"`
	ValidationOptions map[string]any `json:",omitempty"`
}

func (o *suppressionOptions) apply() (func(*configset.Set), error) {
	if o == nil {
		return func(*configset.Set) {}, nil
	}
	if len(o.ValidationOptions) > 0 {
		return nil, api.BadParameter("Validation of addresses is not available.")
	}
	if o.SuppressionScope != "" && o.SuppressionScope != "ACCOUNT" {
		return nil, api.BadParameter("The suppression scope " + o.SuppressionScope + " is not available.")
	}
	rule, err := api.SetSuppression(o.SuppressedReasons)
	return func(s *configset.Set) { s.Suppression = rule }, err
}

type createConfigurationSetRequest struct {
	ConfigurationSetName string `api:"required"`
	DeliveryOptions      *deliveryOptions
	ReputationOptions    *reputationOptions
	SendingOptions       *sendingOptions
	SuppressionOptions   *suppressionOptions
	Tags                 []resourceTag

	// These are not there.
	ArchivingOptions, MessageSecurityOptions, TrackingOptions, VdmOptions map[string]any
}

func (s *Server) createConfigurationSet(ctx context.Context, c *api.Call, in *createConfigurationSetRequest) (*none, error) {
	for name, options := range map[string]map[string]any{"ArchivingOptions": in.ArchivingOptions,
		"MessageSecurityOptions": in.MessageSecurityOptions, "TrackingOptions": in.TrackingOptions, "VdmOptions": in.VdmOptions} {
		if len(options) > 0 {
			return nil, api.BadParameter(name + " are not available.")
		}
	}
	delivery, err := in.DeliveryOptions.apply()
	if err != nil {
		return nil, err
	}
	suppression, err := in.SuppressionOptions.apply()
	if err != nil {
		return nil, err
	}
	return &none{}, s.r.CreateSet(ctx, c, in.ConfigurationSetName, func(set *configset.Set) {
		delivery(set)
		suppression(set)
		if o := in.ReputationOptions; o != nil {
			set.ReputationMetrics = o.ReputationMetricsEnabled
		}
		if o := in.SendingOptions; o != nil {
			set.Sending = o.SendingEnabled
		}
		set.Labels = labels(in.Tags)
	})
}

type configurationSetRequest struct {
	ConfigurationSetName string `path:"ConfigurationSetName" api:"required"`
}

type getConfigurationSetResult struct {
	ConfigurationSetName string
	DeliveryOptions      deliveryOptions
	ReputationOptions    reputationOptions
	SendingOptions       sendingOptions
	SuppressionOptions   *suppressionOptions `json:",omitempty"`
	Tags                 []resourceTag
}

func (s *Server) getConfigurationSet(_ context.Context, c *api.Call, in *configurationSetRequest) (*getConfigurationSetResult, error) {
	set, err := s.r.Set(c, in.ConfigurationSetName)
	if err != nil {
		return nil, err
	}
	out := &getConfigurationSetResult{ConfigurationSetName: set.Name,
		DeliveryOptions:   deliveryOptions{SendingPoolName: set.Pool, TlsPolicy: strings.ToUpper(string(set.TLS))},
		ReputationOptions: reputationOptions{s.r.FreshStart(set), set.ReputationMetrics},
		SendingOptions:    sendingOptions{set.Sending}, Tags: resourceTags(set.Labels)}
	if set.MaxDelivery > 0 {
		seconds := int64(set.MaxDelivery / time.Second)
		out.DeliveryOptions.MaxDeliverySeconds = &seconds
	}
	if reasons := setReasons(set.Suppression); reasons != nil {
		out.SuppressionOptions = &suppressionOptions{SuppressedReasons: reasons}
	}
	return out, nil
}

// setReasons gives the reasons of a set; nil when the account's count.
func setReasons(s configset.Suppression) []string {
	switch s {
	case configset.SuppressAll:
		return api.Reasons(account.SuppressAll)
	case configset.SuppressBounces:
		return api.Reasons(account.SuppressBounces)
	case configset.SuppressComplaints:
		return api.Reasons(account.SuppressComplaints)
	case configset.SuppressNone:
		return api.Reasons(account.SuppressNone)
	case configset.SuppressAccount:
	}
	return nil
}

type listConfigurationSetsRequest struct {
	Filter    map[string]string
	NextToken string `query:"NextToken"`
	PageSize  int    `query:"PageSize"`
}

type listConfigurationSetsResult struct {
	ConfigurationSets []string
	NextToken         string `json:",omitempty"`
}

func (s *Server) listConfigurationSets(_ context.Context, c *api.Call, in *listConfigurationSetsRequest) (*listConfigurationSetsResult, error) {
	size, err := api.Size(in.PageSize, setsPerPage)
	if err != nil {
		return nil, err
	}
	part := ""
	for key, value := range in.Filter {
		if err := api.OneOf("filter", key, "CONFIGURATION_SET_NAME_CONTAINS"); err != nil {
			return nil, err
		}
		part = value
	}
	names, next, err := s.r.ListSets(c, part, in.NextToken, size)
	return &listConfigurationSetsResult{append([]string{}, names...), next}, err
}

func (s *Server) deleteConfigurationSet(ctx context.Context, c *api.Call, in *configurationSetRequest) (*none, error) {
	return &none{}, s.r.DeleteSet(ctx, c, in.ConfigurationSetName)
}
