package auth

import "net/netip"

// Secret gives the secret with which requests in the name of an access key id are
// signed. ErrInvalid when it cannot sign any.
func (b *Book) Secret(accessKeyID string) (string, error) {
	secret, err := b.accounts.Secret(accessKeyID)
	if err != nil {
		return "", ErrInvalid.WithCause(err)
	}
	return secret, nil
}

// Signed gives the standing of a caller whose signature was found good. The error
// is ErrInvalid when the credential was revoked meanwhile or may not be used from
// the client's address.
func (b *Book) Signed(accessKeyID string, client netip.Addr) (Standing, error) {
	c, err := b.accounts.Credential(accessKeyID)
	if err != nil {
		return Standing{}, ErrInvalid
	}
	a, c, err := b.accounts.Standing(c.Account, accessKeyID)
	if err != nil {
		return Standing{}, ErrInvalid
	}
	if !c.MayConnect(client) {
		return Standing{}, ErrInvalid.WithCause(errNetwork)
	}
	b.accounts.Used(accessKeyID)
	return Standing{b.principal(a, c), a, c}, nil
}
