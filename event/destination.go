package event

import (
	"context"
	"strings"
)

// destinationPrefix begins the name of every consumer that is a destination.
const destinationPrefix = "to/"

// DestinationConsumer gives the name under which the outbox keeps events for a
// destination of a configuration set. The names of sets and destinations hold no
// slash.
func DestinationConsumer(account, set, name string) string {
	return destinationPrefix + account + "/" + set + "/" + name
}

// IsDestination reports whether a consumer is a destination. It finds in an event
// all that it tells, and needs no content.
func IsDestination(consumer string) bool { return strings.HasPrefix(consumer, destinationPrefix) }

// Sink is the way to one destination: what is beneath this package implements it,
// and package eventtest says how it must behave. Its methods are called by one
// goroutine.
type Sink interface {
	// Ready says why nothing can be told yet; nil when it can.
	Ready(ctx context.Context) error
	// Tell hands records over, those of one message in their order, and gives the
	// numbers of those that were taken. The error says why the others were not.
	Tell(ctx context.Context, records []Record) (told []uint64, err error)
	// Close releases what it holds.
	Close() error
}
