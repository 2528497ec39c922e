package admission

import (
	"context"

	"github.com/sesame-mta/sesame/mail"
)

// ConfigSetField and TagsField are the control fields that name a configuration
// set and message tags (spec section 3.1).
const (
	ConfigSetField = "X-SES-CONFIGURATION-SET"
	TagsField      = "X-SES-MESSAGE-TAGS"
)

// maxShownName is how much of a name that is none is shown to its sender.
const maxShownName = 64

// configurationSet refuses mail under a set that is not there, for it must not
// leave under other rules than its sender asked for, and under one that is
// paused. The first text is recorded, the second follows its pattern (spec
// sections 1.5 and 15).
func configurationSet(_ context.Context, c *Candidate) error {
	name := c.SetName[:min(len(c.SetName), maxShownName)]
	switch {
	case c.SetName == "":
		return nil
	case c.Set == nil:
		return mail.Recorded(554, 7, 1,
			"Configuration Set does not exist: Configuration set <"+name+"> does not exist.")
	case !c.Set.Sending:
		return mail.Recorded(554, 7, 1,
			"Message rejected: Sending paused for configuration set <"+name+">.")
	}
	return nil
}
