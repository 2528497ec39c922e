package identity

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/mail"
)

// Pause stops sending as an identity, or lets it go on. What waits in the queue
// already leaves all the same.
func (b *Book) Pause(ctx context.Context, accountID, text string, paused bool) (Identity, error) {
	return b.with(ctx, accountID, text, func(d *data) error { d.Paused = paused; return nil })
}

// Defaults is what SetDefaults changes; a nil field stays as it is.
type Defaults struct {
	Set  *string           `json:"configuration_set,omitempty"` // empty: none
	Tags map[string]string `json:"tags,omitzero"`               // an empty map takes all away
}

// SetDefaults changes what is given to mail that names none itself. It does not
// look whether the configuration set is there: it may come later.
func (b *Book) SetDefaults(ctx context.Context, accountID, text string, c Defaults) (Identity, error) {
	var set string
	if c.Set != nil {
		set = *c.Set
	}
	tags := make([]account.Tag, 0, len(c.Tags))
	for name, value := range c.Tags {
		tags = append(tags, account.Tag{Name: name, Value: value})
	}
	if err := account.CheckDefaults(set, tags); err != nil {
		return Identity{}, fmt.Errorf("identity %s: %w: %w", text, ErrSetting, err)
	}
	return b.with(ctx, accountID, text, func(d *data) error {
		if c.Set != nil {
			d.Set = *c.Set
		}
		if c.Tags != nil {
			d.Tags = maps.Clone(c.Tags)
		}
		return nil
	})
}

// Defaults gives the configuration set and the tags that the most specific
// verified identity of an address has for mail that names none. The map is not
// to be changed.
func (b *Book) Defaults(accountID string, from mail.Address) (set string, tags map[string]string) {
	i, _ := b.Covers(accountID, from)
	return i.Set, i.Tags
}

// ErrNotUnder says that a MAIL FROM domain is in the wrong place.
var ErrNotUnder = fmt.Errorf("%w: a MAIL FROM domain lies under the identity's own", ErrSetting)

// SetMailFrom gives an identity a MAIL FROM domain of its own, or with an empty
// domain takes it away. It must lie under the identity's domain (spec section
// 4.7).
func (b *Book) SetMailFrom(ctx context.Context, accountID, text, domain string, reject bool) (Identity, error) {
	n, text, err := parseName(accountID, text)
	if err != nil {
		return Identity{}, err
	}
	if domain != "" {
		if domain, err = mail.ParseDomain(domain); err != nil {
			return Identity{}, fmt.Errorf("%w: MAIL FROM domain: %w", ErrSetting, err)
		}
		if !strings.HasSuffix(domain, "."+n.domain) {
			return Identity{}, fmt.Errorf("%w, such as bounce.%s", ErrNotUnder, n.domain)
		}
	}
	return b.with(ctx, accountID, text, func(d *data) error {
		switch {
		case domain == "":
			d.MailFrom = nil
		case d.MailFrom != nil && d.MailFrom.Domain == domain && d.MailFrom.Check.State != Failed:
			d.MailFrom.Reject = reject
		default:
			d.MailFrom = &mailFromData{domain, reject, Check{Pending, time.Now().UTC()}}
		}
		return nil
	})
}

// MailFromRefused reports whether mail from an address is to be refused, since
// the MAIL FROM domain of its identity is not set up and the owner wants that
// (spec section 4.7: also while it is pending).
func (b *Book) MailFromRefused(accountID string, from mail.Address) bool {
	i, _ := b.Covers(accountID, from)
	m := i.MailFrom
	return m.Domain != "" && m.Reject && m.Check.State != Success
}

func (b *Book) with(ctx context.Context, accountID, text string, f func(*data) error) (Identity, error) {
	n, _, err := parseName(accountID, text)
	if err != nil {
		return Identity{}, err
	}
	return b.update(ctx, n, f)
}
