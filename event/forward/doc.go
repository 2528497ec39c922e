// Package forward tells a sender by mail what could not be delivered: it reads
// Bounce events from the outbox and hands one DSN per message and group of
// failures to the Submitter. It is a branch of event.
// It never sends mail itself and knows nothing of the queue.
package forward
