// Package sigv4 derives from a secret access key what Amazon SES derives from
// it. It is a part of auth: pure functions, no state, no other room.
package sigv4
