package report

import (
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// Kind says what mail that came back is.
type Kind int

// The kinds.
const (
	Other     Kind = iota + 1 // none of these
	Bounced                   // a DSN, or what an old host sends in its place
	Complaint                 // a feedback report (RFC 5965)
	AutoReply                 // an answer that no person wrote
)

// String gives the word used in tests and logs.
func (k Kind) String() string {
	switch k {
	case Other:
		return "other"
	case Bounced:
		return "bounce"
	case Complaint:
		return "complaint"
	case AutoReply:
		return "auto-reply"
	}
	return ""
}

// Incoming is mail that came back, as it was read. Nothing of it is proven: it says
// what a stranger wrote.
type Incoming struct {
	Kind    Kind
	Subject string
	From    string // address of the From field, in lower case; empty when there is none
	// ReportingMTA is the host that a DSN names, without its type.
	ReportingMTA string
	// Recipients are those that a DSN tells of; empty when it names none.
	Recipients []Returned
	// Feedback is what a complaint says.
	Feedback Feedback
	// Original is what was returned of the message that it is about.
	Original Original
}

// Action is what a DSN says was done about a recipient (RFC 3464 section 2.3.3).
type Action int

// The actions.
const (
	Failed  Action = iota + 1 // given up
	Delayed                   // still tried
	Passed                    // delivered, relayed or expanded
)

// String gives the word used in tests and logs.
func (a Action) String() string {
	switch a {
	case Failed:
		return "failed"
	case Delayed:
		return "delayed"
	case Passed:
		return "passed"
	}
	return ""
}

// Returned is one recipient that a DSN tells of.
type Returned struct {
	// To is the final recipient, Original the one it was addressed to when that is
	// said too; either may be empty.
	To, Original string
	Action       Action
	// Status is the one that was given, or that the words of a mailer stand for where
	// there is no more than words; zero when they stand for none.
	Status mail.Status
	// Reply is what the remote host said, as far as it can be read from the
	// diagnostic code or the text. Its code may be zero; its status is Status where
	// it says none itself.
	Reply mail.Reply
	// Host is the remote host that said it; empty when it is not named.
	Host string
}

// Feedback is what a feedback report says (RFC 5965 section 3).
type Feedback struct {
	Type      string // "abuse", "not-spam"
	UserAgent string
	Arrival   time.Time
	MailFrom  string   // Original-Mail-From, without angle brackets
	To        []string // Original-Rcpt-To, without angle brackets; may be redacted
	Domains   []string // Reported-Domain
	SourceIP  string
}

// Original is what the header section of a returned message says.
type Original struct {
	// Header is the section itself, at most 64 KB; nil when none was returned.
	Header []byte
	// MessageID, FeedbackID and Outgoing are the values of Message-ID, Feedback-ID
	// and X-SES-Outgoing.
	MessageID, FeedbackID, Outgoing string
	ReturnPath                      string // of Return-Path, without angle brackets
	Subject                         string
	From                            string
	To                              []string // addresses of To and Cc
}
