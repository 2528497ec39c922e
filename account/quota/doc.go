// Package quota is how much an account may send: the rate in recipients a
// second, kept in memory, and the watch over the 24-hour quota, which the
// storage engine counts with each message. It is a branch of account.
// It does not know messages, replies or listeners.
package quota
