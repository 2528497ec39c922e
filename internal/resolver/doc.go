// Package resolver asks DNS servers and remembers what they said: mail
// exchangers, addresses and texts, with a bounded cache that honours TTLs for
// answers and for their absence (RFC 2308), and one question on the wire
// however many ask it at once. It is a stub: the servers it asks do the
// recursion.
// It is the one place that may import the DNS library, so that the library can
// be exchanged. It does not know mail: what a missing record means is for those
// who ask.
package resolver
