package admission

import (
	"context"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/mail"
)

// suppressed refuses mail to recipients on the suppression list, for accounts that
// want to know at once. SES takes such mail and bounces it; the text follows its
// pattern (spec section 1.5).
func suppressed(find func(context.Context, *Candidate) ([]mail.Address, error)) func(context.Context, *Candidate) error {
	return func(ctx context.Context, c *Candidate) error {
		if find == nil || c.Account.Suppressed != account.SuppressedRefuse {
			return nil
		}
		found, err := find(ctx, c)
		if err != nil {
			return mail.Recorded(451, 3, 0, "Temporary service failure").WithCause(err)
		}
		if len(found) == 0 {
			return nil
		}
		names := make([]string, len(found))
		for i, a := range found {
			names[i] = a.String()
		}
		return mail.Recorded(554, 1, 1, clip("Message rejected: Address is on the suppression list for your account: ", names))
	}
}
