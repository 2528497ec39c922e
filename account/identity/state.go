package identity

import (
	"time"
)

// State is how far the check of one thing has come, in the words of SES (spec
// section 4.1).
type State string

// The states.
const (
	NotStarted       State = "NOT_STARTED"       // nothing to check, or nobody began
	Pending          State = "PENDING"           // looked for
	Success          State = "SUCCESS"           // found
	TemporaryFailure State = "TEMPORARY_FAILURE" // found once, lost since
	Failed           State = "FAILED"            // given up
)

// patience is how long something is looked for before it has failed (spec
// section 4.3).
const patience = 72 * time.Hour

// Check is the state of one thing and since when it has it.
type Check struct {
	State State     `json:"state"`
	Since time.Time `json:"since"`
}

// orNotStarted reads a check that a record may lack.
func orNotStarted(c *Check) Check {
	if c == nil {
		return Check{State: NotStarted}
	}
	return *c
}

// outcome is what one look at DNS gave.
type outcome int

const (
	good       outcome = iota + 1
	missing            // DNS answered, and it is not there
	wrong              // it is there and can never do
	unanswered         // DNS did not answer
)

// next gives the state after a look. What was not answered takes a good record's
// state only when it went on for a while (late), and never revokes: an outage is
// not the owner's doing. With forever a pending check does not end.
func (c Check) next(o outcome, now time.Time, late, forever bool) Check {
	to := c.State
	old := now.Sub(c.Since) >= patience
	switch c.State {
	case Success:
		if o == missing || o == wrong || o == unanswered && late {
			to = TemporaryFailure
		}
	case TemporaryFailure:
		if o != unanswered && old {
			to = Failed
		}
	case Pending:
		if o == wrong || old && !forever {
			to = Failed
		}
	case NotStarted:
		to = Pending
	case Failed:
	}
	if o == good {
		to = Success
	}
	if to == c.State {
		return c
	}
	return Check{to, now}
}

// pause is how long after its begin a check that is not settled is made again:
// every few minutes first, then less and less often.
func (c Check) pause(now time.Time) time.Duration {
	return min(max(now.Sub(c.Since)/8, shortest), longest)
}

// Bounds of the time between two looks at what is not settled.
const (
	shortest = 2 * time.Minute
	longest  = time.Hour
)
