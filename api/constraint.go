package api

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Constraint is what SES says of a value that it cannot take (spec section 10.4).
func Constraint(member, must string) *Error {
	return Invalid("1 validation error detected: Value at '" + member + "' failed to satisfy constraint: Member must " + must)
}

// OneOf says what is wrong with a value that must be one of a set of words; an
// empty one is as if it was not given.
func OneOf(member, value string, words ...string) error {
	if value == "" || slices.Contains(words, value) {
		return nil
	}
	return noneOf(member, words)
}

// noneOf is what SES says of a value that is none of a set of words.
func noneOf(member string, words []string) *Error {
	return Constraint(member, "satisfy enum value set: ["+strings.Join(words, ", ")+"]")
}

// Within says what is wrong with a text that has more characters than it may.
func Within(member, text string, most int) error {
	if utf8.RuneCountInString(text) <= most {
		return nil
	}
	return Constraint(member, "have length less than or equal to "+strconv.Itoa(most))
}

// Size gives the size of a page of a list: what was asked for, but not more than
// most, or most when nothing was.
func Size(asked, most int) (int, error) {
	switch {
	case asked < 0:
		return 0, Constraint("pageSize", "have value greater than or equal to 1")
	case asked == 0:
		return most, nil
	}
	return min(asked, most), nil
}
