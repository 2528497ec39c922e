package reputation

import "time"

// State is how an account, an identity or a configuration set stands.
type State int

// The states.
const (
	Healthy State = iota + 1
	// Review: the bounce rate is at least 5 % or the complaint rate 0.1 % (spec
	// section 5.2). Mail goes on.
	Review
	// Severe: the rates are those of Paused, and mail goes on all the same: the
	// account is not of the strict profile, or it is an identity or a set.
	Severe
	// Paused: the bounce rate was at least 10 % or the complaint rate 0.5 %, and the
	// account was paused for it. Only a fresh start ends it.
	Paused
)

// String gives the word used by commands, logs and mail.
func (s State) String() string {
	switch s {
	case Healthy:
		return "healthy"
	case Review:
		return "review"
	case Severe:
		return "severe"
	case Paused:
		return "paused"
	}
	return "unknown"
}

// stateOf reads the words.
func stateOf(word string) (State, bool) {
	for s := Healthy; s <= Paused; s++ {
		if s.String() == word {
			return s, true
		}
	}
	return 0, false
}

// MinVolume is how much mail has to count before a rate means anything.
const MinVolume = 1000

// The thresholds in thousandths (spec section 5.2). A state that was reached is
// left when the rate has fallen below relief hundredths of its threshold, so that a
// rate near to it does not make a change of every message.
const (
	reviewBounces, severeBounces       = 50, 100
	reviewComplaints, severeComplaints = 1, 5
	relief                             = 80
)

// Rate is how much of the mail that counts turned out badly.
type Rate struct {
	Mails int64 // that count
	Bad   int64 // of them, or about earlier ones
}

// Share gives the part that is bad, of one; 0 when nothing counts.
func (r Rate) Share() float64 {
	if r.Mails == 0 {
		return 0
	}
	return float64(r.Bad) / float64(r.Mails)
}

// reaches reports whether the rate is at least so many thousandths, taken at so
// many hundredths.
func (r Rate) reaches(thousandths, hundredths int64) bool {
	return r.Mails >= MinVolume && r.Bad*100_000 >= thousandths*hundredths*r.Mails
}

// Rating is how a subject stands.
type Rating struct {
	Subject
	State State
	Since time.Time // of the state
	// Fresh is when counting began anew (SES: LastFreshStart); zero if it never did.
	Fresh time.Time
	// Bounces are hard bounces among mail that was delivered or given up,
	// Complaints those about mail for domains that send complaints.
	Bounces, Complaints Rate
}

// level is the state that the rates alone call for, with the thresholds at so many
// hundredths.
func (r *Rating) level(hundredths int64) State {
	switch {
	case r.Bounces.reaches(severeBounces, hundredths), r.Complaints.reaches(severeComplaints, hundredths):
		return Severe
	case r.Bounces.reaches(reviewBounces, hundredths), r.Complaints.reaches(reviewComplaints, hundredths):
		return Review
	}
	return Healthy
}

// next is the state that follows. A pause stays until a fresh start.
func (r *Rating) next() State {
	if r.State == Paused {
		return Paused
	}
	return max(r.level(100), min(r.State, r.level(relief)))
}

// Change is a new state of a subject.
type Change struct {
	Rating
	From State
}
