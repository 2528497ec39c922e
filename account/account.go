package account

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
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
}

// What can be wrong with a change to the books, beside ErrNotFound and ErrConflict.
var (
	ErrName    = errors.New("an account name is 1 to 64 of a-z, 0-9, dot, hyphen and underscore, and begins with a letter or digit")
	ErrProfile = errors.New(`a profile is "", "default" or "ses"`)
	ErrExists  = errors.New("exists already")
)

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// accountVersion is that of the form on disk.
const accountVersion = 1

// accountData is an Account on disk; the id is the record's name.
type accountData struct {
	V          int       `json:"v"`
	Name       string    `json:"name"`
	Created    time.Time `json:"created"`
	Profile    Profile   `json:"profile,omitempty"`
	Production bool      `json:"production,omitempty"`
	MaxDay     int64     `json:"max_day,omitempty"`
	MaxRate    float64   `json:"max_rate,omitempty"`
}

func (a Account) record(version uint64) (Record, error) {
	data, err := json.Marshal(accountData{accountVersion, a.Name, a.Created, a.Profile, a.Production, a.MaxDay, a.MaxRate})
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
	return Account{r.Name, d.Name, d.Created, d.Profile, d.Production, d.MaxDay, d.MaxRate}, nil
}
