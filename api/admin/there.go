package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/account/template"
)

// maxThere is how many names an error lists.
const maxThere = 5

// there adds to the error that something was not found what there is instead, of
// the kind that was asked for. Any other error stays as it is.
func there[T any](err error, all func() []T, name func(T) string) error {
	if !errors.Is(err, account.ErrNotFound) {
		return err
	}
	list := all()
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
	return a, there(err, s.o.Accounts.Accounts, func(a account.Account) string { return a.Name })
}

func (s *Server) noIdentity(err error, accountID string) error {
	return there(err, func() []identity.Identity { return s.o.Identities.List(accountID) }, func(i identity.Identity) string { return i.Name })
}

func (s *Server) noSet(err error, accountID string) error {
	return there(err, func() []configset.Set { return s.o.Sets.List(accountID) }, func(set configset.Set) string { return set.Name })
}

func (s *Server) noTemplate(err error, accountID string) error {
	return there(err, func() []template.Name { return s.o.Templates.List(accountID) }, func(t template.Name) string { return t.Name })
}

func (s *Server) noCredential(err error) error {
	return there(err, func() []account.Credential {
		list, _ := s.o.Accounts.ListCredentials("") // of all accounts, so that none is missing
		return list
	}, func(c account.Credential) string { return c.AccessKeyID })
}

// owned reads the account and the name of a thing of it from a query.
func (s *Server) owned(r *http.Request) (accountID, name string, err error) {
	a, err := s.account(r.FormValue("account"))
	return a.ID, r.FormValue("name"), err
}

// readOf reads a request about an account that is there.
func readOf[T any](s *Server, r *http.Request, owner func(T) string) (q T, accountID string, err error) {
	if q, err = read[T](r); err != nil {
		return q, "", err
	}
	a, err := s.account(owner(q))
	return q, a.ID, err
}

// narrowed lists what there is of the account that a query names, or of all.
func narrowed[T, V any](s *Server, r *http.Request, all func(accountID string) []T, show func(T) V) (any, error) {
	id := ""
	if name := r.FormValue("account"); name != "" {
		a, err := s.account(name)
		if err != nil {
			return nil, err
		}
		id = a.ID
	}
	return each(all(id), show), nil
}
