// Package submission is the one way in: whatever brings a message (SMTP, the
// API, a notice of ours) hands it here. It streams the content into the spool,
// gathers the facts, asks the admission rules in order, and makes one Append
// with quota charge, entries and events. Parts: admission, rewrite.
// It does not know listeners, and nothing of how mail leaves.
package submission
