package admission

import (
	"context"

	"github.com/sesame-mta/sesame/mail"
)

// configurationSet refuses a message that asks for a configuration set: there
// are none in this version, and mail must not leave under other rules than its
// sender asked for. The text is SES's for an unknown name (spec section 1.5).
func configurationSet(_ context.Context, c *Candidate) error {
	for _, field := range c.Header.All("X-SES-CONFIGURATION-SET") {
		name := field.Value()
		if name == "" {
			continue
		}
		if len(name) > 64 {
			name = name[:64]
		}
		return mail.Recorded(554, 7, 1,
			"Configuration Set does not exist: Configuration set <"+name+"> does not exist.")
	}
	return nil
}
