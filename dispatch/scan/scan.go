// Package scan asks a scanner whether content may leave: clamd, by INSTREAM. It
// is a part of dispatch. It owns the dialogue with the scanner and how its words
// are read.
// It does not know the queue, and decides nothing: what a verdict means for a
// message is dispatch's to say.
package scan

import (
	"context"
	"io"

	"github.com/sesame-mta/sesame/mail"
)

// Kind is what a scanner found.
type Kind int

// The kinds.
const (
	Clean    Kind = iota + 1 // nothing: the message may leave
	Infected                 // malware: it is stopped, and nobody is told by mail
	Refused                  // other content that is not wanted: it goes back to the sender
)

// String gives the word used in metrics.
func (k Kind) String() string {
	switch k {
	case Clean:
		return "clean"
	case Infected:
		return "infected"
	case Refused:
		return "refused"
	}
	return "unknown"
}

// Verdict is what a scanner says of one message.
type Verdict struct {
	Kind Kind
	// Name is what it found, in its own words; for the log.
	Name string
	// Reply is what the sender of a Refused message is told.
	Reply mail.Reply
}

// Scanner looks at content of size octets. An error means that nothing is known:
// the message must wait.
type Scanner interface {
	Scan(ctx context.Context, content io.Reader, size int64) (Verdict, error)
}
