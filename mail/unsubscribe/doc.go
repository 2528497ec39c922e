// Package unsubscribe writes and reads the links by which a recipient leaves a
// mailing list (RFC 8058): who, which list, and the mail that it stood in, so that a
// link needs nothing kept and is good for ever. It is a part of mail. It owns the
// form of the token.
// It does not know keys, lists or HTTP: the key is passed in.
package unsubscribe
