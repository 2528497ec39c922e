// Package event is what happened to messages, kept and told to those who asked.
// It owns the event and declares the outbox that Append and Commit write into,
// and Submitter, the way by which a destination sends mail of its own. One
// package beneath it per destination. It does not know the queue or the engine
// that keeps the outbox, and it can never slow mail.
package event
