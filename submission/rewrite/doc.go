// Package rewrite edits the content of mail where a configuration set asks for it:
// it puts the address to unsubscribe at into the text, in the place of its
// placeholders. It is a part of submission, and the one exception to the law that a
// body is never rewritten (but once, before Append). It owns which parts can be
// edited, and keeps every other octet as it came.
// It does not know configuration sets, nor who may unsubscribe.
package rewrite
