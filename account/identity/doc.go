// Package identity keeps the domains and addresses that accounts may send as,
// and the DKIM keys of those domains. It is a branch of account. It owns the
// rule which identity covers an address, the DNS records to publish, the checks
// that they are, and the states that follow from those.
// It does not know messages, sends no mail, and asks DNS only through a Checker.
package identity
