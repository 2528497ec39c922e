package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/identity"
)

// feedback are the types of events that are mailed to the owner of an identity
// unless somebody else is told of them.
var feedback = []string{"bounce", "complaint"}

// SetTopic has an identity of the caller's account tell a topic, by its ARN, of one
// type of event; no ARN takes it away.
func (r *Rooms) SetTopic(ctx context.Context, c *Call, name, word, arn string) error {
	i, err := r.Identity(c, name)
	if err != nil {
		return err
	}
	noTopic := BadParameter("SNS topic <" + arn + "> not found.")
	topic := ""
	if arn != "" {
		t, err := r.Topics.Find(c.AccountID(), arn)
		if errors.Is(err, account.ErrNotFound) {
			return noTopic.WithCause(err)
		}
		if err != nil {
			return err
		}
		topic = t.Name
	}
	d, err := r.Destinations.SetTopic(ctx, destination.Owner{Account: i.Account, Identity: i.Name}, word, topic)
	switch {
	case err == nil:
		r.announce(d)
	case errors.Is(err, destination.ErrNoTopic):
		return noTopic.WithCause(err)
	case errors.Is(err, destination.ErrCount):
		return Limit(err.Error())
	case errors.Is(err, destination.ErrBad):
		return BadParameter(err.Error())
	}
	return identityError(name, err)
}

// TopicOf gives the ARN of the topic that an identity tells of a type of event.
func (r *Rooms) TopicOf(i identity.Identity, word string) string {
	topic := r.Destinations.TopicOf(destination.Owner{Account: i.Account, Identity: i.Name}, word)
	if topic == "" {
		return ""
	}
	return r.Topics.ARN(i.Account, topic)
}

// SetForwarding says whether the owner of an identity of the caller's account wants
// bounces and complaints by mail. Those of which nobody is told otherwise are mailed
// all the same (spec section 6.5).
func (r *Rooms) SetForwarding(ctx context.Context, c *Call, name string, on bool) error {
	_, err := r.ChangeIdentity(ctx, c, name, func(ctx context.Context, accountID, name string) (identity.Identity, error) {
		return r.Identities.SetNotifications(ctx, accountID, name, identity.Notifications{Forwarding: &on})
	})
	return err
}

// CanForgoMail says why an identity must go on to get bounces and complaints by
// mail: it has no topic for one of them, and nobody else hears of it.
func (r *Rooms) CanForgoMail(i identity.Identity) error {
	for _, word := range feedback {
		if r.TopicOf(i, word) != "" || r.Destinations.Hears(destination.Owner{Account: i.Account, Identity: i.Name}, word) ||
			i.Set != "" && r.Destinations.Hears(destination.Owner{Account: i.Account, Set: i.Set}, word) {
			continue
		}
		return BadParameter(fmt.Sprintf("Identity <%s> has no topic for %ss, so they must be forwarded by mail.", i.Name, word))
	}
	return nil
}
