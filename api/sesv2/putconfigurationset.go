package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/api"
)

type putConfigurationSetDeliveryOptionsRequest struct {
	ConfigurationSetName string `path:"ConfigurationSetName" api:"required" json:"-"`
	deliveryOptions
}

func (s *Server) putConfigurationSetDeliveryOptions(ctx context.Context, c *api.Call, in *putConfigurationSetDeliveryOptionsRequest) (*none, error) {
	f, err := in.apply()
	if err != nil {
		return nil, err
	}
	return &none{}, s.r.ChangeSet(ctx, c, in.ConfigurationSetName, f)
}

type putConfigurationSetReputationOptionsRequest struct {
	ConfigurationSetName     string `path:"ConfigurationSetName" api:"required" json:"-"`
	ReputationMetricsEnabled bool
}

func (s *Server) putConfigurationSetReputationOptions(ctx context.Context, c *api.Call, in *putConfigurationSetReputationOptionsRequest) (*none, error) {
	return &none{}, s.r.ChangeSet(ctx, c, in.ConfigurationSetName, func(set *configset.Set) { set.ReputationMetrics = in.ReputationMetricsEnabled })
}

type putConfigurationSetSendingOptionsRequest struct {
	ConfigurationSetName string `path:"ConfigurationSetName" api:"required" json:"-"`
	SendingEnabled       bool
}

func (s *Server) putConfigurationSetSendingOptions(ctx context.Context, c *api.Call, in *putConfigurationSetSendingOptionsRequest) (*none, error) {
	return &none{}, s.r.ChangeSet(ctx, c, in.ConfigurationSetName, func(set *configset.Set) { set.Sending = in.SendingEnabled })
}

type putConfigurationSetSuppressionOptionsRequest struct {
	ConfigurationSetName string `path:"ConfigurationSetName" api:"required" json:"-"`
	suppressionOptions
}

func (s *Server) putConfigurationSetSuppressionOptions(ctx context.Context, c *api.Call, in *putConfigurationSetSuppressionOptionsRequest) (*none, error) {
	f, err := in.apply()
	if err != nil {
		return nil, err
	}
	return &none{}, s.r.ChangeSet(ctx, c, in.ConfigurationSetName, f)
}
