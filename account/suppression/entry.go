package suppression

import (
	"errors"
	"fmt"
	"regexp"
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
	Bounce      Reason = iota + 1 // a hard bounce
	Complaint                     // a recipient complained
	Unsubscribe                   // its owner left a mailing list
)

// String gives the word that SES has for it.
func (r Reason) String() string {
	switch r {
	case Bounce:
		return "BOUNCE"
	case Complaint:
		return "COMPLAINT"
	case Unsubscribe:
		return "UNSUBSCRIBE"
	}
	return "unknown"
}

// What can be wrong with an entry, beside account.ErrNotFound.
var (
	ErrReason  = errors.New("a reason is BOUNCE, COMPLAINT or UNSUBSCRIBE")
	ErrList    = errors.New("the reason UNSUBSCRIBE, and no other, is about a mailing list: 1 to 64 of letters, digits, hyphen and underscore; it is on an account's list")
	ErrAddress = errors.New("not an address")
	ErrSandbox = errors.New("an account in the sandbox cannot add to its suppression list")
	ErrLong    = errors.New("an id has at most 128 characters")
)

// ParseReason reads the word; letter case does not count.
func ParseReason(text string) (Reason, error) {
	for _, r := range [...]Reason{Bounce, Complaint, Unsubscribe} {
		if strings.EqualFold(text, r.String()) {
			return r, nil
		}
	}
	return 0, ErrReason
}

// Entry is one address on one list. There is one for each address of a list,
// whatever the letter case of its local part, which is kept as it was given, and
// one more for each mailing list that the address has left.
type Entry struct {
	Owner   string // account id, or Installation
	Address mail.Address
	Reason  Reason
	List    string    // for Unsubscribe the mailing list, else empty
	Updated time.Time // whole milliseconds
	// MessageID and FeedbackID name the mail that bounced and the event that
	// told of it; empty when people added the address.
	MessageID, FeedbackID string
	// Expires is when the entry ceases to count; zero is never.
	Expires time.Time
}

// listForm is that of the name of a mailing list.
var listForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// maxID bounds MessageID and FeedbackID.
const maxID = 128

func (e *Entry) check() error {
	switch {
	case e.Address.IsZero():
		return ErrAddress
	case e.Reason != Bounce && e.Reason != Complaint && e.Reason != Unsubscribe:
		return ErrReason
	case (e.Reason == Unsubscribe) != (e.List != ""), e.List != "" && (!listForm.MatchString(e.List) || e.Owner == Installation):
		return ErrList
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

// Key is what the entries of a list are told apart by, and their order: Key of the
// address, and for Unsubscribe a blank and the mailing list.
func (e *Entry) Key() string { return keyOf(e.Address, e.List) }

func keyOf(a mail.Address, list string) string {
	if list == "" {
		return Key(a)
	}
	return Key(a) + " " + list
}

// CutKey takes the key of an entry apart. A domain has no blank, so one behind it
// is the start of the mailing list.
func CutKey(key string) (address, list string) {
	at := strings.LastIndexByte(key, '@') + 1
	domain, list, _ := strings.Cut(key[at:], " ")
	return key[:at] + domain, list
}

// ParseAddress reads an address in the form in which lists keep it: the local
// part as it is, the domain in lower case.
func ParseAddress(text string) (mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return mail.Address{}, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return a, nil
}
