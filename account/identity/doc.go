// Package identity keeps the domains and addresses that accounts may send as,
// and the DKIM keys of those domains. It is a branch of account. It owns the
// rule which identity covers an address, and the DNS records to publish.
// It does not know messages, and asks no DNS server.
package identity
