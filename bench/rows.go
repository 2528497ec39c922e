package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// row is one thing to measure: a line of the table for each server.
type row struct {
	name, title string
	short       bool // in the short table
	aim         bool // docs/performance.md judges it
	peers       bool // for servers other than Postfix too
	// accept measures the taking alone: the next hop answers nothing until the
	// run is over, so that nothing is delivered meanwhile.
	accept      bool
	connections int
	per         int  // messages on a connection; 0 is any number
	single      bool // one command at a time, no pipelining
	size        int
	recipients  int
	domains     int  // destinations, each with an address of its own; 0 is a smart host
	tls         bool // STARTTLS and AUTH PLAIN at the door
	tlsOut      bool // STARTTLS to the next hop
	dkim        signing
	latency     time.Duration // of the next hop's replies
	messages    int64         // the most of a run; 0 is as many as the time allows
	deferrals   int           // percentage of messages
	delay       time.Duration // of each sync
}

// signing is which DKIM signatures are made.
type signing int

// The zero value signs nothing.
const (
	signRSA signing = iota + 1
	signEd25519
	signBoth
)

// signatures is how many a message then has.
func (s signing) signatures() int64 {
	return map[signing]int64{signRSA: 1, signEd25519: 1, signBoth: 2}[s]
}

// bare gives the milliseconds of CPU that the signatures of a message take by
// Go's library, now.
func (s signing) bare() (float64, error) {
	if s == 0 {
		return 0, nil
	}
	r, ed, err := bareSignatures()
	return map[signing]float64{signRSA: r, signEd25519: ed, signBoth: r + ed}[s], err
}

// rows is all that compare can measure. What a row leaves out is 2 KB, one
// recipient, a smart host, in clear.
func rows() []row {
	const kb, mb = 1 << 10, 1 << 20
	all := []row{
		{name: "e2e-20", title: "end to end", connections: 20, short: true, peers: true},
		{name: "e2e-100", title: "end to end", connections: 100, short: true},
		{name: "one", title: "one connection, one command at a time", connections: 1, single: true, short: true},
		{name: "accept-100", title: "accept only", accept: true, connections: 100, short: true, peers: true},
		{name: "100k", title: "end to end, 100 KB", connections: 20, size: 100 * kb, short: true, peers: true},
		{name: "rsa", title: "DKIM RSA-2048", connections: 20, dkim: signRSA, short: true, peers: true},
		{name: "rcpt-50", title: "50 recipients in one domain", connections: 20, recipients: 50, short: true, peers: true},
		{name: "tls-once", title: "STARTTLS and AUTH, one message each", connections: 20, per: 1, tls: true, short: true, peers: true},

		{name: "e2e-1", title: "end to end", connections: 1},
		{name: "e2e-500", title: "end to end", connections: 500},
		{name: "accept-1", title: "accept only", accept: true, connections: 1},
		{name: "accept-20", title: "accept only", accept: true, connections: 20},
		{name: "accept-500", title: "accept only", accept: true, connections: 500},
		{name: "accept-100-slow", title: "accept only, 2 ms more a sync", accept: true, connections: 100, delay: 2 * time.Millisecond, aim: true},
		{name: "e2e-100-slow", title: "end to end, 2 ms more a sync", connections: 100, delay: 2 * time.Millisecond},
		{name: "once-20", title: "a connection for each message", connections: 20, per: 1},
		{name: "5m", title: "end to end, 5 MB", connections: 8, size: 5 * mb, aim: true},
		{name: "tls", title: "STARTTLS and AUTH, kept", connections: 20, tls: true, aim: true},
		{name: "tls-out", title: "STARTTLS to the next hop", connections: 20, tlsOut: true},
		{name: "ed25519", title: "DKIM Ed25519", connections: 20, dkim: signEd25519, aim: true},
		{name: "both", title: "DKIM RSA-2048 and Ed25519", connections: 20, dkim: signBoth},
		{name: "domains-1", title: "1 destination by its name", connections: 20, domains: 1},
		{name: "domains-1000", title: "1,000 destinations", connections: 20, domains: 1000},
		{name: "latency", title: "200 ms to the next hop", connections: 20, latency: 200 * time.Millisecond, messages: 1000},
		{name: "deferrals", title: "5 % deferred at first", connections: 20, deferrals: 5},
	}
	for i := range all {
		r := &all[i]
		r.aim = r.aim || r.short
		if r.size == 0 {
			r.size = 2 * kb
		}
		if r.recipients == 0 {
			r.recipients = 1
		}
	}
	return all
}

// choose gives the rows of a list of names; "short", "long", "peers" and "all" stand
// for many.
func choose(list string) ([]row, error) {
	var chosen []row
	for name := range strings.SplitSeq(list, ",") {
		n := len(chosen)
		for _, r := range rows() {
			known := slices.ContainsFunc(chosen, func(c row) bool { return c.name == r.name })
			if !known && (name == r.name || name == "all" || name == "short" && r.short || name == "long" && !r.short || name == "peers" && r.peers) {
				chosen = append(chosen, r)
			}
		}
		if len(chosen) == n {
			return nil, fmt.Errorf("-rows: unknown %q", name)
		}
	}
	return chosen, nil
}

// rounds gives how often a server is measured and for how long at once: five times
// three seconds where an aim is judged, three times two elsewhere. The slow peers
// take minutes to pass on what they accept in three seconds: one is enough.
func (r row) rounds(server string) (runs int, duration time.Duration) {
	switch {
	case slow(server):
		return 3, time.Second
	case r.aim:
		return 5, 3 * time.Second
	}
	return 3, 2 * time.Second
}

// slow tells of servers that nothing is compared with but themselves.
func slow(server string) bool { return server == "exim" || server == "opensmtpd" }

// address gives the loopback address of the nth destination.
func address(n int) string { return fmt.Sprintf("127.1.%d.%d", n/250, n%250+1) }
