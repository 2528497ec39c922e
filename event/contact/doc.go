// Package contact mails the person behind an account: a pause, a quota nearly
// used up, an identity that failed. It is a branch of event. It owns a short
// list of notes on their way, so that who has something to tell never waits.
// It does not decide what is worth telling.
package contact
