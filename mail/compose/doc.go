// Package compose makes a message of its parts: addresses, a subject, texts and
// attachments become header fields and a MIME body (RFC 5322, RFC 2045 to 2047) of
// 7-bit octets and short lines. It is a part of mail. It streams: no attachment is
// ever in memory as a whole.
package compose
