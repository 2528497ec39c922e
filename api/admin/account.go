package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/account/reputation"
	"github.com/sesame-mta/sesame/event/contact"
	"github.com/sesame-mta/sesame/queue"
)

// Account is a tenant.
type Account struct {
	Account    string    `json:"account"`
	ID         string    `json:"id"`
	Sandbox    bool      `json:"sandbox"`
	Paused     bool      `json:"paused"`      // by the operator
	SendingOff bool      `json:"sending_off"` // by the owner
	Profile    string    `json:"profile"`     // empty: the file's
	Throttle   string    `json:"throttle"`    // empty: the file's
	Quota      int64     `json:"quota"`       // recipients in 24 hours, 0 without limit
	Rate       float64   `json:"rate"`        // recipients a second, 0 without limit
	Contact    string    `json:"contact"`
	Suppress   string    `json:"suppress"`   // for which reasons: "all", "bounce", "complaint" or "none"
	Suppressed string    `json:"suppressed"` // mail for those on the list: "accept" or "refuse"
	Created    time.Time `json:"created"`
	// What its owner told of its mail, and what became of the wish for production.
	Details *account.Details `json:"details,omitempty"`
	Review  string           `json:"review,omitempty"` // "PENDING", "GRANTED", "DENIED"
	// For one account alone:
	Usage      *Usage      `json:"usage,omitempty"`
	Reputation *Reputation `json:"reputation,omitempty"`
}

// Usage is how far the limits of an account are used.
type Usage struct {
	Used       int64     `json:"used"`                 // recipients in the last 24 hours
	QuotaFrees time.Time `json:"quota_frees,omitzero"` // when there is more room
	AtHand     float64   `json:"at_hand"`              // recipients that may go at once, by the rate
	RateFrees  time.Time `json:"rate_frees,omitzero"`  // when the next may go; zero for now
	Waiting    bool      `json:"waiting"`              // mail of the account is in the queue
}

// AccountChange is what to change of an account, or to make it with. Nil leaves
// a value as it is.
type AccountChange struct {
	Account    string   `json:"account"`
	Production *bool    `json:"production,omitempty"`
	Paused     *bool    `json:"paused,omitempty"`
	SendingOff *bool    `json:"sending_off,omitempty"`
	Profile    *string  `json:"profile,omitempty"`
	Throttle   *string  `json:"throttle,omitempty"`
	Quota      *int64   `json:"quota,omitempty"`
	Rate       *float64 `json:"rate,omitempty"`
	Contact    *string  `json:"contact,omitempty"`
	Suppress   *string  `json:"suppress,omitempty"`
	Suppressed *string  `json:"suppressed,omitempty"`
	// Deny says no to a wish for production that is pending.
	Deny bool `json:"deny,omitempty"`
}

// errNotAsked is the answer to a no that nobody waits for.
var errNotAsked = errors.New("no wish for production is pending")

// errMailWaits keeps an account whose mail is in the queue.
var errMailWaits = errors.New("mail of the account waits in the queue")

func (s *Server) accountRoutes() map[string]handler {
	return map[string]handler{
		"GET /v1/accounts":         s.listAccounts,
		"POST /v1/accounts":        s.createAccount,
		"GET /v1/accounts/show":    s.showAccount,
		"POST /v1/accounts/change": s.changeAccount,
		"DELETE /v1/accounts":      s.deleteAccount,
	}
}

func (c AccountChange) apply(a *account.Account) {
	if c.Deny && a.Review() == account.ReviewPending {
		d := *a.Details
		d.Denied = true
		a.Details = &d
	}
	set(&a.Production, c.Production)
	set(&a.Paused, c.Paused)
	set(&a.SendingOff, c.SendingOff)
	set(&a.MaxDay, c.Quota)
	set(&a.MaxRate, c.Rate)
	set(&a.Contact, c.Contact)
	if c.Profile != nil {
		a.Profile = account.Profile(*c.Profile)
	}
	if c.Suppress != nil {
		a.Suppress = account.Suppress(unlessDefault(*c.Suppress, suppressAll))
	}
	if c.Suppressed != nil {
		a.Suppressed = account.Suppressed(unlessDefault(*c.Suppressed, suppressedAccept))
	}
	if c.Throttle != nil {
		a.Throttle = account.Throttle(*c.Throttle)
	}
}

