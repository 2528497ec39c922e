package submission

import (
	"errors"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// The refusals that are not a rule's.
var (
	errTooLong   = mail.Recorded(552, 3, 4, "Message is too long.")
	errKey       = mail.Recorded(554, 6, 0, "Transaction failed: Idempotency key cannot exceed 255 characters.")
	errFull      = mail.Refuse(452, 3, 1, "Insufficient system storage")
	errQuota     = mail.Recorded(454, 7, 0, "Throttling failure: Daily message quota exceeded.")
	errTemporary = mail.Recorded(451, 3, 0, "Temporary service failure")
)

var errNetwork = errors.New("the credential may not be used from this network")

// storageReply turns what the spool says into what a client may read.
func storageReply(err error) *mail.Reply {
	switch {
	case errors.Is(err, queue.ErrFull):
		if mail.LimitOf(err) == nil {
			err = &mail.Limit{Name: mail.LimitDisk, Whose: "server", Err: err} // the kernel gives no figures
		}
		return errFull.WithCause(err)
	case errors.Is(err, queue.ErrQuota):
		return errQuota.WithCause(err)
	}
	return errTemporary.WithCause(err)
}
