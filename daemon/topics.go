package daemon

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/topic"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/publish"
	"github.com/sesame-mta/sesame/event/webhook"
)

// told gives whom the publisher tells: a destination that leads to a topic through
// each of its subscriptions, a subscription itself only until it is confirmed.
// Counters are not told.
func (d *Daemon) told() (list []destination.Destination) {
	for _, dest := range d.destinations.All("") {
		switch {
		case dest.Kind == destination.Metrics:
		case dest.Owner.Topic != "":
			if !dest.Confirmed && !topic.Expired(dest, time.Now()) {
				list = append(list, dest)
			}
		default:
			list = append(list, d.destinations.Ways(dest)...)
		}
	}
	return list
}

// lateThrough names who asks for an event through a topic.
func (d *Daemon) lateThrough(t event.Type, dest destination.Destination) (names []string) {
	if dest.Disabled || !slices.Contains(dest.Events, words[t]) {
		return nil
	}
	for _, way := range d.destinations.Ways(dest) {
		if way.Live() {
			names = append(names, publish.Consumer(way))
		} else {
			d.publisher.Skipped(way)
		}
	}
	return names
}

// subscriptionOf names the subscription of a topic that a way leads to; empty when
// there is none.
func subscriptionOf(dest destination.Destination) string {
	if owner, name := dest.Place(); owner.Topic != "" {
		return name
	}
	return ""
}

// snsSink makes the way to a destination that is told as by SNS.
func (d *Daemon) snsSink(dest destination.Destination) *webhook.SNS {
	return webhook.NewSNS(webhook.SNSOptions{Consumer: publish.Consumer(dest), URL: dest.Target, Client: d.hooks, Encoder: d.encoder(dest),
		Topic: d.topic(dest), Subscription: subscriptionOf(dest), Raw: dest.Raw,
		Signer: d.signer, Version: dest.Signature, PublicURL: strings.TrimSuffix(d.cfg.Service.PublicURL, "/"),
		Token: d.token(dest), Confirmed: dest.Confirmed})
}

// validated is what SES says to a topic when it becomes a destination, but for its
// own name.
const validated = "Successfully validated SNS topic for sesame event publishing."

// subscribed is what SES says when it becomes the topic of an identity, but for its
// own name. Programs know it by its type.
func subscribed(arn string, dest destination.Destination) string {
	kind := strings.ToUpper(dest.Events[0][:1]) + dest.Events[0][1:]
	text, _ := json.Marshal(map[string]string{ // strings always can be written
		"notificationType": "AmazonSnsSubscriptionSucceeded",
		"message": "You have successfully subscribed your SNS topic '" + arn + "' to receive '" + kind +
			"' notifications from sesame for identity '" + dest.Identity + "'.",
	})
	return string(text) + "\n"
}

// announce tells the subscribers of a destination's topic that events will come.
func (d *Daemon) announce(dest destination.Destination) {
	subject, text := webhook.Subject, validated
	if dest.Identity != "" {
		subject, text = "", subscribed(d.topics.ARN(dest.Account, dest.Target), dest)
	}
	for _, way := range d.destinations.Ways(dest) {
		if d.canTell(way.Kind) == nil {
			d.herald.Say(d.snsSink(way), "validated "+dest.Owner.String()+"/"+dest.Name+time.Now().UTC().String(), subject, text)
		}
	}
}

// subscriptionARN gives the ARN of the subscription of a topic, or what stands for it.
func (d *Daemon) subscriptionARN(dest destination.Destination) string {
	arn := d.topic(dest).ARN()
	if name := subscriptionOf(dest); name != "" {
		arn += ":" + name
	}
	return arn
}

// confirmSNS is the agreement of whoever was asked.
func (d *Daemon) confirmSNS(ctx context.Context, dest destination.Destination) error {
	if dest.Owner.Topic != "" {
		_, err := d.topics.Confirm(ctx, dest.Account, dest.Owner.Topic, d.token(dest))
		return err
	}
	_, err := d.destinations.Change(ctx, dest.Owner, dest.Name, func(c *destination.Destination) { c.Confirmed = true })
	return err
}

// unsubscribeSNS is the wish to hear no more.
func (d *Daemon) unsubscribeSNS(ctx context.Context, dest destination.Destination) error {
	if dest.Owner.Topic != "" {
		return d.topics.Unsubscribe(ctx, dest.Account, dest.Owner.Topic, dest.Name)
	}
	_, err := d.destinations.Change(ctx, dest.Owner, dest.Name, func(c *destination.Destination) { c.Disabled = true })
	return err
}
