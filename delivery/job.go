package delivery

import (
	"context"
	"io"

	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
)

// Job is one message for recipients that share a destination.
type Job struct {
	ID       mail.ID
	Account  string
	From     mail.ReversePath
	To       []mail.ForwardPath
	EightBit bool // the body has octets above 127
	// RequireTLS: never in clear text; a host without TLS is a transient failure.
	RequireTLS bool
	// Pool names the egress sources to choose from; empty is "default".
	Pool string
	// Header is the complete header section that leaves, with the empty line.
	// Body follows it, from offset BodyAt of Content up to Content's size.
	Header  []byte
	Content io.ReaderAt
	BodyAt  int64
	Size    int64 // octets of Content
	// Trace, unless nil, is told each step as it is made, from the goroutine that
	// carries: 'C' and our line, 'S' and the host's reply, '*' and what was done or
	// found. AUTH and content are left out.
	Trace func(who byte, text string)
}

// Octets gives the size of the message that leaves.
func (j *Job) Octets() int64 { return int64(len(j.Header)) + j.Size - j.BodyAt }

// Carrier carries a job along a route. It gives one outcome per recipient of
// the job, in order, and never an error: what it could not do is an outcome.
type Carrier interface {
	Carry(ctx context.Context, r *route.Route, j *Job) []mail.Outcome
}
