// Package destination keeps who is told of events: the destinations of
// configuration sets and of identities. It is a branch of account. It owns their
// form, their secrets, and the words for the types of events.
// It does not know events, and tells nobody.
package destination
