package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Token makes the token of a destination that is kept at a place. Nobody can make it
// without the key, and it is another when a destination of the same place is made anew.
// It says which place it is of, so that one look-up finds it.
func Token(key []byte, place string, created time.Time) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(place + "#" + created.UTC().Format(time.RFC3339)))
	return hex.EncodeToString(h.Sum([]byte(place)))
}

// Place gives the place that a token claims to be of. Whoever believes it makes the
// token of that place and compares.
func Place(token string) (place string, ok bool) {
	text, err := hex.DecodeString(token)
	if err != nil || len(text) <= sha256.Size {
		return "", false
	}
	return string(text[:len(text)-sha256.Size]), true
}
