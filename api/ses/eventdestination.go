package ses

import (
	"context"
	"strings"

	destinations "github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/api"
)

// notTold is what event destinations lack.
const notTold = "only SNS topics and CloudWatch dimensions (counters for Prometheus); open and click are kept and never happen"

type cloudWatchDimension struct {
	DimensionName         string `api:"required"`
	DimensionValueSource  string `api:"required"`
	DefaultDimensionValue string `api:"required"`
}

type cloudWatchDestination struct {
	DimensionConfigurations []cloudWatchDimension `api:"required"`
}

type kinesisFirehoseDestination struct {
	IAMRoleARN        string `api:"required"`
	DeliveryStreamARN string `api:"required"`
}

type snsDestination struct {
	TopicARN string `api:"required"`
}

type eventDestination struct {
	Name                       string `api:"required"`
	Enabled                    bool
	MatchingEventTypes         []string `api:"required"`
	CloudWatchDestination      *cloudWatchDestination
	KinesisFirehoseDestination *kinesisFirehoseDestination
	SNSDestination             *snsDestination
}

// written gives the word of version 1 for a type of events: renderingFailure.
func written(word string) string {
	first, second, _ := strings.Cut(word, "_")
	if second == "" {
		return first
	}
	return first + strings.ToUpper(second[:1]) + second[1:]
}

// plain gives a destination in the words of neither version.
func (d *eventDestination) plain(set string) (*api.EventDestination, error) {
	e := &api.EventDestination{Set: set, Name: d.Name, Enabled: d.Enabled}
	var err error
	if e.Events, err = api.EventWords("eventDestination.matchingEventTypes", d.MatchingEventTypes, written); err != nil {
		return nil, err
	}
	if d.KinesisFirehoseDestination != nil {
		e.Elsewhere = "Firehose"
	}
	if d.SNSDestination != nil {
		e.TopicARN = d.SNSDestination.TopicARN
	}
	if d.CloudWatchDestination != nil {
		e.Counters = true
		for _, x := range d.CloudWatchDestination.DimensionConfigurations {
			if err := api.OneOf("dimensionValueSource", x.DimensionValueSource, "emailHeader", "linkTag", "messageTag"); err != nil {
				return nil, err
			}
			e.Dimensions = append(e.Dimensions, destinations.Dimension{Name: x.DimensionName,
				Source: destinations.Source(x.DimensionValueSource), Default: x.DefaultDimensionValue})
		}
	}
	return e, nil
}

type eventDestinationRequest struct {
	ConfigurationSetName string            `api:"required"`
	EventDestination     *eventDestination `api:"required"`
}

func (s *Server) createConfigurationSetEventDestination(ctx context.Context, c *api.Call, in *eventDestinationRequest) (*none, error) {
	e, err := in.EventDestination.plain(in.ConfigurationSetName)
	if err != nil {
		return nil, err
	}
	return &none{}, s.r.CreateEventDestination(ctx, c, e)
}

func (s *Server) updateConfigurationSetEventDestination(ctx context.Context, c *api.Call, in *eventDestinationRequest) (*none, error) {
	e, err := in.EventDestination.plain(in.ConfigurationSetName)
	if err != nil {
		return nil, err
	}
	return &none{}, s.r.UpdateEventDestination(ctx, c, e)
}

type deleteEventDestinationRequest struct {
	ConfigurationSetName string `api:"required"`
	EventDestinationName string `api:"required"`
}

func (s *Server) deleteConfigurationSetEventDestination(ctx context.Context, c *api.Call, in *deleteEventDestinationRequest) (*none, error) {
	return &none{}, s.r.DeleteEventDestination(ctx, c, in.ConfigurationSetName, in.EventDestinationName)
}

// eventDestinations gives those of a set in the words of version 1.
func (s *Server) eventDestinations(c *api.Call, set string) (out []eventDestination, err error) {
	list, err := s.r.EventDestinations(c, set)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		d := eventDestination{Name: e.Name, Enabled: e.Enabled}
		for _, w := range e.Events {
			d.MatchingEventTypes = append(d.MatchingEventTypes, written(w))
		}
		if e.TopicARN != "" {
			d.SNSDestination = &snsDestination{e.TopicARN}
		}
		if e.Counters {
			d.CloudWatchDestination = &cloudWatchDestination{}
			for _, x := range e.Dimensions {
				d.CloudWatchDestination.DimensionConfigurations = append(d.CloudWatchDestination.DimensionConfigurations,
					cloudWatchDimension{x.Name, string(x.Source), x.Default})
			}
		}
		out = append(out, d)
	}
	return out, nil
}
