// Package public serves the pages that people outside meet: the link that
// verifies an address. It is a branch of api. It owns what these pages say, and
// the headers that keep others from using them.
// It knows no accounts: a Verifier tells whether a link is good.
package public
