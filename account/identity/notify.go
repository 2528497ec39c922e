package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sesame-mta/sesame/account/destination"
)

// Notifications is what SetNotifications changes; a nil field stays as it is.
type Notifications struct {
	Forwarding *bool    `json:"forwarding,omitempty"`
	Headers    []string `json:"headers,omitzero"` // an empty list is for no type
}

// SetNotifications changes how the owner hears of bounces, complaints and
// deliveries. It does not look whether anybody else is told when forwarding is
// taken away: see Forwards.
func (b *Book) SetNotifications(ctx context.Context, accountID, text string, c Notifications) (Identity, error) {
	for _, w := range c.Headers {
		if !slices.Contains(destination.IdentityWords(), w) {
			return Identity{}, fmt.Errorf("identity %s: %w: no notification is called %q; there are %s", text, ErrSetting, w,
				strings.Join(destination.IdentityWords(), ", "))
		}
	}
	return b.with(ctx, accountID, text, func(d *data) error {
		if c.Forwarding != nil {
			d.NoForwarding = !*c.Forwarding
		}
		if c.Headers != nil {
			d.Headers = slices.DeleteFunc(destination.IdentityWords(), func(w string) bool { return !slices.Contains(c.Headers, w) })
		}
		return nil
	})
}

// SetHeaders says whether notifications of one type show the header of their
// message.
func (b *Book) SetHeaders(ctx context.Context, accountID, text, word string, show bool) (Identity, error) {
	if !slices.Contains(destination.IdentityWords(), word) {
		return Identity{}, fmt.Errorf("identity %s: %w: no notification is called %q", text, ErrSetting, word)
	}
	return b.with(ctx, accountID, text, func(d *data) error {
		d.Headers = slices.DeleteFunc(destination.IdentityWords(), func(w string) bool {
			if w == word {
				return !show
			}
			return !slices.Contains(d.Headers, w)
		})
		return nil
	})
}

// Forwards reports whether the owner of an identity, by its name as it is kept,
// wants bounces and complaints by mail. It is so unless it was taken away, and for
// an identity that is gone; then they are mailed all the same while nobody else is
// told of them, which is for the caller to know (spec section 6.5).
func (b *Book) Forwards(accountID, name string) bool {
	i, err := b.Get(accountID, name)
	return err != nil || !i.NoForwarding
}

// ShowsHeaders reports whether notifications of a type show the header of their
// message. The type is one of destination.IdentityWords.
func (b *Book) ShowsHeaders(accountID, name, word string) bool {
	i, err := b.Get(accountID, name)
	return err == nil && slices.Contains(i.Headers, word)
}
