// Package auth says who is speaking: it checks credentials and holds the SASL
// mechanisms PLAIN and LOGIN. Parts: sigv4, SMTP passwords and signatures of HTTP
// requests as AWS makes them.
// It does not know listeners or replies other than the ones it refuses with.
package auth
