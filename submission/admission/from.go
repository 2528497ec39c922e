package admission

import "context"

// once lists the fields whose second occurrence lets two readers see two
// senders. SES refuses many more (spec section 3.5); these decide who speaks.
var once = [...]string{"From", "Sender", "Return-Path"}

func oneFrom(_ context.Context, c *Candidate) error {
	for _, name := range once {
		if c.Header.Count(name) > 1 {
			return failed(0, "Duplicate header '"+name+"'.")
		}
	}
	if c.Header.Count("From") == 0 {
		return failed(0, "Missing required header 'From'.")
	}
	return nil
}
