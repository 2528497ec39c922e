// Package message reads and edits the header section of a message (RFC 5322)
// as octets: where it ends, which fields it has, what leaves it and what is put
// before it. It is a part of mail. It never re-serialises a field it was given.
package message
