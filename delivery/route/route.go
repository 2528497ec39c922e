// Package route says which hosts take mail for a domain, in which order: MX,
// null MX, implicit MX, CNAME, loops to ourselves, smarthost (RFC 5321 section
// 5.1, RFC 7505). It is a part of delivery. It never opens a connection.
package route

import (
	"context"
	"net/netip"
	"time"
)

// Host is one host to try.
type Host struct {
	Name string // lower case, no final dot; for an address literal its text
	Pref uint16
	// Addr and Port are set when the host is given by address (literal, smarthost).
	Addr netip.Addr
	Port uint16 // 0: the configured port
}

// Route is an ordered list of hosts: ascending preference, equals shuffled anew
// for each attempt by Order.
type Route struct {
	Domain string
	// Site names the destination: domains with the same hosts share it, and
	// with it connections and limits.
	Site  string
	Hosts []Host
	// Trusted: the operator named the host (smarthost); any address will do.
	Trusted bool
	Expires time.Time // when to resolve again
}

// Router resolves domains. The error is a *mail.Reply: permanent for a domain
// that takes no mail, transient when the answer could not be had.
type Router interface {
	Route(ctx context.Context, domain string) (*Route, error)
}
