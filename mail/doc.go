// Package mail holds the words that every room shares: addresses and paths, the
// enhanced status code and the reply, the message id, the outcome of an attempt.
// It owns their grammar and their printed forms.
// It imports no other room, opens nothing and keeps no state.
package mail
