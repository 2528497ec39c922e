package event

import "strings"

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
