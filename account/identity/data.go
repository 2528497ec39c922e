package identity

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/dkim"
)

// version is that of the form on disk. Fields may be added to it, all optional.
const version = 1

// data is an Identity on disk; owner and name are the record's.
type data struct {
	V        int       `json:"v"`
	Created  time.Time `json:"created"`
	Verified bool      `json:"verified,omitempty"` // by the operator's word
	Keys     []keyData `json:"keys,omitempty"`

	Verification *Check `json:"verification,omitempty"`
	DKIM         *Check `json:"dkim,omitempty"`
	Token        string `json:"token,omitempty"`
	// Easy are the three selectors of Easy DKIM, which take turns.
	Easy     []string          `json:"easy,omitempty"`
	Rotating bool              `json:"rotating,omitempty"`
	Link     *linkData         `json:"link,omitempty"`
	Paused   bool              `json:"paused,omitempty"`
	MailFrom *mailFromData     `json:"mail_from,omitempty"`
	Set      string            `json:"configuration_set,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`

	Sign   Switch         `json:"sign,omitempty"`
	Labels account.Labels `json:"labels,omitempty"`

	NoForwarding bool     `json:"no_forwarding,omitempty"`
	Headers      []string `json:"notification_headers,omitempty"`
}

type keyData struct {
	Selector  string    `json:"selector"`
	Algorithm string    `json:"algorithm"`
	TXT       string    `json:"txt"`
	Sealed    []byte    `json:"sealed"` // PKCS#8
	Use       Use       `json:"use,omitempty"`
	Retired   time.Time `json:"retired,omitzero"`
	Easy      bool      `json:"easy,omitempty"`
	Made      time.Time `json:"made,omitzero"`
}

// linkData is the link that was mailed last. Of its secret there is a hash.
type linkData struct {
	Hash []byte    `json:"hash"`
	Sent time.Time `json:"sent"`
}

type mailFromData struct {
	Domain string `json:"domain"`
	Reject bool   `json:"reject,omitempty"`
	Check  Check  `json:"check"`
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
	// What the first version wrote has keys and no word of their check.
	if d.DKIM == nil && len(d.Keys) > 0 {
		d.DKIM = &Check{Pending, d.Created}
	}
	return d, nil
}

// entry is an identity in memory. It is never changed, only replaced, but for
// the private keys that are parsed when they are first used.
type entry struct {
	Identity
	version uint64
	link    *linkData
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
	e := &entry{version: r.Version, link: d.Link, Identity: Identity{
		Account: r.Account, Name: r.Name, Created: d.Created, ByWord: d.Verified,
		Verification: orNotStarted(d.Verification), DKIM: orNotStarted(d.DKIM), Token: d.Token,
		Rotating: d.Rotating, Paused: d.Paused, Set: d.Set, Tags: d.Tags, NoForwarding: d.NoForwarding, Headers: d.Headers,
		Sign: d.Sign, Easy: d.Easy, Labels: d.Labels,
	}}
	s := e.Verification.State
	e.Verified = d.Verified || s == Success || s == TemporaryFailure
	if d.Verified {
		e.Verification = Check{Success, d.Created}
	}
	e.MailFrom.Check.State = NotStarted
	if m := d.MailFrom; m != nil {
		e.MailFrom = MailFrom(*m)
	}
	for _, k := range d.Keys {
		alg := dkim.RSA
		if k.Algorithm == dkim.Ed25519.String() {
			alg = dkim.Ed25519
		}
		e.Keys = append(e.Keys, Key{k.Selector, alg, k.TXT, k.Use, k.Retired, k.Easy, k.Made})
		e.keys = append(e.keys, new(atomic.Pointer[dkim.Key]))
	}
	return n, e, nil
}

// signs reports whether mail is signed with the keys in use. By the operator's
// word they count until DNS has shown them once; else DNS must show them now:
// a signature that nobody can check is worse than none (spec section 4.4).
func (e *entry) signs() bool {
	s := e.DKIM.State
	return s == Success || e.ByWord && (s == Pending || s == NotStarted)
}
