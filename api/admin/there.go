package admin

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/identity"
)

// maxThere is how many names an error lists.
const maxThere = 5

// there adds to the error that something was not found what there is instead, of
// the kind that was asked for.
func there[T any](err error, list []T, name func(T) string) error {
	if len(list) == 0 {
		return fmt.Errorf("%w; there is none", err)
	}
	var names []string
	for _, v := range list[:min(len(list), maxThere)] {
		names = append(names, name(v))
	}
	text := strings.Join(names, ", ")
	if more := len(list) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("%w; there is %s", err, text)
}

// account gives an account by name or id. Where there is none the error names
// those that are.
func (s *Server) account(nameOrID string) (account.Account, error) {
	a, err := s.o.Accounts.Lookup(nameOrID)
	if errors.Is(err, account.ErrNotFound) {
		err = there(err, s.o.Accounts.Accounts(), func(a account.Account) string { return a.Name })
	}
	return a, err
}

// The following add to the error that something was not found what there is; any
// other error stays as it is.

func (s *Server) noIdentity(err error, accountID string) error {
	if !errors.Is(err, account.ErrNotFound) {
		return err
	}
	return there(err, s.o.Identities.List(accountID), func(i identity.Identity) string { return i.Name })
}

func (s *Server) noSet(err error, accountID string) error {
	if !errors.Is(err, account.ErrNotFound) {
		return err
	}
	return there(err, s.o.Sets.List(accountID), func(set configset.Set) string { return set.Name })
}

func (s *Server) noCredential(err error) error {
	if !errors.Is(err, account.ErrNotFound) {
		return err
	}
	list, _ := s.o.Accounts.ListCredentials("") // of all accounts, so that none is missing
	return there(err, list, func(c account.Credential) string { return c.AccessKeyID })
}
