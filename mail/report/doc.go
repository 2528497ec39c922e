// Package report writes reports about mail as mail: the DSN (RFC 3464 in the
// multipart/report of RFC 6522). It owns their form and their words, and keeps
// what a remote host said from becoming anything but text in them.
// It is a part of mail. It does not know why or when a report is due, nor how
// it is sent; the same input always gives the same octets.
package report
