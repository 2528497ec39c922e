package identity

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/dkim"
	"github.com/sesame-mta/sesame/mail"
)

// MaxPerAccount is how many identities an account may have (spec section 4.1).
const MaxPerAccount = 10_000

// What can be wrong with a change, beside account.ErrNotFound and ErrExists.
var (
	// ErrName says that a text is neither a domain nor an address. It comes with
	// the error of mail that says why.
	ErrName = errors.New("neither a domain nor an address")
	// ErrLimit says that an account has as many identities as it may.
	ErrLimit = fmt.Errorf("an account has at most %d identities", MaxPerAccount)
	// ErrSetting marks what an identity cannot be set to; the text says why.
	ErrSetting = errors.New("cannot be set")
)

// Identity is a domain or an address that an account may send as. Several
// accounts may each have their own of the same name.
type Identity struct {
	Account string // 12 digits
	Name    string // a domain, or an address; in lower case
	Created time.Time
	// Verified: only then does it count. It is so by the operator's word, or
	// while Verification is Success or TemporaryFailure.
	Verified bool
	ByWord   bool
	// Verification is that by DNS or by a mailed link, DKIM that of the keys.
	Verification Check
	DKIM         Check
	// Token is what a TXT record may show instead of DKIM keys; of domains.
	Token string
	// Keys are those in use, those published before they are, and those that
	// stay published for a while after.
	Keys []Key
	// Rotating: the next keys are taken into use as soon as DNS shows them.
	Rotating bool
	Paused   bool
	MailFrom MailFrom
	// NoForwarding: bounces and complaints are not mailed to the sender while
	// somebody else is told of them. Headers are the types of notifications
	// (destination.IdentityWords) that show the header of their message.
	NoForwarding bool
	Headers      []string
	// Set and Tags are given to mail that names none.
	Set  string
	Tags map[string]string
	// Sign turns DKIM on or off by its owner's wish.
	Sign Switch
	// Easy are the three selectors of Easy DKIM, which take turns; empty without it.
	Easy []string
	// Labels are its owner's words for it. The map is not to be changed.
	Labels account.Labels
}

// IsDomain tells a domain from an address.
func (i Identity) IsDomain() bool { return !strings.Contains(i.Name, "@") }

// Status gives the word used by commands.
func (i Identity) Status() string {
	switch {
	case i.ByWord || i.Verification.State == Success:
		return "verified"
	case i.Verification.State == TemporaryFailure:
		return "temporary failure"
	case i.Verification.State == Failed:
		return "failed"
	}
	return "pending"
}

// Use says what a key is there for.
type Use string

// The uses.
const (
	Signing Use = ""     // mail is signed with it
	Next    Use = "next" // published before it is used
	Old     Use = "old"  // was used, and is still published
)

// Key is the public side of a DKIM key.
type Key struct {
	Selector  string
	Algorithm dkim.Algorithm
	TXT       string // the value of its DNS record
	Use       Use
	// Retired is when an old key was last used.
	Retired time.Time
	// Easy: the record stands under the service domain, and the identity's own
	// domain has a CNAME to it.
	Easy bool
	// Made is when we made it; zero for one that was brought.
	Made time.Time
}

// MailFrom is a MAIL FROM domain of an identity's own (spec section 4.7).
type MailFrom struct {
	Domain string // empty: none
	// Reject refuses mail while its DNS records are not as they must be; else
	// the default takes its place.
	Reject bool
	Check  Check
}

// name is an identity's place in the maps. The local part is without quoting,
// and empty for a domain, which no address has.
type name struct{ account, local, domain string }

// text gives the form for people.
func (n name) text() string {
	if n.local == "" {
		return n.domain
	}
	return n.local + "@" + n.domain
}

// parseName reads what an operator wrote, a domain or an address, and gives its
// place and the form in which it is kept and shown.
func parseName(account, s string) (n name, text string, err error) {
	if !strings.Contains(s, "@") {
		d, err := mail.ParseDomain(s)
		if err != nil {
			return name{}, "", fmt.Errorf("%w: %w", ErrName, err)
		}
		return name{account, "", d}, d, nil
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		return name{}, "", fmt.Errorf("%w: %w", ErrName, err)
	}
	return nameOf(account, a), strings.ToLower(a.String()), nil
}

// CheckName says whether a text can be an identity; ErrName.
func CheckName(text string) error {
	_, _, err := parseName("", text)
	return err
}

// nameOf folds the case of the local part too: RFC 5321 section 2.4 leaves that
// to the host of the mailbox, and no host that matters tells them apart.
func nameOf(account string, a mail.Address) name {
	return name{account, strings.ToLower(a.Local()), a.Domain()}
}

// missingError says what is not there.
func missingError(text string) error {
	return fmt.Errorf("identity %s: %w", text, account.ErrNotFound)
}
