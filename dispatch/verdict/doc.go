// Package verdict reads replies: what a refusal was about, what it is called in
// the words of SES, and what is best done about it. It is a part of dispatch, and
// owns the table of rules, one line each (providers.go, common.go), that is tried
// from the top; the first rule that fits decides.
// It does not know the queue, the network or who sent the message.
package verdict
