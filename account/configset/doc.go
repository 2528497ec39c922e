// Package configset keeps the configuration sets of accounts: rules for mail
// that its sender puts under a name. It is a branch of account, which does not
// know it. It owns their form on disk and a cache that the door reads.
// It does not know how a message names its set, nor what becomes of the mail.
package configset
