package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/dkim"
	"github.com/sesame-mta/sesame/mail"
)

// Identity is a domain or an address that an account may send as. Several
// accounts may each have their own of the same name.
type Identity struct {
	Account  string // 12 digits
	Name     string // a domain, or an address; in lower case
	Created  time.Time
	Verified bool // only then does it count
	Keys     []Key
}

// ErrName says that a text is neither a domain nor an address. It comes with the
// error of mail that says why.
var ErrName = errors.New("neither a domain nor an address")

// IsDomain tells a domain from an address.
func (i Identity) IsDomain() bool { return !strings.Contains(i.Name, "@") }

// Status gives the word used by commands.
func (i Identity) Status() string {
	if i.Verified {
		return "verified"
	}
	return "pending"
}

// Key is the public side of a DKIM key.
type Key struct {
	Selector  string
	Algorithm dkim.Algorithm
	TXT       string // the value of its DNS record
}

// name is an identity's place in the maps. The local part is without quoting,
// and empty for a domain, which no address has.
type name struct{ account, local, domain string }

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

// Check says whether a text can be an identity; ErrName.
func Check(text string) error {
	_, _, err := parseName("", text)
	return err
}

// nameOf folds the case of the local part too: RFC 5321 section 2.4 leaves that
// to the host of the mailbox, and no host that matters tells them apart.
func nameOf(account string, a mail.Address) name {
	return name{account, strings.ToLower(a.Local()), a.Domain()}
}

// version is that of the form on disk.
const version = 1

// data is an Identity on disk; owner and name are the record's.
type data struct {
	V        int       `json:"v"`
	Created  time.Time `json:"created"`
	Verified bool      `json:"verified,omitempty"`
	Keys     []keyData `json:"keys,omitempty"`
}

type keyData struct {
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	TXT       string `json:"txt"`
	Sealed    []byte `json:"sealed"` // PKCS#8
}

// place is where a private key may be opened.
func place(account, domain, selector string) []string {
	return []string{"dkim", account, domain, selector}
}

func decodeData(r account.Record) (data, error) {
	var d data
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return data{}, fmt.Errorf("identity %s of %s: %w", r.Name, r.Account, err)
	}
	if d.V != version {
		return data{}, fmt.Errorf("identity %s of %s: written in form %d, this program knows %d", r.Name, r.Account, d.V, version)
	}
	return d, nil
}

// entry is an identity in memory. It is never changed, only replaced, but for
// the private keys that are parsed when they are first used.
type entry struct {
	Identity
	version uint64
	keys    []*atomic.Pointer[dkim.Key] // beside Identity.Keys
}

func decode(r account.Record) (name, *entry, error) {
	d, err := decodeData(r)
	if err != nil {
		return name{}, nil, err
	}
	n, _, err := parseName(r.Account, r.Name)
	if err != nil {
		return name{}, nil, fmt.Errorf("identity %q of %s: %w", r.Name, r.Account, err)
	}
	e := &entry{Identity: Identity{Account: r.Account, Name: r.Name, Created: d.Created, Verified: d.Verified}, version: r.Version}
	for _, k := range d.Keys {
		alg := dkim.RSA
		if k.Algorithm == dkim.Ed25519.String() {
			alg = dkim.Ed25519
		}
		e.Keys = append(e.Keys, Key{k.Selector, alg, k.TXT})
		e.keys = append(e.keys, new(atomic.Pointer[dkim.Key]))
	}
	return n, e, nil
}
