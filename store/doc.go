// Package store is where the engines live that keep the queue, the outbox and
// the books. It holds no code itself: bolt is the engine built in, storetest the
// contract that every engine passes. Only daemon chooses one.
package store
