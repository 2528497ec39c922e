package auth

import (
	"context"
	"errors"
	"net/netip"

	"github.com/sesame-mta/sesame/account"
)

// Book is the Authenticator over the account book.
type Book struct {
	accounts *account.Book
	strict   bool
}

// NewBook makes an Authenticator. Strict is the profile of the configuration
// file, for accounts that name none of their own.
func NewBook(accounts *account.Book, strict bool) *Book {
	return &Book{accounts, strict}
}

// Authenticate checks an access key id and the SMTP password that belongs to it,
// and that the credential may be used from the client's address. An unknown, a
// revoked, a mistaken and a misplaced credential are all ErrInvalid, the first
// three after the same work. It waits for nothing, so it never is ErrTemporary.
func (b *Book) Authenticate(_ context.Context, username, password string, client netip.Addr) (*Principal, error) {
	c, a, err := b.accounts.Verify(username, password)
	if err != nil {
		return nil, ErrInvalid
	}
	if !c.MayConnect(client) {
		return nil, ErrInvalid.WithCause(errNetwork)
	}
	b.accounts.Used(c.AccessKeyID)
	return b.principal(a, c), nil
}

var errNetwork = errors.New("the credential may not be used from this network")

// Trusted gives the principal of a client in a trusted network, which sends as
// an account without a credential. ErrNotFound when there is no such account.
func (b *Book) Trusted(nameOrID string) (*Principal, error) {
	a, err := b.accounts.Lookup(nameOrID)
	if err != nil {
		return nil, err
	}
	return b.principal(a, account.Credential{}), nil
}

// Renew gives what a principal is now: each message is judged by the settings of
// its own time. The error is ErrInvalid when the credential or the account is
// good no more.
func (b *Book) Renew(p *Principal) (Standing, error) {
	a, c, err := b.accounts.Standing(p.Account, p.Credential)
	if err != nil {
		return Standing{}, ErrInvalid
	}
	if c.AccessKeyID != "" {
		b.accounts.Used(c.AccessKeyID)
	}
	return Standing{b.principal(a, c), a, c}, nil
}

func (b *Book) principal(a account.Account, c account.Credential) *Principal {
	return &Principal{
		Account: a.ID, Name: a.Name, Credential: c.AccessKeyID, Strict: b.isStrict(a), SigV2: c.SigV2,
		ConfigurationSet: c.ConfigurationSet, Tags: c.Tags,
	}
}

func (b *Book) isStrict(a account.Account) bool {
	if a.Profile == account.ProfileFile {
		return b.strict
	}
	return a.Profile == account.ProfileSES
}
