package suppression

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/mail"
)

// Installation owns the list that counts for all accounts.
const Installation = account.SystemID

// Reason is why an address is on a list. The numbers stand on disk.
type Reason uint8

// The reasons.
const (
	Bounce    Reason = iota + 1 // a hard bounce
	Complaint                   // a recipient complained
)

// String gives the word that SES has for it.
func (r Reason) String() string {
	switch r {
	case Bounce:
		return "BOUNCE"
	case Complaint:
		return "COMPLAINT"
	}
	return "unknown"
}

// What can be wrong with an entry, beside account.ErrNotFound.
var (
	ErrReason  = errors.New("a reason is BOUNCE or COMPLAINT")
	ErrAddress = errors.New("not an address")
	ErrSandbox = errors.New("an account in the sandbox cannot add to its suppression list")
	ErrLong    = errors.New("an id has at most 128 characters")
)

// ParseReason reads the word; letter case does not count.
func ParseReason(text string) (Reason, error) {
	for _, r := range [...]Reason{Bounce, Complaint} {
		if strings.EqualFold(text, r.String()) {
			return r, nil
		}
	}
	return 0, ErrReason
}

// Entry is one address on one list. There is one for each address of a list,
// whatever the letter case of its local part, which is kept as it was given.
type Entry struct {
	Owner   string // account id, or Installation
	Address mail.Address
	Reason  Reason
	Updated time.Time // whole milliseconds
	// MessageID and FeedbackID name the mail that bounced and the event that
	// told of it; empty when people added the address.
	MessageID, FeedbackID string
	// Expires is when the entry ceases to count; zero is never.
	Expires time.Time
}

// maxID bounds MessageID and FeedbackID.
const maxID = 128

func (e *Entry) check() error {
	switch {
	case e.Address.IsZero():
		return ErrAddress
	case e.Reason != Bounce && e.Reason != Complaint:
		return ErrReason
	case len(e.MessageID) > maxID || len(e.FeedbackID) > maxID:
		return ErrLong
	}
	return nil
}

// expired reports whether the entry has ceased to count.
func (e *Entry) expired(now time.Time) bool {
	return !e.Expires.IsZero() && !now.Before(e.Expires)
}

// Key is what addresses are compared by: at send time letter case does not count
// (spec section 7.2).
func Key(a mail.Address) string { return strings.ToLower(a.String()) }

// ParseAddress reads an address in the form in which lists keep it: the local
// part as it is, the domain in lower case.
func ParseAddress(text string) (mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return mail.Address{}, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return a, nil
}
