package smtpd

import (
	"strconv"

	"github.com/sesame-mta/sesame/mail"
)

// The replies that are decided here. Those of the dialogue itself are the
// guard's; both are in testdata/replies.golden.
var (
	replyFull      = mail.Recorded(421, 7, 0, "Too many concurrent SMTP connections")
	replyTemporary = mail.Recorded(451, 3, 0, "Temporary service failure")
	replyResponse  = mail.Refuse(501, 5, 2, "Malformed authentication response")
	replyMustAuth  = mail.Recorded(530, 7, 0, "Authentication required")
	replyRate      = mail.Refuse(451, 7, 0, "Too many messages from your network, try again later")
	replyReceived  = mail.Recorded(250, 0, 0, "Ok")
	replyFailures  = mail.Refuse(421, 7, 0, "Too many failed authentications")
)

// accepted is the answer to a message that is on stable storage.
func accepted(id mail.ID) *mail.Reply {
	return mail.Recorded(250, 0, 0, "Ok "+id.String())
}

// tooMany is the strict profile's answer to too many recipients, after DATA.
func tooMany(limit int) *mail.Reply {
	return mail.Recorded(554, 5, 3, "Transaction failed: Recipient count exceeds "+strconv.Itoa(limit)+".")
}
