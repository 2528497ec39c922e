package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/identity"
)

// setNotifications changes how the owner of an identity hears of its mail.
// Forwarding by mail may go only if somebody else is told (spec section 6.5).
func (s *Server) setNotifications(r *http.Request) (any, error) {
	return s.changing(r, "notifications", func(ctx context.Context, id string, q changeRequest) (identity.Identity, error) {
		i, err := s.o.Identities.Get(id, q.Identity)
		if err != nil {
			return identity.Identity{}, err
		}
		if f := q.Notifications.Forwarding; f != nil && !*f {
			if unheard := s.unheard(i); len(unheard) > 0 {
				return identity.Identity{}, fmt.Errorf("identity %s: %w: forwarding stays while no destination, of the identity or of its default configuration set, hears of %s",
					i.Name, identity.ErrSetting, strings.Join(unheard, " and "))
			}
		}
		return s.o.Identities.SetNotifications(ctx, id, q.Identity, q.Notifications)
	})
}

// unheard gives the types of feedback of which no destination of an identity or of
// its default configuration set hears now.
func (s *Server) unheard(i identity.Identity) (words []string) {
	for _, w := range []string{"bounce", "complaint"} {
		if !s.o.Destinations.Hears(destination.Owner{Account: i.Account, Identity: i.Name}, w) &&
			(i.Set == "" || !s.o.Destinations.Hears(destination.Owner{Account: i.Account, Set: i.Set}, w)) {
			words = append(words, w)
		}
	}
	return words
}

// SetNotifications changes how the owner of an identity hears of its mail.
func (c *Client) SetNotifications(ctx context.Context, account, name string, n identity.Notifications) (Identity, error) {
	return one[Identity](ctx, c, "POST", "/v1/identities/notifications", nil,
		changeRequest{Account: account, Identity: name, Notifications: n})
}
