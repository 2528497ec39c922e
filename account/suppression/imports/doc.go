// Package imports reads files of addresses into the suppression lists of accounts
// when their owners ask for it (SES's import jobs), one after the other, beside the
// mail. It is a branch of suppression. It owns the jobs, which survive a restart,
// and the folder that the files lie below.
// It does not know messages, and not who asks.
package imports
