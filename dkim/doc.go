// Package dkim makes DKIM keys and signatures (RFC 6376, RFC 8301, RFC 8463).
// It owns the form of keys, of the records that publish them and of the
// DKIM-Signature field, and decides which header fields are signed.
// It does not know whose keys they are, where they are kept or when a message
// leaves; the same input always gives the same octets.
package dkim
