package api

import (
	"context"
	"errors"
	"slices"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
)

// reasonWords are those of the API for being on a suppression list.
var reasonWords = []string{"BOUNCE", "COMPLAINT"}

// reasonOf reads one.
func reasonOf(member, word string) (suppression.Reason, error) {
	if !slices.Contains(reasonWords, word) { // an empty one is none in a list
		return 0, noneOf(member, reasonWords)
	}
	return suppression.ParseReason(word)
}

// Reasons gives the reasons for suppression in the words of the API.
func Reasons(s account.Suppress) []string {
	switch s {
	case account.SuppressAll:
		return []string{"BOUNCE", "COMPLAINT"}
	case account.SuppressBounces:
		return []string{"BOUNCE"}
	case account.SuppressComplaints:
		return []string{"COMPLAINT"}
	case account.SuppressNone:
	}
	return []string{}
}

// SuppressFor reads such words; none switch the list off.
func SuppressFor(reasons []string) (account.Suppress, error) {
	var bounces, complaints bool
	for _, word := range reasons {
		r, err := reasonOf("suppressedReasons", word)
		if err != nil {
			return "", err
		}
		bounces = bounces || r == suppression.Bounce
		complaints = complaints || r == suppression.Complaint
	}
	switch {
	case bounces && complaints:
		return account.SuppressAll, nil
	case bounces:
		return account.SuppressBounces, nil
	case complaints:
		return account.SuppressComplaints, nil
	}
	return account.SuppressNone, nil
}

// SetSuppress says for which reasons addresses join the list of the caller's
// account, and are left out.
func (r *Rooms) SetSuppress(ctx context.Context, c *Call, reasons []string) error {
	s, err := SuppressFor(reasons)
	if err != nil {
		return err
	}
	_, err = r.Accounts.Update(ctx, c.Account.ID, func(a *account.Account) { a.Suppress = s })
	return err
}

// Suppress puts an address on the list of the caller's account.
func (r *Rooms) Suppress(ctx context.Context, c *Call, address, reason string) error {
	e := suppression.Entry{Owner: c.Account.ID}
	var err error
	if e.Reason, err = reasonOf("reason", reason); err != nil {
		return err
	}
	if e.Address, err = suppression.ParseAddress(address); err != nil {
		return BadParameter(err.Error())
	}
	if _, err = r.Suppression.Put(ctx, e); errors.Is(err, suppression.ErrSandbox) {
		return BadParameter(err.Error())
	}
	return err
}

// Suppressed gives what the list has of an address.
func (r *Rooms) Suppressed(ctx context.Context, c *Call, address string) (suppression.Entry, error) {
	a, err := suppression.ParseAddress(address)
	if err != nil {
		return suppression.Entry{}, BadParameter(err.Error())
	}
	e, err := r.Suppression.Get(ctx, c.Account.ID, a)
	return e, notListed(address, err)
}

// Unsuppress takes an address off the list.
func (r *Rooms) Unsuppress(ctx context.Context, c *Call, address string) error {
	a, err := suppression.ParseAddress(address)
	if err != nil {
		return BadParameter(err.Error())
	}
	return notListed(address, r.Suppression.Delete(ctx, c.Account.ID, a))
}

func notListed(address string, err error) error {
	if errors.Is(err, account.ErrNotFound) {
		return NotFound("Email address " + address + " does not exist on your suppression list.")
	}
	return err
}

// maxSuppressed is the most entries of a page.
const maxSuppressed = 1000

// ListSuppressed gives a page of the list: entries for one of the reasons, or any,
// that were last changed within a time. Who left a mailing list is on no list that
// the API knows.
func (r *Rooms) ListSuppressed(ctx context.Context, c *Call, reasons []string, since, until Time, token string, size int) (page []suppression.Entry, next string, err error) {
	f := suppression.Filter{Since: since.Time, Until: until.Time}
	if f.After, err = After(token); err != nil {
		return nil, "", err
	}
	if size, err = Size(size, maxSuppressed); err != nil {
		return nil, "", err
	}
	if len(reasons) == 0 {
		reasons = reasonWords
	}
	for _, word := range reasons {
		reason, err := reasonOf("reasons", word)
		if err != nil {
			return nil, "", err
		}
		f.Reasons = append(f.Reasons, reason)
	}
	for e, err := range r.Suppression.All(ctx, c.Account.ID, f) {
		if err != nil {
			return nil, "", err
		}
		if len(page) == size {
			return page, Token(page[size-1].Key()), nil
		}
		page = append(page, e)
	}
	return page, "", nil
}
