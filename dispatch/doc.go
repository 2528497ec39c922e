// Package dispatch is the one way out: it takes leases from the queue, has the
// message signed and carried, and settles what became of each recipient. It
// owns the workers, the retry schedule and the reading of outcomes, and is
// alone in settling them.
// It does not know SMTP, DNS or how a message came in.
package dispatch
