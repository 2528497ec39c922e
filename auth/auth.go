package auth

import (
	"context"
	"net/netip"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/mail"
)

// Principal is who submits: an account, through a credential or as a client of
// a trusted network.
type Principal struct {
	Account    string // 12-digit id
	Name       string // the account's name
	Credential string // access key id; empty for a trusted network
	Strict     bool   // the account's profile is SES's own
	SigV2      bool   // the credential's password has the form of before 2019
	// ConfigurationSet and Tags are the credential's defaults for its messages.
	ConfigurationSet string
	Tags             []account.Tag
}

// Standing is a principal with its account and credential as they are now: a
// session may be hours older than the last change.
type Standing struct {
	Principal  *Principal
	Account    account.Account
	Credential account.Credential // empty for a trusted network
}

// The refusals at AUTH (spec section 1.3, recorded).
var (
	ErrInvalid   = mail.Recorded(535, 7, 8, "Authentication Credentials Invalid")
	ErrTemporary = mail.Recorded(454, 7, 0, "Temporary authentication failure")
)

// Authenticator checks a user name and a password. The error is ErrInvalid, in
// the same time for an unknown user and a wrong password, or ErrTemporary.
type Authenticator interface {
	Authenticate(ctx context.Context, username, password string, client netip.Addr) (*Principal, error)
}
