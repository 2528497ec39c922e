// Package contact mails the person behind an account: a pause, a quota nearly
// used up, an identity that failed. It is a branch of event. It owns the form of
// the mail, and the id that makes a note told twice one mail.
// It does not decide what is worth telling.
package contact
