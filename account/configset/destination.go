package configset

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

// Destination is a place that is told of the events of mail under a
// configuration set.
type Destination struct {
	Account string // 12 digits
	Set     string
	Name    string // unique within the set
	Kind    Kind
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

	sealed []byte // the secret that plain webhooks are signed with
}

// Kind is how a destination is told.
type Kind string

// The kinds.
const (
	Webhook Kind = "webhook" // a POST of the event, signed with a shared secret
	SNS     Kind = "sns"     // a POST in the envelope of Amazon SNS
	File    Kind = "file"    // a line of JSON
)

// MaxDestinations is the most destinations of one set (spec section 8.1).
const MaxDestinations = 10

// What can be wrong with a destination.
var (
	ErrDestination      = errors.New("bad destination")
	ErrDestinationName  = errors.New("the name of a destination is 1 to 64 of letters, digits, hyphen and underscore")
	ErrDestinationCount = fmt.Errorf("a configuration set has at most %d destinations", MaxDestinations)
)

// Words gives the words for the types of events, as Destination.Events has them.
func Words() []string {
	return []string{"send", "reject", "bounce", "complaint", "delivery", "delivery_delay"}
}

// maxTarget bounds a target in octets.
const maxTarget = 1024

var fileForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)

// Wants reports whether the destination is told of new events of a type.
func (d *Destination) Wants(word string) bool {
	return d.Live() && slices.Contains(d.Events, word)
}

// Live reports whether the destination is told of any new event.
func (d *Destination) Live() bool { return !d.Disabled && d.Parked.IsZero() }

// check says what is wrong with a destination in itself, and puts its events in
// order.
func (d *Destination) check() error {
	if !nameForm.MatchString(d.Name) {
		return ErrDestinationName
	}
	if len(d.Events) == 0 {
		return fmt.Errorf("%w: it wants no events", ErrDestination)
	}
	for _, w := range d.Events {
		if !slices.Contains(Words(), w) {
			return fmt.Errorf("%w: no event type is called %q; there are %s", ErrDestination, w, strings.Join(Words(), ", "))
		}
	}
	d.Events = slices.DeleteFunc(Words(), func(w string) bool { return !slices.Contains(d.Events, w) })
	if len(d.Target) > maxTarget {
		return fmt.Errorf("%w: its target is longer than %d octets", ErrDestination, maxTarget)
	}
	switch d.Kind {
	case Webhook, SNS:
		u, err := url.Parse(d.Target)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			return fmt.Errorf("%w: %q is no URL to post to, such as https://app.example.com/events", ErrDestination, d.Target)
		}
		if d.Kind == SNS && d.Signature != 1 && d.Signature != 2 {
			return fmt.Errorf("%w: the version of its signature is 1 or 2", ErrDestination)
		}
		return nil
	case File:
		if !fileForm.MatchString(d.Target) || !filepath.IsLocal(d.Target) || filepath.Clean(d.Target) != d.Target {
			return fmt.Errorf("%w: %q is no file name below the folder for event files", ErrDestination, d.Target)
		}
		return nil
	}
	return fmt.Errorf("%w: kind %q", ErrDestination, d.Kind)
}

// destinationData is a Destination on disk, within its set.
type destinationData struct {
	Name      string    `json:"name"`
	Kind      Kind      `json:"kind"`
	Target    string    `json:"target"`
	Events    []string  `json:"events"`
	Created   time.Time `json:"created"`
	Disabled  bool      `json:"disabled,omitempty"`
	Parked    time.Time `json:"parked,omitzero"`
	Resumed   time.Time `json:"resumed,omitzero"`
	Confirmed bool      `json:"confirmed,omitempty"`
	Signature int       `json:"signature,omitempty"`
	Sealed    []byte    `json:"sealed,omitempty"`
}

func (d Destination) data() destinationData {
	return destinationData{d.Name, d.Kind, d.Target, d.Events, d.Created, d.Disabled, d.Parked, d.Resumed, d.Confirmed, d.Signature, d.sealed}
}

func (d destinationData) destination(account, set string) Destination {
	return Destination{account, set, d.Name, d.Kind, d.Target, d.Events, d.Created, d.Disabled, d.Parked, d.Resumed, d.Confirmed, d.Signature, d.Sealed}
}

// place is where the secret of a destination may be opened.
func (d *Destination) place() []string {
	return []string{"destination", d.Account, d.Set, d.Name}
}