// The words for what is empty in the books.
const (
	suppressAll      = "all"
	suppressedAccept = "accept"
)

// unlessDefault gives the word of the books; an empty one is none of a request's.
func unlessDefault(word, byDefault string) string {
	switch word {
	case byDefault:
		return ""
	case "":
		return "no word" // which the book refuses
	}
	return word
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func show(a account.Account) Account {
	return Account{
		Account: a.Name, ID: a.ID, Sandbox: !a.Production, Paused: a.Paused, SendingOff: a.SendingOff,
		Profile: string(a.Profile), Throttle: string(a.Throttle), Quota: a.MaxDay, Rate: a.MaxRate,
		Contact: a.Contact, Suppress: cmp.Or(string(a.Suppress), suppressAll),
		Suppressed: cmp.Or(string(a.Suppressed), suppressedAccept), Created: a.Created,
		Details: a.Details, Review: string(a.Review()),
	}
}

// createAccount makes one, in the sandbox with the limits of it unless accounts
// begin without.
func (s *Server) createAccount(r *http.Request) (any, error) {
	q, err := read[AccountChange](r)
	if err != nil {
		return nil, err
	}
	a := account.Account{Name: q.Account, MaxDay: account.SandboxDay, MaxRate: account.SandboxRate}
	if s.o.NoSandbox {
		a = account.Account{Name: q.Account, Production: true}
	}
	q.apply(&a)
	if a, err = s.o.Accounts.Create(r.Context(), a); err != nil {
		return nil, err
	}
	s.o.Log.Info("account created", "account", a.ID, "text", a.Name)
	return show(a), nil
}

func (s *Server) listAccounts(*http.Request) (any, error) {
	return each(s.o.Accounts.Accounts(), show), nil
}

func (s *Server) showAccount(r *http.Request) (any, error) {
	a, err := s.account(r.FormValue("account"))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	u := &Usage{}
	if s.o.Usage != nil {
		var used quota.Usage
		if used, err = s.o.Usage.Usage(r.Context(), a.ID, now, a.MaxDay); err != nil {
			return nil, err
		}
		u.Used, u.QuotaFrees = used.Used, used.Frees.UTC()
	}
	if s.o.Rates != nil && a.MaxRate > 0 {
		var wait time.Duration
		if u.AtHand, wait = s.o.Rates.Look(a.ID, a.MaxRate, now); wait > 0 {
			u.RateFrees = now.Add(wait).UTC()
		}
	}
	if u.Waiting, err = s.waiting(r.Context(), a.ID); err != nil {
		return nil, err
	}
	answer := show(a)
	answer.Usage = u
	if s.o.Reputation != nil {
		rating := showRating(a, s.o.Reputation.Ratings(a.ID)[0])
		answer.Reputation = &rating
	}
	return answer, nil
}

// waiting reports whether mail of an account is in the queue.
func (s *Server) waiting(ctx context.Context, id string) (bool, error) {
	found, err := s.o.Queue.Find(ctx, queue.Filter{Account: id, Limit: 1})
	return len(found) > 0, err
}

func (s *Server) changeAccount(r *http.Request) (any, error) {
	q, err := read[AccountChange](r)
	if err != nil {
		return nil, err
	}
	var old account.Account
	a, err := s.o.Accounts.Update(r.Context(), q.Account, func(a *account.Account) {
		old = *a
		q.apply(a)
	})
	if err != nil {
		return nil, err
	}
	if q.Deny && old.Review() != account.ReviewPending {
		return nil, errNotAsked
	}
	if a != old {
		s.o.Log.Info("account changed", "account", a.ID, "text", a.Name)
	}
	if old.Paused && !a.Paused {
		s.freshStart(reputation.Subject{Account: a.ID, Kind: reputation.Account})
	}
	s.tell(r.Context(), old, a)
	return show(a), nil
}

// tell tells the contact of a pause that began, or of the end of the last one.
func (s *Server) tell(ctx context.Context, old, a account.Account) {
	switch {
	case a.Paused && !old.Paused:
		s.o.Contact.Tell(ctx, a, contact.Paused(a, false))
	case a.SendingOff && !old.SendingOff:
		s.o.Contact.Tell(ctx, a, contact.Paused(a, true))
	case (old.Paused || old.SendingOff) && !a.Paused && !a.SendingOff:
		s.o.Contact.Tell(ctx, a, contact.Resumed(a))
	}
}

// deleteAccount removes an account with all that it owns. Its credentials go
// first, so that nothing comes in any more; with force its mail in the queue is
// cancelled.
func (s *Server) deleteAccount(r *http.Request) (any, error) {
	ctx, force := r.Context(), r.FormValue("force") == "true"
	a, err := s.account(r.FormValue("account"))
	if err != nil {
		return nil, err
	}
	if a.ID == account.DefaultID {
		return nil, account.ErrDefault
	}
	waits, err := s.waiting(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	if waits && !force {
		return nil, fmt.Errorf("account %s: %w; wait, or cancel it with --force", a.Name, errMailWaits)
	}
	if err := s.o.Accounts.RemoveCredentials(ctx, a.ID); err != nil {
		return nil, err
	}
	if force {
		if err := s.cancelAll(ctx, a); err != nil {
			return nil, err
		}
	}
	if err := s.removeOwned(ctx, a.ID); err != nil {
		return nil, err
	}
	if err := s.o.Accounts.Delete(ctx, a.ID); err != nil {
		return nil, err
	}
	s.o.Log.Info("account deleted", "account", a.ID, "text", a.Name)
	return show(a), nil
}

// How often, and how far apart, mail under way is asked for again.
const (
	cancelTries = 50
	cancelPause = 100 * time.Millisecond
)

// cancelAll cancels all mail of an account. An attempt under way cannot be
// cancelled: what it leaves is, when it is over.
func (s *Server) cancelAll(ctx context.Context, a account.Account) error {
	for range cancelTries {
		if _, err := s.o.Queue.Cancel(ctx, queue.Filter{Account: a.ID}, nil); err != nil {
			return err
		}
		if waits, err := s.waiting(ctx, a.ID); err != nil || !waits {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(cancelPause):
		}
	}
	return fmt.Errorf("account %s: %w: an attempt is under way, try again; its credentials are gone already", a.Name, errMailWaits)
}

func (s *Server) removeOwned(ctx context.Context, id string) error {
	for _, set := range s.o.Sets.List(id) {
		if _, err := s.o.Sets.Delete(ctx, id, set.Name); err != nil && !errors.Is(err, account.ErrNotFound) {
			return err
		}
	}
	if s.o.RemoveOwned != nil {
		return s.o.RemoveOwned(ctx, id)
	}
	for _, i := range s.o.Identities.List(id) {
		if err := s.o.Identities.Remove(ctx, id, i.Name); err != nil && !errors.Is(err, account.ErrNotFound) {
			return err
		}
	}
	return nil
}

// CreateAccount makes an account, in the sandbox unless the file says otherwise.
func (c *Client) CreateAccount(ctx context.Context, q AccountChange) (Account, error) {
	return one[Account](ctx, c, "POST", "/v1/accounts", nil, q)
}

// Accounts lists all accounts.
func (c *Client) Accounts(ctx context.Context) iter.Seq2[Account, error] {
	return many[Account](ctx, c, "/v1/accounts", nil)
}

// Account gives one, with how far its limits are used.
func (c *Client) Account(ctx context.Context, name string) (Account, error) {
	return one[Account](ctx, c, "GET", "/v1/accounts/show", url.Values{"account": {name}}, nil)
}

// ChangeAccount changes an account.
func (c *Client) ChangeAccount(ctx context.Context, q AccountChange) (Account, error) {
	return one[Account](ctx, c, "POST", "/v1/accounts/change", nil, q)
}

// DeleteAccount removes an account with all that it owns; with force also when
// its mail waits in the queue.
func (c *Client) DeleteAccount(ctx context.Context, name string, force bool) (Account, error) {
	return one[Account](ctx, c, "DELETE", "/v1/accounts", url.Values{"account": {name}, "force": {fmt.Sprint(force)}}, nil)
}
