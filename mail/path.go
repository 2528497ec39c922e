package mail

// ReversePath is the argument of MAIL FROM. The zero value is the null
// reverse-path `<>` of delivery notifications (RFC 5321 section 4.5.5).
type ReversePath struct{ Address }

// Null reports whether the reverse-path is `<>`.
func (p ReversePath) Null() bool { return p.IsZero() }

// Path gives the wire form with its angle brackets.
func (p ReversePath) Path() string { return "<" + p.String() + ">" }

// ParseReversePath reads the text between the angle brackets; empty is null.
func ParseReversePath(s string) (ReversePath, error) {
	if s == "" {
		return ReversePath{}, nil
	}
	a, err := ParseAddress(s)
	return ReversePath{a}, err
}

// ForwardPath is the argument of RCPT TO. The zero value is no recipient.
type ForwardPath struct{ Address }

// Path gives the wire form with its angle brackets.
func (p ForwardPath) Path() string { return "<" + p.String() + ">" }

// ParseForwardPath reads the text between the angle brackets.
func ParseForwardPath(s string) (ForwardPath, error) {
	a, err := ParseAddress(s)
	return ForwardPath{a}, err
}
