package destination

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Owner is whose events a destination is told: those of the mail under a
// configuration set, or of the mail sent as an identity. What belongs to a topic
// are its subscriptions, which are told of no event by themselves: the topic is the
// target of other destinations (Book.Ways).
type Owner struct {
	Account              string // 12 digits
	Set, Identity, Topic string // one of them
}

// String names the owner within its account. The name of a set holds no colon.
func (o Owner) String() string {
	switch {
	case o.Identity != "":
		return identityPrefix + o.Identity
	case o.Topic != "":
		return topicPrefix + o.Topic
	}
	return o.Set
}

// The prefixes of what is no set.
const (
	identityPrefix = "identity:"
	topicPrefix    = "topic:"
)

// ParseOwner reads what String gives, for an owner in an account.
func ParseOwner(account, text string) Owner {
	if name, ok := strings.CutPrefix(text, identityPrefix); ok {
		return Owner{Account: account, Identity: name}
	}
	if name, ok := strings.CutPrefix(text, topicPrefix); ok {
		return Owner{Account: account, Topic: name}
	}
	return Owner{Account: account, Set: text}
}

// Destination is a place that is told of events.
type Destination struct {
	Owner
	Name string // unique for the owner
	Kind Kind
	// Target is the URL to post to, the name of the file, relative to the folder for
	// event files, or the name of the topic.
	Target string
	// Events are the words of the event types that it wants (Words).
	Events  []string
	Created time.Time
	// Disabled: it is told of no event that happens meanwhile.
	Disabled bool
	// Parked is when it was given up, since it had taken no event for too long; zero
	// is never. What waits for it then is kept, and nothing is added.
	Parked time.Time
	// Resumed is when it was last taken out of there.
	Resumed time.Time
	// Confirmed: whoever owns the URL has agreed. Only SNS asks.
	Confirmed bool
	// Signature is the version of the signature of SNS, 1 or 2.
	Signature int
	// Raw: the event is posted without the envelope of SNS. Only subscriptions can.
	Raw bool
	// Dimensions part the counters of a destination of kind Metrics.
	Dimensions []Dimension
	// Via is set in what Book.Ways gives of a topic, and never kept.
	Via Via

	sealed  []byte // the secret that plain webhooks are signed with
	version uint64 // of the record, to compare
}

// Via names the subscription that a destination of kind Topic is told through.
type Via struct{ Topic, Subscription string }

// Kind is how a destination is told.
type Kind string

// The kinds.
const (
	Webhook Kind = "webhook" // a POST of the event, signed with a shared secret
	SNS     Kind = "sns"     // a POST in the envelope of Amazon SNS
	File    Kind = "file"    // a line of JSON
	Metrics Kind = "metrics" // counters for Prometheus
	Topic   Kind = "topic"   // through each subscription of a topic
)

// Most is the most destinations of one owner (spec section 8.1).
const Most = 10

// MostSubscriptions is the most subscriptions of one topic. MostWays is the most of
// all topics of an account, and the most ways that lead from its destinations
// through subscriptions: each is told by itself.
const (
	MostSubscriptions = 100
	MostWays          = 1000
)

// What can be wrong with a destination.
var (
	ErrBad   = errors.New("bad destination")
	ErrName  = errors.New("the name of a destination is 1 to 64 of letters, digits, hyphen and underscore")
	ErrCount = fmt.Errorf("a configuration set or an identity has at most %d destinations, a topic %d subscriptions; "+
		"all topics of an account have %d, and destinations lead to them in at most %d ways", Most, MostSubscriptions, MostWays, MostWays)
)

// Words gives the words for the types of events, as Destination.Events has them.
func Words() []string {
	return []string{"send", "reject", "bounce", "complaint", "delivery", "delivery_delay", "rendering_failure", "subscription"}
}

// SetWords gives those that a destination of a configuration set may name: beside
// Words those of which there are no events, since mail is not tracked, and which
// programs name all the same.
func SetWords() []string { return append(Words(), "open", "click") }

