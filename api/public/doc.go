// Package public serves the pages that people outside meet: the link that
// verifies an address, and the one that leaves a mailing list. It is a branch of api. It owns what these pages say, and
// the headers that keep others from using them.
// It knows no accounts: a Verifier tells whether a link is good, an
// Unsubscriber acts on it.
package public
