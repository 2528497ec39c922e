// Package delivery makes one attempt at one destination: it takes a route and a
// job, speaks SMTP with the hosts of the route and gives one outcome per
// recipient. It owns the connections and their reuse, and how far an attempt
// goes before it gives up. Parts: route, tlspolicy, egress, smtpc; destinations
// that never touch the network: capture, simulator.
// It does not know the queue, and never decides when to try again.
package delivery
