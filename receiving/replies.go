package receiving

import "github.com/sesame-mta/sesame/mail"

// What strangers are told.
var (
	errNoMailbox = mail.Refuse(550, 1, 1, "No such address here")
	errBusy      = mail.Refuse(451, 3, 2, "Too much mail at a time, try again later")
	errFlood     = mail.Refuse(451, 7, 0, "Too much mail to this address, try again later")
	errLoop      = mail.Refuse(554, 4, 6, "Too many hops, mail is going round in circles")
	errNobody    = mail.Refuse(550, 7, 1, "Nobody reads this address; it takes reports about mail only")
	errTooLong   = mail.Refuse(552, 3, 4, "Message is too long for this address")
	errKey       = mail.Refuse(451, 7, 5, "Signature could not be checked, try again later")
)
