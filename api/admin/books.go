package admin

import (
	"context"
	"errors"

	"github.com/sesame-mta/sesame/account"
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
