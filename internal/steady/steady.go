// Package steady is a clock that a change of the system's time does not move:
// the wall clock as it stood when the clock was started, plus the time that has
// passed since. It imports no room.
package steady

import "time"

// Clock tells steady time. The zero value is not usable; see Start.
type Clock struct{ start time.Time }

// Start reads the system's clock once and counts on from there.
func Start() Clock { return Clock{time.Now()} }

// Now gives the time. It carries no monotonic reading, so that it compares with
// times from disk as they are written.
func (c Clock) Now() time.Time {
	return c.start.Add(time.Since(c.start)).Round(0)
}

// Since gives how long the clock has run.
func (c Clock) Since() time.Duration { return time.Since(c.start) }
