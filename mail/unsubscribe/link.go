package unsubscribe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/sesame-mta/sesame/mail"
)

// ErrToken says that a token is not one of ours; it says no more.
var ErrToken = errors.New("not a token of an unsubscribe link")

// Link is what a token says. Who holds the token may act for the recipient.
type Link struct {
	ID      mail.ID // of the mail
	Account string  // 12 digits
	List    string  // 1 to 64 octets
	To      mail.Address
}

// Key writes and reads tokens. It must be secret and stay the same for ever: links
// are clicked years later.
type Key []byte

// The token is base64url of
//
//	id (22) · account (12) · length of the list (1) · list · address · HMAC-SHA256 (16)
//
// and then its version, a digit. What makes links of a text leaves out a hyphen at
// the end; no token ends in one.
const (
	version     = "1"
	accountSize = 12
	listAt      = mail.IDSize + accountSize
	sumSize     = 16
	maxList     = 64
)

// MaxToken is the most octets of a token; in a link it shares one line of 998 with
// the address of the server.
const MaxToken = 600

var encoding = base64.RawURLEncoding.Strict()

// Write gives the token of a link. What no token can hold is a bug in the caller
// and panics: a list without a name, an account that has not 12 digits.
func (k Key) Write(l Link) string {
	if len(l.Account) != accountSize || l.List == "" || len(l.List) > maxList || l.To.IsZero() {
		panic("unsubscribe: impossible link")
	}
	raw := append(l.ID[:], l.Account...)
	raw = append(raw, byte(len(l.List)))
	raw = append(raw, l.List...)
	raw = append(raw, l.To.String()...)
	return encoding.EncodeToString(append(raw, k.sum(raw)...)) + version
}

// Read gives what a token says; ErrToken.
func (k Key) Read(token string) (Link, error) {
	n := len(token) - len(version)
	if len(token) > MaxToken || n < 0 || token[n:] != version {
		return Link{}, ErrToken
	}
	raw, err := encoding.DecodeString(token[:n])
	if err != nil || len(raw) < listAt+1+sumSize {
		return Link{}, ErrToken
	}
	raw, sum := raw[:len(raw)-sumSize], raw[len(raw)-sumSize:]
	if !hmac.Equal(sum, k.sum(raw)) {
		return Link{}, ErrToken
	}
	// Behind the sum all is as Write made it; what follows is for a bug.
	size := int(raw[listAt])
	if size == 0 || len(raw) < listAt+1+size {
		return Link{}, ErrToken
	}
	l := Link{ID: mail.ID(raw[:mail.IDSize]), Account: string(raw[mail.IDSize:listAt]), List: string(raw[listAt+1 : listAt+1+size])}
	if l.To, err = mail.ParseAddress(string(raw[listAt+1+size:])); err != nil {
		return Link{}, ErrToken
	}
	return l, nil
}

func (k Key) sum(raw []byte) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte("unsubscribe " + version + " "))
	h.Write(raw)
	return h.Sum(nil)[:sumSize]
}
