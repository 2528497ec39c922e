package api

import (
	"encoding/base64"
	"sort"
)

// tokenForm begins what is inside a token, so that its form can change.
const tokenForm = "1 "

// Token gives the opaque text that continues a list behind a name.
func Token(name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(tokenForm + name))
}

// After reads a token: the name behind which the list goes on, empty for the
// beginning.
func After(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(text) < len(tokenForm) || string(text[:len(tokenForm)]) != tokenForm {
		return "", BadToken("The specified NextToken is invalid.")
	}
	return string(text[len(tokenForm):]), nil
}

// Page gives what of a list, sorted by name, stands behind the token, at most size
// of it, and the token for what comes then; empty at the end. A list that changed
// between two pages loses nobody who was there all the time.
func Page[T any](list []T, name func(T) string, token string, size int) (page []T, next string, err error) {
	after, err := After(token)
	if err != nil {
		return nil, "", err
	}
	if after != "" {
		list = list[sort.Search(len(list), func(i int) bool { return name(list[i]) > after }):]
	}
	if len(list) <= size {
		return list, "", nil
	}
	return list[:size], Token(name(list[size-1])), nil
}
