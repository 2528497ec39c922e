package account

import "fmt"

// Secret gives the secret access key of a credential that is good, for the
// signatures of its HTTP requests. ErrPassword when there is none, it is revoked,
// or only its SMTP password is known.
func (b *Book) Secret(accessKeyID string) (string, error) {
	c := b.credential(accessKeyID)
	if c == nil || c.Revoked() {
		return "", ErrPassword
	}
	d, err := decodeData(c.record)
	if err != nil {
		return "", err
	}
	if d.Password {
		return "", ErrPassword
	}
	secret, err := b.keys.Open(d.Sealed, place(c.Credential)...)
	if err != nil {
		return "", fmt.Errorf("credential %s: %w", accessKeyID, err)
	}
	return string(secret), nil
}
