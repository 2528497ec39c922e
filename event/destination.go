package event

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// destinationPrefix begins the name of every consumer that is a destination.
const destinationPrefix = "to/"

// maxConsumer is the longest name that the outbox takes, in octets.
const maxConsumer = 255

// DestinationConsumer gives the name under which the outbox keeps events for a
// destination of an owner in an account. The name of a destination holds no slash.
// Of a long owner it has a digest.
func DestinationConsumer(account, owner, name string) string {
	full := destinationPrefix + account + "/" + owner + "/" + name
	if len(full) <= maxConsumer {
		return full
	}
	sum := sha256.Sum256([]byte(owner))
	return destinationPrefix + account + "/#" + hex.EncodeToString(sum[:]) + "/" + name
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
