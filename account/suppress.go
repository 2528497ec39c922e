package account

// Suppress is for which reasons recipients join an account's suppression list and
// are left out. The zero value is what a new account has (spec section 7.2).
type Suppress string

// The words for it.
const (
	SuppressAll        Suppress = ""          // after a hard bounce or a complaint
	SuppressBounces    Suppress = "bounce"    // after a hard bounce
	SuppressComplaints Suppress = "complaint" // after a complaint
	SuppressNone       Suppress = "none"      // never: the list is off
)

func (s Suppress) known() bool {
	switch s {
	case SuppressAll, SuppressBounces, SuppressComplaints, SuppressNone:
		return true
	}
	return false
}

// Suppressed is what becomes of mail for a recipient on the suppression list.
type Suppressed string

// The ways.
const (
	// SuppressedAccept takes the mail, does not send it and tells the sender by a
	// bounce, as SES does.
	SuppressedAccept Suppressed = ""
	// SuppressedRefuse refuses the message, so that its sender learns at once.
	SuppressedRefuse Suppressed = "refuse"
)

func (s Suppressed) known() bool { return s == SuppressedAccept || s == SuppressedRefuse }
