// Package reputation rates the mail of accounts, their identities and their
// configuration sets by the bounces and complaints that it meets, and keeps the
// sending statistics of accounts. It is a branch of account. It owns which outcome
// counts, the thresholds, the states and the files that all of it is kept in.
// It does not know messages, the queue or events: who sees outcomes tells it.
package reputation
