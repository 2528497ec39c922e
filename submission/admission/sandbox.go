package admission

import (
	"context"

	"github.com/sesame-mta/sesame/mail"
)

// sandbox refuses mail of an account outside production to recipients that its
// own verified identities do not cover. The simulator takes mail from everybody
// (spec section 4.6).
func sandbox(o Options) func(context.Context, *Candidate) error {
	return func(_ context.Context, c *Candidate) error {
		if c.Account.Production {
			return nil
		}
		var missing []string
		seen := make(map[mail.Address]bool, len(c.To))
		for _, to := range c.To {
			if seen[to.Address] || o.IsSimulated != nil && o.IsSimulated(to.Domain()) {
				continue
			}
			seen[to.Address] = true
			if !o.Identities.Covered(c.Principal.Account, to.Address) {
				missing = append(missing, to.String())
			}
		}
		if len(missing) == 0 {
			return nil
		}
		return notVerified(o.Region, missing)
	}
}
