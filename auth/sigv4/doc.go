// Package sigv4 does with a secret access key what Amazon SES does with it: it
// derives SMTP passwords, and verifies the signatures of HTTP requests (Signature
// Version 4). It is a part of auth: pure functions, no state, no other room.
package sigv4
