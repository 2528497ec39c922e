package destination

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MostDimensions is the most dimensions of one destination (spec section 8.6).
const MostDimensions = 10

// Source is where the value of a dimension comes from, in the words of SES.
type Source string

// The sources. There are no links with tags yet: such a dimension has its default.
const (
	MessageTag  Source = "messageTag"
	EmailHeader Source = "emailHeader"
	LinkTag     Source = "linkTag"
)

// Dimension parts the counters of a destination: by the value of the tag or of the
// header field that has its name, or its default where there is none.
type Dimension struct {
	Name    string `json:"name"`
	Source  Source `json:"source"`
	Default string `json:"default"`
}

// ParseDimension reads "campaign=messageTag:none".
func ParseDimension(text string) (Dimension, error) {
	name, rest, named := strings.Cut(text, "=")
	source, value, whole := strings.Cut(rest, ":")
	d := Dimension{name, Source(source), value}
	if !named || !whole {
		return d, fmt.Errorf("%w: dimension %q has not the form NAME=SOURCE:DEFAULT, such as campaign=messageTag:none", ErrBad, text)
	}
	return d, d.check()
}

var (
	dimensionName  = regexp.MustCompile(`^(ses:)?[A-Za-z0-9_-]{1,256}$`) // ses: begins the automatic tags
	dimensionValue = regexp.MustCompile(`^[A-Za-z0-9_.@-]{1,256}$`)
)

// IsDimensionValue reports whether a text may be the value of a dimension.
func IsDimensionValue(text string) bool { return dimensionValue.MatchString(text) }

// forbidden are the header fields that SES counts nothing by: each mail has others.
func forbidden() []string {
	return []string{"received", "to", "from", "dkim-signature", "cc", "message-id", "return-path"}
}

func (d Dimension) check() error {
	switch {
	case !dimensionName.MatchString(d.Name):
		return fmt.Errorf("%w: the name of a dimension, %q, is 1 to 256 of letters, digits, hyphen and underscore", ErrBad, d.Name)
	case !IsDimensionValue(d.Default):
		return fmt.Errorf("%w: the default of dimension %s is 1 to 256 of letters, digits, hyphen, underscore, dot and @", ErrBad, d.Name)
	case !slices.Contains([]Source{MessageTag, EmailHeader, LinkTag}, d.Source):
		return fmt.Errorf("%w: dimension %s comes from %q; there are %s, %s and %s", ErrBad, d.Name, d.Source, MessageTag, EmailHeader, LinkTag)
	case d.Source == EmailHeader && slices.Contains(forbidden(), strings.ToLower(d.Name)):
		return fmt.Errorf("%w: nothing is counted by the header field %s", ErrBad, d.Name)
	}
	return nil
}

// Label gives the name of the dimension as Prometheus takes it.
func (d Dimension) Label() string {
	return "dimension_" + strings.Map(func(r rune) rune {
		if r == '-' || r == ':' {
			return '_'
		}
		return r
	}, d.Name)
}

// checkCounters says what is wrong with a destination of kind Metrics.
func (d *Destination) checkCounters() error {
	if d.Identity != "" {
		return fmt.Errorf("%w: counters are those of a configuration set", ErrBad)
	}
	if d.Target != "" {
		return fmt.Errorf("%w: counters have no target", ErrBad)
	}
	if len(d.Dimensions) > MostDimensions {
		return fmt.Errorf("%w: counters have at most %d dimensions", ErrBad, MostDimensions)
	}
	seen := make(map[string]bool)
	for _, x := range d.Dimensions {
		if err := x.check(); err != nil {
			return err
		}
		if seen[x.Label()] {
			return fmt.Errorf("%w: two dimensions become %s", ErrBad, x.Label())
		}
		seen[x.Label()] = true
	}
	return nil
}
