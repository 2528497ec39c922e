package auth

import (
	"context"
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

// Authenticate checks an access key id and the SMTP password derived from its
// secret. An unknown, a revoked and a mistaken credential are all ErrInvalid,
// after the same work. It waits for nothing, so it never is ErrTemporary.
func (b *Book) Authenticate(_ context.Context, username, password string, _ netip.Addr) (*Principal, error) {
	c, a, err := b.accounts.Verify(username, password)
	if err != nil {
		return nil, ErrInvalid
	}
	return &Principal{Account: a.ID, Name: a.Name, Credential: c.AccessKeyID, Strict: b.isStrict(a)}, nil
}

// Trusted gives the principal of a client in a trusted network, which sends as
// an account without a credential. ErrNotFound when there is no such account.
func (b *Book) Trusted(nameOrID string) (*Principal, error) {
	a, err := b.accounts.Lookup(nameOrID)
	if err != nil {
		return nil, err
	}
	return &Principal{Account: a.ID, Name: a.Name, Strict: b.isStrict(a)}, nil
}

func (b *Book) isStrict(a account.Account) bool {
	if a.Profile == account.ProfileFile {
		return b.strict
	}
	return a.Profile == account.ProfileSES
}
