package resolver

import (
	"errors"
	"fmt"
)

// Kind says why there is no answer.
type Kind int

// The kinds. Only NotFound and NoData are knowledge about the name; the others
// may be different in a minute.
const (
	// NotFound: the name does not exist (NXDOMAIN).
	NotFound Kind = iota + 1
	// NoData: the name exists, but has no record of this type (RFC 2308 section 2.2).
	NoData
	// Failed: no server could answer: SERVFAIL, time-out, network error, nonsense.
	Failed
	// Refused: the last server refused to answer us, which is a matter of its configuration.
	Refused
	// BadName: the name cannot stand in a question.
	BadName
)

// String gives the word for a log.
func (k Kind) String() string {
	switch k {
	case NotFound:
		return "no such name"
	case NoData:
		return "no such record"
	case Failed:
		return "lookup failed"
	case Refused:
		return "lookup refused"
	case BadName:
		return "not a domain name"
	}
	return "unknown"
}

// Error is why a lookup gave no record.
type Error struct {
	Kind Kind
	Name string // the name that was asked for
	Type string // the type of record, as "MX"
	Err  error  // what happened, for the log; may be nil
}

// Error makes it an error.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %s", e.Type, e.Name, e.Kind)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives what happened.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether asking again may help.
func (e *Error) Temporary() bool { return e.Kind == Failed || e.Kind == Refused }

// KindOf gives the kind of an error of this package; any other error is Failed,
// since unknown means temporary. For nil it gives 0.
func KindOf(err error) Kind {
	if err == nil {
		return 0
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Failed
}
