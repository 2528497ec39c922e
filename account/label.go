package account

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Labels are what an owner writes on a thing to find it again, a value for each
// key. SES calls them the tags of a resource; they are no message tags, and mail
// knows nothing of them. A map is never changed, only replaced.
type Labels map[string]string

// Bounds of labels (spec section 4.1).
const (
	MaxLabels     = 50
	maxLabelKey   = 128 // characters
	maxLabelValue = 256
)

// ErrLabels says that labels are not as they must be. It comes with the reason.
var ErrLabels = errors.New("bad tags")

// Check says what is wrong with labels; ErrLabels.
func (l Labels) Check() error {
	if len(l) > MaxLabels {
		return fmt.Errorf("%w: more than %d", ErrLabels, MaxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(l)) {
		switch value := l[key]; {
		case key == "" || utf8.RuneCountInString(key) > maxLabelKey || utf8.RuneCountInString(value) > maxLabelValue:
			return fmt.Errorf("%w: a key has 1 to %d characters, a value 0 to %d", ErrLabels, maxLabelKey, maxLabelValue)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return fmt.Errorf("%w: no key begins with aws:", ErrLabels)
		case !utf8.ValidString(key) || !utf8.ValidString(value) || strings.ContainsFunc(key+value, isControl):
			return fmt.Errorf("%w: they hold text only", ErrLabels)
		}
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// With gives labels with those of more beside or instead of their own.
func (l Labels) With(more Labels) Labels {
	out := maps.Clone(l)
	if out == nil {
		out = Labels{}
	}
	maps.Copy(out, more)
	return out
}

// Without gives labels without those under keys.
func (l Labels) Without(keys []string) Labels {
	out := maps.Clone(l)
	for _, key := range keys {
		delete(out, key)
	}
	return out
}
