// Package queue keeps the list of deliveries still to be made, and when each
// is due. It owns the schedule and the leases and declares the Spool seam.
// It does not know SMTP, DNS or the network, and never opens a message body.
package queue