// IdentityWords gives those of which an identity can be told (spec section 8.1).
func IdentityWords() []string { return []string{"bounce", "complaint", "delivery"} }

// maxTarget bounds a target in octets.
const maxTarget = 1024

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	// topicForm is what a topic may be called (that of SNS).
	topicForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	fileForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)
)

// Wants reports whether the destination is told of new events of a type.
func (d *Destination) Wants(word string) bool {
	return d.Live() && slices.Contains(d.Events, word)
}

// Live reports whether the destination is told of any new event.
func (d *Destination) Live() bool { return !d.Disabled && d.Parked.IsZero() }

// Hears reports whether an event of a type reaches somebody: the destination is
// told, and has agreed where it must.
func (d *Destination) Hears(word string) bool {
	return d.Wants(word) && (d.Kind != SNS || d.Confirmed)
}

// single reports whether it is one thing.
func (o Owner) single() bool {
	n := 0
	for _, name := range []string{o.Set, o.Identity, o.Topic} {
		if name != "" {
			n++
		}
	}
	return n == 1
}

// checkEvents says what is wrong with the events, and puts them in order.
func (d *Destination) checkEvents() error {
	if d.Owner.Topic != "" {
		if len(d.Events) > 0 || d.Kind != SNS {
			return fmt.Errorf("%w: a subscription is told what its topic is", ErrBad)
		}
		return nil
	}
	words, whose := SetWords(), ""
	if d.Identity != "" {
		words, whose = IdentityWords(), " for an identity"
	}
	if len(d.Events) == 0 {
		return fmt.Errorf("%w: it wants no events", ErrBad)
	}
	for _, w := range d.Events {
		if !slices.Contains(words, w) {
			return fmt.Errorf("%w: no event type%s is called %q; there are %s", ErrBad, whose, w, strings.Join(words, ", "))
		}
	}
	d.Events = slices.DeleteFunc(words, func(w string) bool { return !slices.Contains(d.Events, w) })
	return nil
}

// check says what is wrong with a destination in itself, and puts its events in
// order.
func (d *Destination) check() error {
	if !d.Owner.single() {
		return fmt.Errorf("%w: it belongs to a configuration set or to an identity", ErrBad)
	}
	if !nameForm.MatchString(d.Name) {
		return ErrName
	}
	if err := d.checkEvents(); err != nil {
		return err
	}
	if len(d.Target) > maxTarget {
		return fmt.Errorf("%w: its target is longer than %d octets", ErrBad, maxTarget)
	}
	if d.Kind != Metrics && len(d.Dimensions) > 0 {
		return fmt.Errorf("%w: only counters have dimensions", ErrBad)
	}
	if d.Raw && d.Owner.Topic == "" {
		return fmt.Errorf("%w: only subscriptions of a topic are told without an envelope", ErrBad)
	}
	switch d.Kind {
	case Metrics:
		return d.checkCounters()
	case Topic:
		if !topicForm.MatchString(d.Target) {
			return fmt.Errorf("%w: %q is no name of a topic", ErrBad, d.Target)
		}
		return nil
	case Webhook, SNS:
		u, err := url.Parse(d.Target)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			return fmt.Errorf("%w: %q is no URL to post to, such as https://app.example.com/events", ErrBad, d.Target)
		}
		if d.Kind == SNS && d.Signature != 1 && d.Signature != 2 {
			return fmt.Errorf("%w: the version of its signature is 1 or 2", ErrBad)
		}
		return nil
	case File:
		if !fileForm.MatchString(d.Target) || !filepath.IsLocal(d.Target) || filepath.Clean(d.Target) != d.Target {
			return fmt.Errorf("%w: %q is no file name below the folder for event files", ErrBad, d.Target)
		}
		return nil
	}
	return fmt.Errorf("%w: kind %q", ErrBad, d.Kind)
}
