package account

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// DefaultID and DefaultName are the account that exists from the first start.
// SystemID owns what is the server's own, such as the DKIM key of its host name;
// it is no account and has no credentials.
const (
	DefaultID   = "000000000001"
	DefaultName = "default"
	SystemID    = "000000000000"
)

// Profile is which manners an account's mail is handled with.
type Profile string

// The profiles.
const (
	ProfileFile    Profile = ""        // the one of the configuration file
	ProfileDefault Profile = "default" // sesame's own
	ProfileSES     Profile = "ses"     // strict: as SES does it
)

// Account is a tenant: whoever sends under one set of identities and limits.
type Account struct {
	ID      string    // 12 digits
	Name    string    // unique, for operators
	Created time.Time // UTC
	Profile Profile
	// Production: out of the sandbox.
	Production bool
	// MaxDay is the most recipients in any 24 hours, MaxRate the recipients a
	// second; 0 is no limit.
	MaxDay  int64
	MaxRate float64
	// Throttle is what becomes of mail beyond MaxRate.
	Throttle Throttle
	// Contact is the address that hears of pauses, of a quota nearly used up and
	// of failed identities; empty is nobody.
	Contact string
	// Paused by the operator, SendingOff by the owner: either refuses all mail.
	Paused, SendingOff bool
	// Suppress is for which reasons recipients join the suppression list and are
	// left out, Suppressed what becomes of mail for those on it.
	Suppress   Suppress
	Suppressed Suppressed
	// Warned is when Contact last heard that the daily quota is nearly used up.
	Warned time.Time
	// Details is what the owner told of the account's mail; nil is nothing.
	Details *Details
}

// Throttle is what becomes of mail beyond an account's rate.
type Throttle string

// The ways to throttle.
const (
	ThrottleFile   Throttle = ""       // as the configuration file says
	ThrottleRefuse Throttle = "refuse" // 454, nothing is queued
	ThrottleQueue  Throttle = "queue"  // taken, and sent when the rate allows
)

// What an account in the sandbox may do (spec section 4.6).
const (
	SandboxDay  = 200
	SandboxRate = 1
)

// Tag is a message tag that a credential gives its mail: a name and a value.
type Tag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// What can be wrong with a change to the books, beside ErrNotFound and ErrConflict.
var (
	ErrName     = errors.New("an account name is 1 to 64 of a-z, 0-9, dot, hyphen and underscore, and begins with a letter or digit")
	ErrProfile  = errors.New(`a profile is "", "default" or "ses"`)
	ErrExists   = errors.New("exists already")
	ErrLimit    = errors.New("a limit is a number from 0, which is none")
	ErrContact  = errors.New("a contact is an address")
	ErrThrottle = errors.New(`a throttle is "", "refuse" or "queue"`)
	ErrSuppress = errors.New(`for which reasons to suppress is "all", "bounce", "complaint" or "none"; what becomes of mail, "accept" or "refuse"`)
	ErrDefault  = errors.New("the account default cannot be deleted")
)

// check says what is wrong with an account's values, but for its name.
func (a Account) check() error {
	switch a.Profile {
	case ProfileFile, ProfileDefault, ProfileSES:
	default:
		return ErrProfile
	}
	switch a.Throttle {
	case ThrottleFile, ThrottleRefuse, ThrottleQueue:
	default:
		return ErrThrottle
	}
	if !a.Suppress.known() || !a.Suppressed.known() {
		return ErrSuppress
	}
	if a.Details != nil {
		if err := a.Details.check(); err != nil {
			return err
		}
	}
	if a.MaxDay < 0 || !(a.MaxRate >= 0 && a.MaxRate <= maxRate) {
		return ErrLimit
	}
	if a.Contact != "" {
		if _, err := mail.ParseAddress(a.Contact); err != nil {
			return fmt.Errorf("%w: %w", ErrContact, err)
		}
	}
	return nil
}

// maxRate bounds MaxRate, and keeps infinity and what is no number out.
const maxRate = 1e9

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// accountVersion is that of the form on disk.
const accountVersion = 1

// accountData is an Account on disk; the id is the record's name.
type accountData struct {
	V          int        `json:"v"`
	Name       string     `json:"name"`
	Created    time.Time  `json:"created"`
	Profile    Profile    `json:"profile,omitempty"`
	Production bool       `json:"production,omitempty"`
	MaxDay     int64      `json:"max_day,omitempty"`
	MaxRate    float64    `json:"max_rate,omitempty"`
	Throttle   Throttle   `json:"throttle,omitempty"`
	Contact    string     `json:"contact,omitempty"`
	Paused     bool       `json:"paused,omitempty"`
	SendingOff bool       `json:"sending_off,omitempty"`
	Suppress   Suppress   `json:"suppress,omitempty"`
	Suppressed Suppressed `json:"suppressed,omitempty"`
	Warned     time.Time  `json:"warned,omitzero"`
	Details    *Details   `json:"details,omitempty"`
}

func (a Account) record(version uint64) (Record, error) {
	data, err := json.Marshal(accountData{
		V: accountVersion, Name: a.Name, Created: a.Created, Profile: a.Profile, Production: a.Production,
		MaxDay: a.MaxDay, MaxRate: a.MaxRate, Throttle: a.Throttle, Contact: a.Contact,
		Paused: a.Paused, SendingOff: a.SendingOff, Suppress: a.Suppress, Suppressed: a.Suppressed, Warned: a.Warned, Details: a.Details,
	})
	return Record{Kind: KindAccount, Account: a.ID, Name: a.ID, Version: version, Data: data}, err
}

func decodeAccount(r Record) (Account, error) {
	var d accountData
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return Account{}, fmt.Errorf("account %s: %w", r.Name, err)
	}
	if d.V != accountVersion {
		return Account{}, fmt.Errorf("account %s: written in form %d, this program knows %d", r.Name, d.V, accountVersion)
	}
	return Account{
		ID: r.Name, Name: d.Name, Created: d.Created, Profile: d.Profile, Production: d.Production,
		MaxDay: d.MaxDay, MaxRate: d.MaxRate, Throttle: d.Throttle, Contact: d.Contact,
		Paused: d.Paused, SendingOff: d.SendingOff, Suppress: d.Suppress, Suppressed: d.Suppressed, Warned: d.Warned, Details: d.Details,
	}, nil
}
