package configset

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/sesame-mta/sesame/account"
)

// Set is a configuration set: how mail that names it is handled.
type Set struct {
	Account string // 12 digits
	Name    string // unique within the account; letter case counts
	Created time.Time
	// TLS is how much of it a delivery needs.
	TLS TLS
	// MaxDelivery is how long to try; 0 leaves it to the server.
	MaxDelivery time.Duration
	// Sending: mail under this set is accepted.
	Sending bool
	// Suppression overrides the account's rule for its suppression list.
	Suppression Suppression
	// Pool names the sources to send from; empty is the default pool.
	Pool string
	// Unsubscribe names the mailing list that the mail is for. Its recipients can
	// leave it with one click, and get no more of it then. Empty: it is for none.
	Unsubscribe string
	// ReputationMetrics is what its owner asked for. The reputation of every set is
	// counted.
	ReputationMetrics bool
	// Labels are its owner's words for it. The map is not to be changed.
	Labels account.Labels
}

// TLS is how much of it a delivery needs.
type TLS string

// The words for it.
const (
	Optional TLS = "optional" // where the host offers it
	Require  TLS = "require"  // or the mail is not sent
)

// Suppression says for which reasons recipients join the account's suppression
// list and are left out.
type Suppression string

// The words for it.
const (
	SuppressAccount    Suppression = ""          // as the account has it
	SuppressNone       Suppression = "none"      // never
	SuppressBounces    Suppression = "bounce"    // after a hard bounce
	SuppressComplaints Suppression = "complaint" // after a complaint
	SuppressAll        Suppression = "all"       // after either
)

// Bounds of MaxDelivery (those of SES).
const (
	MinDelivery = 300 * time.Second
	MaxDelivery = 50_400 * time.Second
)

// MaxSets is the most sets of one account.
const MaxSets = 10_000

// What can be wrong with a set, beside account.ErrNotFound and account.ErrExists.
var (
	ErrName        = errors.New("the name of a configuration set is 1 to 64 of letters, digits, hyphen and underscore")
	ErrTLS         = errors.New(`TLS is "optional" or "require"`)
	ErrDelivery    = errors.New("the longest delivery time is 300 to 50400 seconds, or 0 for the server's")
	ErrSuppression = errors.New(`suppression is "account", "none", "bounce", "complaint" or "all"`)
	ErrUnsubscribe = errors.New("the name of a mailing list is 1 to 64 of letters, digits, hyphen and underscore")
	ErrPool        = errors.New("no source has that pool")
	ErrServer      = errors.New("the server is not set up for it")
	ErrTooMany     = fmt.Errorf("an account has at most %d configuration sets", MaxSets)
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// check says what is wrong with a set in itself.
func (s Set) check() error {
	if !nameForm.MatchString(s.Name) {
		return ErrName
	}
	if s.TLS != Optional && s.TLS != Require {
		return ErrTLS
	}
	if s.MaxDelivery != 0 && (s.MaxDelivery < MinDelivery || s.MaxDelivery > MaxDelivery) || s.MaxDelivery%time.Second != 0 {
		return ErrDelivery
	}
	if s.Unsubscribe != "" && !nameForm.MatchString(s.Unsubscribe) {
		return ErrUnsubscribe
	}
	if err := s.Labels.Check(); err != nil {
		return err
	}
	switch s.Suppression {
	case SuppressAccount, SuppressNone, SuppressBounces, SuppressComplaints, SuppressAll:
		return nil
	}
	return ErrSuppression
}

// version is that of the form on disk.
const version = 1

// data is a Set on disk; owner and name are the record's.
type data struct {
	V           int         `json:"v"`
	Created     time.Time   `json:"created"`
	TLS         TLS         `json:"tls"`
	MaxDelivery int64       `json:"max_delivery,omitempty"` // seconds
	Paused      bool        `json:"paused,omitempty"`
	Suppression Suppression `json:"suppression,omitempty"`
	Pool        string      `json:"pool,omitempty"`
	Unsubscribe string      `json:"unsubscribe,omitempty"`

	ReputationMetrics bool `json:"reputation_metrics,omitempty"`

	Labels account.Labels `json:"labels,omitempty"`
}

func (e entry) record() (account.Record, error) {
	s := e.Set
	d := data{V: version, Created: s.Created, TLS: s.TLS, MaxDelivery: int64(s.MaxDelivery / time.Second),
		Paused: !s.Sending, Suppression: s.Suppression, Pool: s.Pool, Unsubscribe: s.Unsubscribe, ReputationMetrics: s.ReputationMetrics, Labels: s.Labels}
	text, err := json.Marshal(d)
	return account.Record{Kind: account.KindConfigSet, Account: s.Account, Name: s.Name, Version: e.version, Data: text}, err
}

func decode(r account.Record) (entry, error) {
	var d data
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return entry{}, fmt.Errorf("configuration set %s of %s: %w", r.Name, r.Account, err)
	}
	if d.V != version {
		return entry{}, fmt.Errorf("configuration set %s of %s: written in form %d, this program knows %d", r.Name, r.Account, d.V, version)
	}
	return entry{version: r.Version, Set: Set{r.Account, r.Name, d.Created, d.TLS, time.Duration(d.MaxDelivery) * time.Second,
		!d.Paused, d.Suppression, d.Pool, d.Unsubscribe, d.ReputationMetrics, d.Labels}}, nil
}
