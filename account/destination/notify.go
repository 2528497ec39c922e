package destination

import (
	"context"
	"errors"
	"slices"

	"github.com/sesame-mta/sesame/account"
)

// SetTopic has an identity tell a topic of one type of event, or with an empty name
// none: SES lets an identity have one topic for each. It gives the destination that
// leads there, and answers ErrNoTopic, account.ErrNotFound for an identity that is
// not there, or what is wrong.
func (b *Book) SetTopic(ctx context.Context, o Owner, word, topic string) (d Destination, err error) {
	name := "topic-" + word
	_, err = b.Get(o, name)
	switch there := err == nil; {
	case there && topic == "":
		err = b.Delete(ctx, o, name)
	case there:
		d, err = b.Change(ctx, o, name, func(d *Destination) { d.Target, d.Disabled = topic, false })
	case topic == "":
		err = b.exists(o)
	default:
		d, _, err = b.Add(ctx, Destination{Owner: o, Name: name, Kind: Topic, Target: topic, Events: []string{word}})
	}
	if topic == "" && errors.Is(err, account.ErrNotFound) {
		err = b.exists(o) // somebody else took it away meanwhile
	}
	return d, err
}

// TopicOf gives the topic that an owner tells of a type of event; the first, if
// there are several, and empty for none.
func (b *Book) TopicOf(o Owner, word string) string {
	list := b.Of(o)
	i := slices.IndexFunc(list, func(d Destination) bool { return d.Kind == Topic && slices.Contains(d.Events, word) })
	if i < 0 {
		return ""
	}
	return list[i].Target
}
