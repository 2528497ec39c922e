package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/identity"
)

// findOrMake gives an account, and makes it when there is none of that name: an
// operator who asks for a credential or an identity of it means it.
func (s *Server) findOrMake(ctx context.Context, name string) (a account.Account, made bool, err error) {
	a, err = s.o.Accounts.Lookup(name)
	if !errors.Is(err, account.ErrNotFound) {
		return a, false, err
	}
	a, err = s.o.Accounts.Create(ctx, account.Account{Name: name, Production: true})
	if errors.Is(err, account.ErrExists) { // by somebody else just now
		a, err = s.o.Accounts.Lookup(name)
		return a, false, err
	}
	if err == nil {
		s.o.Log.Info("account created", "account", a.ID, "text", a.Name)
	}
	return a, err == nil, err
}

// name gives the name of an account; its id when it is gone.
func (s *Server) name(id string) string {
	if a, err := s.o.Accounts.Lookup(id); err == nil {
		return a.Name
	}
	return id
}

// addRequest is the body of POST /v1/identities.
type addRequest struct {
	Account  string `json:"account"`
	Identity string `json:"identity"`
	Verified bool   `json:"verified"`
	DKIM     bool   `json:"dkim"`
	Ed25519  bool   `json:"ed25519"`
}

func (s *Server) addIdentity(r *http.Request) (any, error) {
	q, err := read[addRequest](r)
	if err != nil {
		return nil, err
	}
	// First, so that a mistake in it makes no account.
	if err := identity.CheckName(q.Identity); err != nil {
		return nil, err
	}
	a, made, err := s.findOrMake(r.Context(), q.Account)
	if err != nil {
		return nil, err
	}
	i, err := s.o.Identities.Add(r.Context(), a.ID, q.Identity, identity.AddOptions{Verified: q.Verified, DKIM: q.DKIM, Ed25519: q.Ed25519})
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("identity added", "account", a.ID, "domain", i.Name, "status", i.Status())
	answer := s.identity(i)
	answer.AccountMade = made
	return answer, nil
}

func (s *Server) identity(i identity.Identity) Identity {
	records := s.o.Identities.Records(i)
	if records == nil {
		records = []identity.Record{} // an empty list in JSON too
	}
	return Identity{Account: s.name(i.Account), Identity: i.Name, Status: i.Status(), Created: i.Created, Records: records}
}

func (s *Server) listIdentities(r *http.Request) (any, error) {
	id := ""
	if name := r.FormValue("account"); name != "" {
		a, err := s.o.Accounts.Lookup(name)
		if err != nil {
			return nil, err
		}
		id = a.ID
	}
	return list(func(_ context.Context, write func(any) error) error {
		for _, i := range s.o.Identities.List(id) {
			if err := write(s.identity(i)); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

// theIdentity gives the one that the query names.
func (s *Server) theIdentity(r *http.Request) (identity.Identity, error) {
	a, err := s.o.Accounts.Lookup(r.FormValue("account"))
	if err != nil {
		return identity.Identity{}, err
	}
	return s.o.Identities.Get(a.ID, r.FormValue("identity"))
}

func (s *Server) removeIdentity(r *http.Request) (any, error) {
	i, err := s.theIdentity(r)
	if err != nil {
		return nil, err
	}
	if err := s.o.Identities.Remove(r.Context(), i.Account, i.Name); err != nil {
		return nil, err
	}
	s.o.Log.Info("identity removed", "account", i.Account, "domain", i.Name)
	return s.identity(i), nil
}

func (s *Server) identityRecords(r *http.Request) (any, error) {
	i, err := s.theIdentity(r)
	if err != nil {
		return nil, err
	}
	return records(s.o.Identities.Records(i)), nil
}

func (s *Server) hostRecords(*http.Request) (any, error) {
	return records(s.o.Identities.HostRecords()), nil
}

func records(rs []identity.Record) list {
	return func(_ context.Context, write func(any) error) error {
		for _, r := range rs {
			if err := write(r); err != nil {
				return err
			}
		}
		return nil
	}
}
