package api

import (
	"context"
	"errors"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/event/webhook"
)

// The errors about event destinations.
var (
	noDestination     = kind(Shape{400, "EventDestinationDoesNotExist"}, Shape{404, "NotFoundException"})
	destinationExists = kind(Shape{400, "EventDestinationAlreadyExists"}, Shape{400, "AlreadyExistsException"})
	badTopic          = kind(Shape{400, "InvalidSNSDestination"}, Shape{400, "BadRequestException"})
	badFirehose       = kind(Shape{400, "InvalidFirehoseDestination"}, Shape{400, "BadRequestException"})
	badCounters       = kind(Shape{400, "InvalidCloudWatchDestination"}, Shape{400, "BadRequestException"})
)

// EventDestination is a destination of a configuration set, as both versions have
// it. One that was made by command and has no form in SES has no target.
type EventDestination struct {
	Set, Name string
	Enabled   bool
	// Events are the words of package destination.
	Events []string
	// TopicARN is that of a topic, Counters say that events are counted.
	TopicARN   string
	Counters   bool
	Dimensions []destination.Dimension
	// Elsewhere names what a request asked for and is not there.
	Elsewhere string
}

func (e *EventDestination) data() []string {
	return []string{"ConfigurationSetName", e.Set, "EventDestinationName", e.Name}
}

// target reads where a destination leads; an empty kind is that nothing was said.
func (r *Rooms) target(c *Call, e *EventDestination) (kind destination.Kind, target string, err error) {
	switch {
	case e.Elsewhere != "":
		return "", "", badFirehose(e.Elsewhere + " is not available. There are SNS topics and CloudWatch dimensions.").with(e.data()...)
	case e.TopicARN != "" && e.Counters:
		return "", "", BadParameter("An event destination has one destination.")
	case e.Counters:
		return destination.Metrics, "", nil
	case e.TopicARN != "":
		name, err := r.Topics.Parse(c.Account.ID, e.TopicARN)
		if err != nil {
			return "", "", noTopic(e)
		}
		return destination.Topic, name, nil
	}
	return "", "", nil
}

func noTopic(e *EventDestination) error {
	return badTopic("SNS topic <" + e.TopicARN + "> not found.").with(e.data()...)
}

// destinationError gives what SES says of what the book of destinations says.
func (e *EventDestination) destinationError(err error) error {
	switch {
	case errors.Is(err, destination.ErrNoTopic):
		return noTopic(e)
	case errors.Is(err, account.ErrExists):
		return destinationExists("An event destination with name <" + e.Name + "> already exists for configuration set <" + e.Set + ">.").with(e.data()...)
	case errors.Is(err, account.ErrNotFound):
		return noDestination("No EventDestination found for " + e.Name).with(e.data()...)
	case errors.Is(err, destination.ErrCount):
		return Limit(sentence(err))
	case errors.Is(err, destination.ErrBad) && e.Counters:
		return badCounters(sentence(err)).with(e.data()...)
	case errors.Is(err, destination.ErrBad), errors.Is(err, destination.ErrName):
		return BadParameter(sentence(err))
	}
	return err
}

// EventDestinations gives those of a set.
func (r *Rooms) EventDestinations(c *Call, set string) (list []EventDestination, err error) {
	if _, err := r.Set(c, set); err != nil {
		return nil, err
	}
	for _, d := range r.Destinations.Of(destination.Owner{Account: c.Account.ID, Set: set}) {
		e := EventDestination{Set: set, Name: d.Name, Enabled: !d.Disabled, Events: d.Events}
		switch d.Kind {
		case destination.Metrics:
			e.Counters, e.Dimensions = true, d.Dimensions
		case destination.Topic:
			e.TopicARN = r.Topics.ARN(d.Account, d.Target)
		case destination.SNS:
			e.TopicARN = r.ownARN(&d)
		case destination.Webhook, destination.File: // SES has no such
		}
		list = append(list, e)
	}
	return list, nil
}

// ownARN is the ARN of a destination that is told as by SNS, without a topic.
func (r *Rooms) ownARN(d *destination.Destination) string {
	return webhook.Topic{Region: r.Region, Account: d.Account, Owner: d.Set, Name: d.Name}.ARN()
}

// CreateEventDestination makes one.
func (r *Rooms) CreateEventDestination(ctx context.Context, c *Call, e *EventDestination) error {
	if _, err := r.Set(c, e.Set); err != nil {
		return err
	}
	kind, target, err := r.target(c, e)
	if err != nil {
		return err
	}
	if kind == "" {
		return BadParameter("An event destination has one destination.")
	}
	d, _, err := r.Destinations.Add(ctx, destination.Destination{Owner: destination.Owner{Account: c.Account.ID, Set: e.Set}, Name: e.Name,
		Kind: kind, Target: target, Events: e.Events, Disabled: !e.Enabled, Dimensions: e.Dimensions})
	if err != nil {
		return e.destinationError(err)
	}
	r.announce(d)
	return nil
}

// UpdateEventDestination changes one. Where a request says no destination or no
// events, they stay.
func (r *Rooms) UpdateEventDestination(ctx context.Context, c *Call, e *EventDestination) error {
	if _, err := r.Set(c, e.Set); err != nil {
		return err
	}
	kind, target, err := r.target(c, e)
	if err != nil {
		return err
	}
	var old destination.Destination
	d, err := r.Destinations.Change(ctx, destination.Owner{Account: c.Account.ID, Set: e.Set}, e.Name, func(d *destination.Destination) {
		old = *d
		d.Disabled = !e.Enabled
		if len(e.Events) > 0 {
			d.Events = e.Events
		}
		if kind != "" && (d.Kind != destination.SNS || e.TopicARN != r.ownARN(d)) {
			d.Kind, d.Target, d.Dimensions = kind, target, e.Dimensions
		}
	})
	if err != nil {
		return e.destinationError(err)
	}
	if d.Kind != old.Kind || d.Target != old.Target {
		r.announce(d)
	}
	return nil
}

// DeleteEventDestination ends one.
func (r *Rooms) DeleteEventDestination(ctx context.Context, c *Call, set, name string) error {
	if _, err := r.Set(c, set); err != nil {
		return err
	}
	e := &EventDestination{Set: set, Name: name}
	return e.destinationError(r.Destinations.Delete(ctx, destination.Owner{Account: c.Account.ID, Set: set}, name))
}

// announce tells a topic that events will come.
func (r *Rooms) announce(d destination.Destination) {
	if d.Kind == destination.Topic && r.Announce != nil {
		r.Announce(d)
	}
}

// EventWords reads the words of a version for types of events, by how that version
// writes them.
func EventWords(member string, words []string, written func(word string) string) ([]string, error) {
	known := map[string]string{}
	var all, events []string
	for _, w := range destination.SetWords() {
		known[written(w)] = w
		all = append(all, written(w))
	}
	for _, w := range words {
		if known[w] == "" {
			return nil, noneOf(member, all)
		}
		events = append(events, known[w])
	}
	return events, nil
}
