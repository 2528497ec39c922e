package event

import (
	"context"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// Type says what happened.
type Type int

// The types, in the words of SES (spec section 8).
const (
	Send          Type = iota + 1 // accepted, on stable storage
	Delivery                      // a remote host took responsibility
	DeliveryDelay                 // a transient failure, will be tried again
	Bounce                        // given up: refused for good, or expired
	Reject                        // stopped by a scanner after acceptance
	Complaint                     // a recipient complained
	// RenderingFailure: a template could not be filled, so that there is no mail.
	RenderingFailure
	Subscription // a recipient left a list, or joined it again
)

// String gives the name that SES publishes and that logs and metrics use.
func (t Type) String() string {
	names := [...]string{"", "Send", "Delivery", "DeliveryDelay", "Bounce", "Reject", "Complaint", "Rendering Failure", "Subscription"}
	if t < 1 || int(t) >= len(names) {
		return "unknown"
	}
	return names[t]
}

// Recipient is one recipient that the event is about.
type Recipient struct {
	N      int // number in the envelope
	To     mail.ForwardPath
	Reply  mail.Reply
	Remote bool   // the reply is Host's, not ours
	Host   string // MX host name
	Addr   string
	TLS    string // the version spoken with Host; empty in clear text
	Local  string // our own address in that connection
	// Last is, for an expired recipient, the reply that kept it waiting.
	Last mail.Reply
	// Class is what a failure was about, in our finer words
	// (dispatch/verdict): "no_mailbox", "greylisting".
	Class string
	// BounceType and BounceSubType are for a Bounce (and the latter for a Complaint
	// that is one because of a suppression list), DelayType is for a
	// DeliveryDelay; all in the words of SES (spec section 6.2).
	BounceType, BounceSubType string
	DelayType                 string
	// Expires is, for a delayed recipient, when it will be given up.
	Expires time.Time
}

// Event is one thing that happened to one message. It is immutable.
type Event struct {
	Type       Type
	Message    mail.ID
	Account    string // 12 digits
	Time       time.Time
	Recipients []Recipient
	// Mail is what the mail object of SES (spec section 8.2) is made of, as Facts
	// wrote it when the message was accepted: content may be gone when the event is
	// told, and ReadMail makes the object then. The engine keeps it
	// once for all events of a message (queue.Message.Mail) and gives it to
	// destinations that read one; whoever makes an event leaves it empty. It is empty
	// for mail that no destination was interested in.
	Mail []byte
	// ReportingMTA is, for a Bounce that came back by mail, the host that told of
	// it; empty is our own.
	ReportingMTA string
	// Report, Failure and Change say more of a Complaint, a RenderingFailure and a
	// Subscription; nil for others.
	Report  *Report
	Failure *Failure
	Change  *Change
	// Consumers are the destinations that asked for it; the engine keeps one
	// copy for each. An event without consumers is not kept.
	Consumers []string
}

// Report is what a feedback loop says of a complaint (RFC 5965 section 3). Empty
// fields were not said.
type Report struct {
	UserAgent, FeedbackType string
	Arrival                 time.Time
}

// Failure is why a template could not be filled.
type Failure struct{ Template, Text string }

// Change is a recipient's new wish (spec section 8.4, Subscription).
type Change struct {
	// List is the contact list, or what stands for one.
	List string
	// Source is how it was made: "UnsubscribeHeader", "UnsubscribeLink", "API".
	Source   string
	Old, New Preferences
}

// Preferences are a recipient's wishes about a list.
type Preferences struct {
	UnsubscribeAll bool
	Topics         []Topic
}

// Topic is one part of a list, and whether the recipient wants it.
type Topic struct {
	Name string
	In   bool
}

// Record is an event as a consumer reads it from the outbox.
type Record struct {
	Seq   uint64 // grows by one per consumer, without gaps
	Event Event
}

// Outbox is where events wait until their consumer has acknowledged them. An
// engine of store implements it; Append and Commit fill it in the same
// transaction that changes the queue. While a Bounce or a Delivery waits there for
// a consumer that is no destination (IsDestination), the content of its message is
// kept.
type Outbox interface {
	// Read gives up to limit records with a number above after, in order. It
	// passes over records that are damaged.
	Read(ctx context.Context, consumer string, after uint64, limit int) ([]Record, error)
	// Ack removes the records with these numbers; unknown ones are no error.
	Ack(ctx context.Context, consumer string, seqs ...uint64) error
	// Consumers names those for whom anything waits or is kept.
	Consumers(ctx context.Context) ([]string, error)
	// Changed gives a channel that receives after records for consumer were added.
	Changed(consumer string) <-chan struct{}
}

// Archive is what an Outbox may do beside: keep events that were told, so that
// they can be told again.
type Archive interface {
	// Keep takes records out of the outbox like Ack, and keeps them.
	Keep(ctx context.Context, consumer string, seqs ...uint64) error
	// Again puts kept records with a number of at least from, and not older than
	// since, back under their old numbers. It tells how many.
	Again(ctx context.Context, consumer string, from uint64, since time.Time) (int, error)
	// Forget drops kept records older than before, and all but about the last most
	// of them. It tells how many.
	Forget(ctx context.Context, consumer string, before time.Time, most uint64) (int, error)
}

// Notice is a mail that we make ourselves: a DSN.
type Notice struct {
	// ID is derived from what caused the notice, so that a repeat is a no-op.
	ID mail.ID
	// About is the message that it tells of, zero if it tells of none.
	About   mail.ID
	Account string // on whose behalf; for logs and for the queue's fairness
	To      mail.ForwardPath
	Header  []byte // complete header section, ended by an empty line
	Body    []byte
	Keys    []string // DKIM keys to sign with
}

// Submitter takes a notice in through the one door. The reverse-path is null.
// It returns nil when the notice is on stable storage, now or already before.
type Submitter interface {
	SubmitNotice(ctx context.Context, n Notice) error
}
