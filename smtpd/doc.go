// Package smtpd holds the SMTP listeners: it turns what a client says into a
// submission.Request and what the desk answers into a reply. It owns the
// dialogue, TLS and AUTH at the door, the limits of connections, and every use of
// go-smtp, which runs unpatched behind the guard in internal/guard.
// On feedback listeners it also takes mail from strangers, for the addresses that
// an Inbound names, and relays nothing for them.
// It does not know the queue, the admission rules, or how mail leaves.
package smtpd
