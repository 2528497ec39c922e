package api

import (
	"context"
	"net/http"
)

// State is how far an operation is there.
type State int

// The states.
const (
	Done          State = iota + 1
	Partial             // works, but for what its note says
	Later               // known, and not there yet; the note says what it waits for
	NotApplicable       // makes no sense here; the note says why
)

// String gives the state for people.
func (s State) String() string {
	switch s {
	case Done:
		return "done"
	case Partial:
		return "partial"
	case Later:
		return "not yet"
	case NotApplicable:
		return "not applicable"
	}
	return "unknown"
}

// Operation is one line of a route table, as docs/api-coverage.md shows it.
type Operation struct {
	Name string
	// Method and Path are those of version 2; version 1 knows names only.
	Method, Path string
	State        State
	Note         string
}

// Interface is one version of SES.
type Interface interface {
	// Serve answers a call. It reads the body of the call, and nothing else of it
	// after it has returned.
	Serve(ctx context.Context, c *Call) *Answer
	// Refuse gives the answer to a call that failed.
	Refuse(id string, e *Error) *Answer
	// MaxBody is the most octets of a body.
	MaxBody() int64
}

// Answer is what goes back.
type Answer struct {
	Operation string // its name, for the log; empty when there is none such
	Status    int
	Code      string // of the error; empty for none
	Cause     error  // for the log
	Header    http.Header
	Body      []byte
}
