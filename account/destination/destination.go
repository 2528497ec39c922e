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
// configuration set, or of the mail sent as an identity.
type Owner struct {
	Account       string // 12 digits
	Set, Identity string // one of them
}

// String names the owner within its account. The name of a set holds no colon.
func (o Owner) String() string {
	if o.Identity != "" {
		return "identity:" + o.Identity
	}
	return o.Set
}

// Destination is a place that is told of events.
type Destination struct {
	Owner
	Name string // unique for the owner
	Kind Kind
	// Target is the URL to post to, or the name of the file, relative to the folder
	// for event files.
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
	// Dimensions part the counters of a destination of kind Metrics.
	Dimensions []Dimension

	sealed  []byte // the secret that plain webhooks are signed with
	version uint64 // of the record, to compare
}

// Kind is how a destination is told.
type Kind string

// The kinds.
const (
	Webhook Kind = "webhook" // a POST of the event, signed with a shared secret
	SNS     Kind = "sns"     // a POST in the envelope of Amazon SNS
	File    Kind = "file"    // a line of JSON
	Metrics Kind = "metrics" // counters for Prometheus
)

// Most is the most destinations of one owner (spec section 8.1).
const Most = 10

// What can be wrong with a destination.
var (
	ErrBad   = errors.New("bad destination")
	ErrName  = errors.New("the name of a destination is 1 to 64 of letters, digits, hyphen and underscore")
	ErrCount = fmt.Errorf("a configuration set or an identity has at most %d destinations", Most)
)

// Words gives the words for the types of events, as Destination.Events has them.
func Words() []string {
	return []string{"send", "reject", "bounce", "complaint", "delivery", "delivery_delay", "rendering_failure", "subscription"}
}

// IdentityWords gives those of which an identity can be told (spec section 8.1).
func IdentityWords() []string { return []string{"bounce", "complaint", "delivery"} }

// maxTarget bounds a target in octets.
const maxTarget = 1024

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	fileForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)
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

// check says what is wrong with a destination in itself, and puts its events in
// order.
func (d *Destination) check() error {
	if (d.Set == "") == (d.Identity == "") {
		return fmt.Errorf("%w: it belongs to a configuration set or to an identity", ErrBad)
	}
	if !nameForm.MatchString(d.Name) {
		return ErrName
	}
	words, whose := Words(), ""
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
	if len(d.Target) > maxTarget {
		return fmt.Errorf("%w: its target is longer than %d octets", ErrBad, maxTarget)
	}
	if d.Kind != Metrics && len(d.Dimensions) > 0 {
		return fmt.Errorf("%w: only counters have dimensions", ErrBad)
	}
	switch d.Kind {
	case Metrics:
		return d.checkCounters()
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
