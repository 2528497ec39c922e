package queue

import (
	"io"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// Message is what was accepted, but for the content. It never changes.
type Message struct {
	ID       mail.ID
	Account  string // 12 digits
	From     mail.ReversePath
	To       []mail.ForwardPath // an entry's N is the index here
	Accepted time.Time
	// Size counts the octets of the content as it is kept, HeaderSize
	// those of its header section with the empty line after it.
	Size, HeaderSize int64
	// Edit is applied to the header section whenever the message leaves.
	Edit message.Edit
	// EightBit: the body has octets above 127 (RFC 6152).
	EightBit bool
	// Keys names the DKIM keys to sign with, fixed at acceptance so that every
	// attempt sends the same octets.
	Keys []string
	// RequireTLS: never send in clear text.
	RequireTLS bool
	// Pool names the egress sources to send from; empty is the default pool.
	Pool string
	// ConfigSet is the name of the configuration set it was accepted under, and
	// Tags its message tags (spec section 3.1); both are for events.
	ConfigSet string
	Tags      []Tag
	// Identity is the name of the identity that covered its From field when it was
	// accepted; for events and for reputation.
	Identity string
	// Mail is what the mail object is made of (event.Facts). Destinations find it in
	// the message's events until they have acknowledged the last; empty when none was
	// interested at acceptance.
	Mail []byte
	// MessageID is the Message-ID field as it leaves, for the log and the trace.
	MessageID string
	// Return is the reverse-path that remote hosts see: one under which bounces
	// come back to us (mail/verp). Zero: From.
	Return mail.Address
	// Keep: the record outlives the last recipient for a time that the engine was
	// given, so that what comes back late finds it (Spool.Kept).
	Keep bool
	// Notice: a DSN of ours. It is never answered with another.
	Notice bool
}

// Tag is a message tag: a name and a value of the sender's choice.
type Tag struct{ Name, Value string }

// State is where an entry stands. A final entry does not exist any more.
type State int

// The states (docs/states.md).
const (
	Queued State = iota + 1 // to be tried when due
	Held                    // kept back by the operator
)

// String gives the word used by commands.
func (s State) String() string {
	switch s {
	case Queued:
		return "queued"
	case Held:
		return "held"
	}
	return "unknown"
}

// Line is what one account has waiting for one domain, the unit of fairness.
type Line struct {
	Account string
	Domain  string // lower case, or an address literal in brackets
}

// Entry is one recipient of one message that is not final.
type Entry struct {
	ID       mail.ID
	N        int // index into Message.To
	Line     Line
	To       mail.ForwardPath
	State    State
	Due      time.Time
	Expires  time.Time // give up when an attempt fails at or after it
	Attempts int
	Last     mail.Reply // of the last attempt; zero before the first
	LastHost string     // MX host that said it; empty when it is our own
	Scanned  bool       // a scanner has seen the content and let it pass
}

// Charge is what an Append takes from an account's quota.
type Charge struct {
	Account    string
	Recipients int
	// Limit is the most recipients in any 24 hours; 0 is no limit.
	Limit int64
}

// Draft is content on its way into the spool. Small drafts stay in memory, as long
// as there are not too many; the others stream into a temporary file that is
// removed at the next start.
type Draft interface {
	// Write takes octets of the content. A full disk is ErrFull.
	Write(p []byte) (int, error)
	// ReadAt reads octets that were written, until Append or Discard.
	io.ReaderAt
	// Size gives the octets written.
	Size() int64
	// Discard drops a draft that was not appended; after Append it does nothing.
	Discard()
}

// Submission is one message with all its recipients on the way into the queue.
type Submission struct {
	Message Message
	Content Draft
	Due     time.Time     // of the first attempt
	MaxAge  time.Duration // entries expire at Accepted plus this
	Charge  Charge
	// Key, when not empty, makes the Append idempotent for 24 hours: the same
	// account and key again give the id of the first message.
	Key    string
	Events []event.Event
	// EventsOnly: there is no mail, only what happened to it. Charge, key and events
	// are kept; the message is not, nothing of it is in the queue, and Content may be
	// nil.
	EventsOnly bool
}

// Settled is what one settlement does to one entry.
type Settled struct {
	N      int
	Result mail.Result // Delivered and Failed are final
	// For Deferred:
	Due      time.Time
	Attempts int
	Last     mail.Reply
	LastHost string
	Scanned  bool
}

// Settlement is the result of one attempt for some recipients of one message,
// with the events that tell of it.
type Settlement struct {
	ID      mail.ID
	Entries []Settled
	Events  []event.Event
	// Key, when not empty, makes the Commit happen once: the same id and key again
	// give ErrRepeated for as long as the message is known. At most 64 octets.
	Key string
}
