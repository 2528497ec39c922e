// Package report writes reports about mail as mail, and reads those that others
// write: the DSN (RFC 3464) and the feedback report (RFC 5965) in the
// multipart/report of RFC 6522, what old hosts send in place of them, and automatic
// answers. It owns their form and their words, and keeps what a remote host said
// from becoming anything but text in them.
// It is a part of mail. It does not know why or when a report is due, how it is sent
// or whose message it is about, and believes nothing of what it reads; the same
// input always gives the same result.
package report
