package account

import (
	"context"
	"encoding/base64"
	"errors"
	"regexp"
)

// Import is a key pair that was made elsewhere. Either Secret or Password is set.
type Import struct {
	AccessKeyID string
	// Secret is the secret access key. Its SMTP password is derived in Region or,
	// with SigV2, in the form of before 2019, which knows no region.
	Secret string
	Region string
	SigV2  bool
	// Password is the SMTP password itself; its form shows.
	Password string
	Terms    Terms
}

// What can be wrong with an import, beside ErrExists and ErrTerms.
var (
	ErrKeyID        = errors.New("an access key id is 16 to 128 of A-Z and 0-9")
	ErrSecret       = errors.New("a secret access key is 1 to 128 printable characters without blanks")
	ErrRegion       = errors.New("a secret needs the region of its password, or to be taken as SigV2; a password needs neither")
	ErrPasswordForm = errors.New("not an SMTP password of SES: 44 characters that begin with A or B")
)

var (
	keyIDForm  = regexp.MustCompile(`^[A-Z0-9]{16,128}$`)
	secretForm = regexp.MustCompile(`^[!-~]{1,128}$`)
	regionForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

// The first octet of an SMTP password (spec sections 2.2 and 2.3).
const (
	passwordV2   = 2
	passwordV4   = 4
	passwordSize = 33
)

// ImportCredential takes a key pair that programs use already, for an account
// given by name or id.
func (b *Book) ImportCredential(ctx context.Context, account string, i Import) (Credential, error) {
	c := Credential{AccessKeyID: i.AccessKeyID, Imported: true, Region: i.Region, SigV2: i.SigV2, Terms: i.Terms}
	if !keyIDForm.MatchString(i.AccessKeyID) {
		return Credential{}, ErrKeyID
	}
	if i.Password != "" {
		raw, err := base64.StdEncoding.Strict().DecodeString(i.Password)
		if err != nil || len(raw) != passwordSize || raw[0] != passwordV2 && raw[0] != passwordV4 {
			return Credential{}, ErrPasswordForm
		}
		if i.Secret != "" || i.Region != "" || i.SigV2 {
			return Credential{}, ErrRegion
		}
		c.SigV2 = raw[0] == passwordV2
		return b.addCredential(ctx, account, c, i.Password, i.Password, true)
	}
	switch {
	case !secretForm.MatchString(i.Secret):
		return Credential{}, ErrSecret
	case i.SigV2 != (i.Region == ""), i.Region != "" && (len(i.Region) > 32 || !regionForm.MatchString(i.Region)):
		return Credential{}, ErrRegion
	case b.o.DeriveImported == nil:
		return Credential{}, errors.New("secrets cannot be imported")
	}
	return b.addCredential(ctx, account, c, i.Secret, b.o.DeriveImported(i.Secret, i.Region), false)
}
