// Package webhook tells a destination by HTTP: a plain POST that is signed with a
// shared secret, or one in the envelope of Amazon SNS, signed with a key whose
// certificate it serves. It is a branch of event. It owns the requests, their
// signatures and the handshake. It does not know when to try again, nor which
// addresses are forbidden.
package webhook
