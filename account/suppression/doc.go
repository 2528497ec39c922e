// Package suppression is the lists of addresses that no mail is sent to: one for
// each account, of those that bounced or complained, and one for the whole
// installation (spec section 7). It is a branch of account. It owns the rule which
// list counts for a message, the forms in which lists are imported and exported,
// and the seam to the engine that keeps them.
// It does not know the queue, events or SMTP.
package suppression
