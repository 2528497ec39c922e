package sesv2

import (
	"context"
	"strings"

	destinations "github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/api"
)

// notTold is what event destinations lack.
const notTold = "only SNS topics and CloudWatch dimensions (counters for Prometheus); OPEN and CLICK are kept and never happen"

type cloudWatchDimension struct {
	DimensionName         string `api:"required"`
	DimensionValueSource  string `api:"required"`
	DefaultDimensionValue string `api:"required"`
}

type cloudWatchDestination struct {
	DimensionConfigurations []cloudWatchDimension `api:"required"`
}

type snsDestination struct {
	TopicArn string `api:"required"`
}

type eventDestinationDefinition struct {
	Enabled               bool
	MatchingEventTypes    []string
	CloudWatchDestination *cloudWatchDestination `json:",omitempty"`
	SnsDestination        *snsDestination        `json:",omitempty"`

	// These are not there.
	EventBridgeDestination     map[string]any `json:",omitempty"`
	KinesisFirehoseDestination map[string]any `json:",omitempty"`
	PinpointDestination        map[string]any `json:",omitempty"`
}

// sources are the words of version 2 for where dimensions come from.
var sources = map[string]destinations.Source{
	"MESSAGE_TAG": destinations.MessageTag, "EMAIL_HEADER": destinations.EmailHeader, "LINK_TAG": destinations.LinkTag,
}

// plain gives a destination in the words of neither version.
func (d *eventDestinationDefinition) plain(set, name string) (*api.EventDestination, error) {
	e := &api.EventDestination{Set: set, Name: name, Enabled: d.Enabled}
	var err error
	if e.Events, err = api.EventWords("eventDestination.matchingEventTypes", d.MatchingEventTypes, strings.ToUpper); err != nil {
		return nil, err
	}
	for kind, set := range map[string]bool{"EventBridge": d.EventBridgeDestination != nil,
		"Firehose": d.KinesisFirehoseDestination != nil, "Pinpoint": d.PinpointDestination != nil} {
		if set {
			e.Elsewhere = kind
		}
	}
	if d.SnsDestination != nil {
		e.TopicARN = d.SnsDestination.TopicArn
	}
	if d.CloudWatchDestination != nil {
		e.Counters = true
		for _, x := range d.CloudWatchDestination.DimensionConfigurations {
			if err := api.OneOf("dimensionValueSource", x.DimensionValueSource, "EMAIL_HEADER", "LINK_TAG", "MESSAGE_TAG"); err != nil {
				return nil, err
			}
			e.Dimensions = append(e.Dimensions, destinations.Dimension{Name: x.DimensionName,
				Source: sources[x.DimensionValueSource], Default: x.DefaultDimensionValue})
		}
	}
	return e, nil
}

type eventDestinationRequest struct {
	ConfigurationSetName string                      `path:"ConfigurationSetName" api:"required" json:"-"`
	EventDestinationName string                      `api:"required"`
	EventDestination     *eventDestinationDefinition `api:"required"`
}

func (s *Server) createConfigurationSetEventDestination(ctx context.Context, c *api.Call, in *eventDestinationRequest) (*none, error) {
	e, err := in.EventDestination.plain(in.ConfigurationSetName, in.EventDestinationName)
	if err != nil {
		return nil, err
	}
	return &none{}, s.r.CreateEventDestination(ctx, c, e)
}

type updateEventDestinationRequest struct {
	ConfigurationSetName string                      `path:"ConfigurationSetName" api:"required" json:"-"`
	EventDestinationName string                      `path:"EventDestinationName" api:"required" json:"-"`
	EventDestination     *eventDestinationDefinition `api:"required"`
}

func (s *Server) updateConfigurationSetEventDestination(ctx context.Context, c *api.Call, in *updateEventDestinationRequest) (*none, error) {
	e, err := in.EventDestination.plain(in.ConfigurationSetName, in.EventDestinationName)
	if err != nil {
		return nil, err
	}
	return &none{}, s.r.UpdateEventDestination(ctx, c, e)
}

type deleteEventDestinationRequest struct {
	ConfigurationSetName string `path:"ConfigurationSetName" api:"required" json:"-"`
	EventDestinationName string `path:"EventDestinationName" api:"required" json:"-"`
}

func (s *Server) deleteConfigurationSetEventDestination(ctx context.Context, c *api.Call, in *deleteEventDestinationRequest) (*none, error) {
	return &none{}, s.r.DeleteEventDestination(ctx, c, in.ConfigurationSetName, in.EventDestinationName)
}

type eventDestination struct {
	Name string
	eventDestinationDefinition
}

type getConfigurationSetEventDestinationsResult struct{ EventDestinations []eventDestination }

func (s *Server) getConfigurationSetEventDestinations(_ context.Context, c *api.Call, in *configurationSetRequest) (*getConfigurationSetEventDestinationsResult, error) {
	list, err := s.r.EventDestinations(c, in.ConfigurationSetName)
	if err != nil {
		return nil, err
	}
	out := &getConfigurationSetEventDestinationsResult{[]eventDestination{}}
	for _, e := range list {
		d := eventDestination{e.Name, eventDestinationDefinition{Enabled: e.Enabled, MatchingEventTypes: []string{}}}
		for _, w := range e.Events {
			d.MatchingEventTypes = append(d.MatchingEventTypes, strings.ToUpper(w))
		}
		if e.TopicARN != "" {
			d.SnsDestination = &snsDestination{e.TopicARN}
		}
		if e.Counters {
			d.CloudWatchDestination = &cloudWatchDestination{[]cloudWatchDimension{}}
			for _, x := range e.Dimensions {
				for word, source := range sources {
					if source == x.Source {
						d.CloudWatchDestination.DimensionConfigurations = append(d.CloudWatchDestination.DimensionConfigurations,
							cloudWatchDimension{x.Name, word, x.Default})
					}
				}
			}
		}
		out.EventDestinations = append(out.EventDestinations, d)
	}
	return out, nil
}
