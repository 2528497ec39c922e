package api

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/reputation"
)

// The errors about configuration sets.
var (
	setExists = kind(Shape{400, "ConfigurationSetAlreadyExists"}, Shape{400, "AlreadyExistsException"})
	badSet    = kind(Shape{400, "InvalidConfigurationSet"}, Shape{400, "BadRequestException"})
)

// with gives a copy that has an element beside the message in version 1.
func (e *Error) with(data ...string) *Error {
	c := *e
	c.Data = map[string]string{}
	for i := 0; i+1 < len(data); i += 2 {
		c.Data[data[i]] = data[i+1]
	}
	return &c
}

// noSet says that a configuration set is not there.
func noSet(name string) *Error {
	return NoConfigSet("Configuration set <"+name+"> does not exist.").with("ConfigurationSetName", name)
}

// setError gives what SES says of what the book of sets says.
func setError(err error, name string) error {
	switch {
	case errors.Is(err, account.ErrNotFound):
		return noSet(name)
	case errors.Is(err, account.ErrExists):
		return setExists("Configuration set <"+name+"> already exists.").with("ConfigurationSetName", name)
	case errors.Is(err, configset.ErrTooMany):
		return Limit(sentence(err))
	case errors.Is(err, configset.ErrName):
		return badSet(sentence(err))
	case errors.Is(err, configset.ErrPool):
		// The names of other pools are the operator's own.
		return NotFound("The dedicated IP pool does not exist.").WithCause(err)
	case errors.Is(err, configset.ErrDelivery), errors.Is(err, account.ErrLabels):
		return BadParameter(sentence(err))
	}
	return err
}

// sentence gives what a book says of a mistake as a sentence.
func sentence(err error) string {
	text := strings.TrimPrefix(err.Error(), destination.ErrBad.Error()+": ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// Set gives a configuration set of the caller.
func (r *Rooms) Set(c *Call, name string) (configset.Set, error) {
	s, err := r.Sets.Get(c.Account.ID, name)
	return s, setError(err, name)
}

// CreateSet makes a configuration set as f has it, from one that sends and asks for
// nothing else.
func (r *Rooms) CreateSet(ctx context.Context, c *Call, name string, f func(*configset.Set)) error {
	s := configset.Set{TLS: configset.Optional, Sending: true}
	f(&s)
	s.Account, s.Name = c.Account.ID, name
	_, err := r.Sets.Create(ctx, s)
	return setError(err, name)
}

// ChangeSet changes a configuration set. One that sends again starts afresh.
func (r *Rooms) ChangeSet(ctx context.Context, c *Call, name string, f func(*configset.Set)) error {
	sent := false
	s, err := r.Sets.Change(ctx, c.Account.ID, name, func(s *configset.Set) {
		sent = s.Sending
		f(s)
	})
	if err == nil && s.Sending && !sent && r.Reputation != nil {
		r.Reputation.FreshStart(reputation.Subject{Account: s.Account, Kind: reputation.ConfigSet, Name: s.Name})
	}
	return setError(err, name)
}

// DeleteSet ends a configuration set with its destinations.
func (r *Rooms) DeleteSet(ctx context.Context, c *Call, name string) error {
	_, err := r.Sets.Delete(ctx, c.Account.ID, name)
	return setError(err, name)
}

// ListSets gives a page of the names of the caller's sets that have part in them.
func (r *Rooms) ListSets(c *Call, part, token string, size int) (names []string, next string, err error) {
	for _, s := range r.Sets.List(c.Account.ID) {
		if strings.Contains(s.Name, part) {
			names = append(names, s.Name)
		}
	}
	return Page(names, func(name string) string { return name }, token, size)
}

// FreshStart gives when the reputation of a set was last counted anew.
func (r *Rooms) FreshStart(s configset.Set) Time {
	if r.Reputation == nil {
		return Time{}
	}
	return At(r.Reputation.Rating(reputation.Subject{Account: s.Account, Kind: reputation.ConfigSet, Name: s.Name}).Fresh)
}

// SetTLS reads the word of either version for how much TLS a set needs.
func SetTLS(member, word string) (configset.TLS, error) {
	switch strings.ToLower(word) {
	case "require":
		return configset.Require, nil
	case "optional", "":
		return configset.Optional, nil
	}
	return "", OneOf(member, word, "REQUIRE", "OPTIONAL")
}

// SetSuppression reads the reasons of a set; an empty list switches the list off
// for it.
func SetSuppression(reasons []string) (configset.Suppression, error) {
	s, err := SuppressFor(reasons)
	switch s {
	case account.SuppressAll:
		return configset.SuppressAll, err
	case account.SuppressBounces:
		return configset.SuppressBounces, err
	case account.SuppressComplaints:
		return configset.SuppressComplaints, err
	case account.SuppressNone:
	}
	return configset.SuppressNone, err
}

// MaxDelivery gives the time of so many seconds; what is far out of bounds becomes
// what the book refuses.
func MaxDelivery(seconds int64) time.Duration {
	return time.Duration(max(-1, min(seconds, int64(configset.MaxDelivery/time.Second)+1))) * time.Second
}
