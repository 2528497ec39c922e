package admission

import (
	"context"

	"github.com/sesame-mta/sesame/mail"
)

// The refusals of a paused account (spec section 5.2). SES speaks to its own
// customers in the rest of the first one, so that the strict profile alone shows
// it; the text of the owner's own pause is not recorded.
var (
	errPausedStrict = mail.Recorded(554, 7, 1, "Message rejected: Sending paused for this account. "+
		"For more information, please check the inbox of the email address associated with your AWS account.")
	errPaused     = mail.Recorded(554, 7, 1, "Message rejected: Sending paused for this account.")
	errSendingOff = mail.Recorded(554, 7, 1, "Message rejected: Email sending for the account is paused.")
)

// pause refuses all mail of an account that was paused by the operator or by its
// owner.
func pause(_ context.Context, c *Candidate) error {
	switch {
	case c.Account.Paused && c.Principal.Strict:
		return errPausedStrict
	case c.Account.Paused:
		return errPaused
	case c.Account.SendingOff:
		return errSendingOff
	}
	return nil
}
