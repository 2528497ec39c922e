package verdict

// Class says what a refusal was about. It is a closed set: the label of a metric,
// and the finer word beside SES's bounceSubType.
type Class int

// The classes.
const (
	Unknown        Class = iota + 1 // no rule fits
	NoMailbox                       // there is no such mailbox, now or any more
	Disabled                        // the mailbox exists and takes no mail
	BadAddress                      // the address cannot be one of the host's
	NotServed                       // the host does not serve the domain
	Full                            // the mailbox has no room
	TooLarge                        // the message is larger than the host or mailbox takes
	Policy                          // a rule of the host's or the recipient's
	Reputation                      // the address or domain we send from: lists, missing PTR
	Authentication                  // SPF, DKIM, DMARC
	Sender                          // the reverse-path or From is not accepted
	Content                         // spam, or form that is not accepted
	Attachment                      // a virus, or a forbidden attachment
	Greylisting                     // come back later, you are new here
	Rate                            // too much of us, too fast, too many connections
	MailboxRate                     // too much for this mailbox, whoever sent it
	TLS                             // TLS is needed, or failed
	DNS                             // the domain's records: none, null MX, a loop, no answer
	Connection                      // no connection, or it broke
	Remote                          // trouble at the host
	Protocol                        // a command was not understood or not liked
	Local                           // trouble or a decision of our own
	Expired                         // waited for too long, and we do not know for what

	// No reply is of these classes: a list of ours left the recipient out.
	Suppressed        // the installation's
	AccountSuppressed // the account's
)

var classNames = [...]string{
	Unknown: "unknown", NoMailbox: "no_mailbox", Disabled: "disabled", BadAddress: "bad_address",
	NotServed: "not_served", Full: "full", TooLarge: "too_large", Policy: "policy",
	Reputation: "reputation", Authentication: "authentication", Sender: "sender", Content: "content",
	Attachment: "attachment", Greylisting: "greylisting", Rate: "rate", MailboxRate: "mailbox_rate", TLS: "tls", DNS: "dns",
	Connection: "connection", Remote: "remote", Protocol: "protocol", Local: "local", Expired: "expired",
	Suppressed: "suppressed", AccountSuppressed: "account_suppressed",
}

// String gives the word used in metrics and events.
func (c Class) String() string {
	if c < Unknown || int(c) >= len(classNames) {
		return ""
	}
	return classNames[c]
}

// Classes gives all classes, for the labels of a metric.
func Classes() []Class {
	all := make([]Class, 0, len(classNames)-1)
	for c := Unknown; int(c) < len(classNames); c++ {
		all = append(all, c)
	}
	return all
}

// hopeless reports whether waiting mends nothing, whatever else the host says: it
// is the address, or another relay has waited already.
func (c Class) hopeless() bool {
	return c == NoMailbox || c == Disabled || c == BadAddress || c == Expired
}

// Action is what is best done about a refusal.
type Action int

// The actions.
const (
	GiveUp      Action = iota + 1 // it is permanent and about this recipient or message
	Retry                         // try again on the schedule
	BackOff                       // and ask less of this destination for now
	OtherSource                   // it is our address: another source may have more luck
	StopSender                    // the sender has something to mend before sending on
)

// String gives the word used in tests and documents.
func (a Action) String() string {
	switch a {
	case GiveUp:
		return "give up"
	case Retry:
		return "retry"
	case BackOff:
		return "back off"
	case OtherSource:
		return "other source"
	case StopSender:
		return "stop sender"
	}
	return ""
}

// The words of SES (spec section 6.2).
const (
	Permanent    = "Permanent"
	Transient    = "Transient"
	Undetermined = "Undetermined"

	// SendingDeferral is the delayType of mail that we put off ourselves.
	SendingDeferral = "SendingDeferral"
)

// bounce gives type and subtype of a bounce for a reply that is permanent, or for
// one that was transient until the message expired. Bad content, a bad address of
// ours or a policy say nothing about the recipient's mailbox: they are Transient,
// so that nobody is put on a suppression list for them (spec section 6.9). A mailbox
// that does not exist is General and not NoEmail, as SES itself reports it.
func (c Class) bounce(permanent bool) (kind, sub string) {
	switch {
	case c == Full:
		return Transient, "MailboxFull"
	case !permanent:
		return Transient, "General"
	}
	switch c {
	case TooLarge:
		return Transient, "MessageTooLarge"
	case Content:
		return Transient, "ContentRejected"
	case Attachment:
		return Transient, "AttachmentRejected"
	case Unknown, NoMailbox, Disabled, BadAddress, DNS:
		return Permanent, "General"
	default:
		return Transient, "General"
	}
}

// delay gives the delayType of a DeliveryDelay event.
func (c Class) delay() string {
	switch c {
	case Full:
		return "MailboxFull"
	case Content, Attachment:
		return "SpamDetected"
	case Remote, Protocol:
		return "RecipientServerError"
	case Reputation, Rate:
		return "IPFailure"
	case DNS, Connection, TLS:
		return "TransientCommunicationFailure"
	case Local:
		return "InternalFailure"
	default:
		return "General"
	}
}

// action follows from the class, but for what cannot be tried again.
func (c Class) action(permanent bool) Action {
	switch c {
	case Rate:
		return BackOff
	case Reputation:
		return OtherSource
	case Authentication, Sender:
		return StopSender
	default:
		if permanent {
			return GiveUp
		}
		return Retry
	}
}
