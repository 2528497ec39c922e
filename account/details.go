package account

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sesame-mta/sesame/mail"
)

// Details is what the owner of an account told of its mail, most often to ask for
// the end of the sandbox, which the operator grants. One that belongs to an account
// is never changed, only replaced.
type Details struct {
	MailType   string    `json:"mail_type"` // MARKETING or TRANSACTIONAL
	WebsiteURL string    `json:"website_url"`
	Language   string    `json:"language,omitempty"` // EN or JA
	UseCase    string    `json:"use_case,omitempty"`
	Contacts   []string  `json:"contacts,omitempty"` // addresses
	Told       time.Time `json:"told"`
	// Asks: for production access. Denied: the operator will not give it.
	Asks   bool `json:"asks,omitempty"`
	Denied bool `json:"denied,omitempty"`
}

// Review is what became of the wish for production access.
type Review string

// The states of a review, in the words of SES.
const (
	ReviewNone    Review = "" // nobody asked
	ReviewPending Review = "PENDING"
	ReviewGranted Review = "GRANTED"
	ReviewDenied  Review = "DENIED"
)

// Review gives the state of the owner's wish for production access.
func (a Account) Review() Review {
	switch d := a.Details; {
	case d == nil || !d.Asks:
		return ReviewNone
	case a.Production:
		return ReviewGranted
	case d.Denied:
		return ReviewDenied
	}
	return ReviewPending
}

// Bounds of Details.
const (
	maxWebsite  = 1000
	maxUseCase  = 5000
	maxContacts = 4
)

// ErrDetails says that details make no sense. It comes with the reason.
var ErrDetails = errors.New("details of an account")

func (d *Details) check() error {
	site := d.WebsiteURL
	wrong := ""
	switch {
	case d.MailType != "MARKETING" && d.MailType != "TRANSACTIONAL":
		wrong = "mail is MARKETING or TRANSACTIONAL"
	case !strings.HasPrefix(site, "https://") && !strings.HasPrefix(site, "http://"), len(site) > maxWebsite, !printable(site):
		wrong = fmt.Sprintf("a website is an address that begins with https:// or http://, of at most %d characters", maxWebsite)
	case d.Language != "" && d.Language != "EN" && d.Language != "JA":
		wrong = "a language is EN or JA"
	case utf8.RuneCountInString(d.UseCase) > maxUseCase:
		wrong = fmt.Sprintf("a use case has at most %d characters", maxUseCase)
	case len(d.Contacts) > maxContacts:
		wrong = fmt.Sprintf("there are at most %d additional contacts", maxContacts)
	}
	for _, c := range d.Contacts {
		if _, err := mail.ParseAddress(c); err != nil {
			wrong = "an additional contact is an address"
		}
	}
	if wrong != "" {
		return fmt.Errorf("%w: %s", ErrDetails, wrong)
	}
	return nil
}

// printable reports whether a text has none of the characters that make two lines
// of one.
func printable(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(c byte) bool { return c <= ' ' || c == 0x7f })
}
