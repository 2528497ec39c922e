package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/api/public"
	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/unsubscribe"
	"github.com/sesame-mta/sesame/queue"
)

// maxPublicURL leaves room for a token in the same line of a header section.
const maxPublicURL = 255

// canUnsubscribe says why no link can be opened by which a recipient leaves a
// mailing list. Mail that is only captured may do without TLS.
func (d *Daemon) canUnsubscribe() error {
	switch at := d.cfg.Service.PublicURL; {
	case at == "" || d.cfg.Listen.Public == "":
		return errors.New("unsubscribe links need [service] public_url and [listen] public in the configuration file")
	case d.o.Carrier == nil && !strings.HasPrefix(at, "https://"):
		return errors.New("unsubscribe links need a [service] public_url that begins with https:// (RFC 8058 section 3.1)")
	case len(at) > maxPublicURL:
		return fmt.Errorf("unsubscribe links need a [service] public_url of at most %d octets", maxPublicURL)
	}
	return nil
}

// unsubscribeKey writes and reads the tokens of unsubscribe links.
func (d *Daemon) unsubscribeKey() unsubscribe.Key { return d.keys.Key("unsubscribe", 32) }

// unsubscribeAddress gives what writes the links; nil when they could not be opened.
func (d *Daemon) unsubscribeAddress() func(unsubscribe.Link) string {
	if d.canUnsubscribe() != nil {
		return nil
	}
	at, key := strings.TrimSuffix(d.cfg.Service.PublicURL, "/")+public.UnsubscribePath, d.unsubscribeKey()
	return func(l unsubscribe.Link) string { return at + key.Write(l) }
}

// warnUnsubscribe names the configuration sets whose recipients cannot leave, since
// the file has changed.
func (d *Daemon) warnUnsubscribe() {
	why := d.canUnsubscribe()
	if why == nil {
		return
	}
	for _, s := range d.sets.List("") {
		if s.Unsubscribe != "" {
			d.logger("account").Warn("mail under a configuration set has no unsubscribe link", "account", s.Account, "text", s.Name, "err", why)
		}
	}
}

// rejoinRate is how many ways back a second a recipient has. Each leads to one more
// time to leave, which is never refused.
const rejoinRate = 0.1

// unsubscriber acts on the links.
type unsubscriber struct {
	d       *Daemon
	key     unsubscribe.Key
	mu      sync.Mutex // one change at a time, so that what is told is one
	rejoins quota.Rates
}

func newUnsubscriber(d *Daemon) *unsubscriber { return &unsubscriber{d: d, key: d.unsubscribeKey()} }

// read gives what a token is about.
func (u *unsubscriber) read(token string) (unsubscribe.Link, error) {
	l, err := u.key.Read(token)
	if err != nil {
		return l, public.ErrLink
	}
	if _, err := u.d.accounts.Lookup(l.Account); err != nil {
		return l, public.ErrLink // it is gone, and so is its list
	}
	return l, nil
}

func (u *unsubscriber) left(ctx context.Context, l unsubscribe.Link) (bool, error) {
	_, err := u.d.suppression.Left(ctx, l.Account, l.To, l.List)
	if errors.Is(err, account.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Subscription implements public.Unsubscriber.
func (u *unsubscriber) Subscription(ctx context.Context, token string) (s public.Subscription, err error) {
	l, err := u.read(token)
	if err == nil {
		s = public.Subscription{Address: l.To.String(), List: l.List}
		s.Left, err = u.left(ctx, l)
	}
	return s, err
}

// Leave implements public.Unsubscriber.
func (u *unsubscriber) Leave(ctx context.Context, token string, oneClick bool) (public.Subscription, error) {
	source := "UnsubscribeLink"
	if oneClick {
		source = "UnsubscribeHeader"
	}
	return u.change(ctx, token, source, true)
}

// Rejoin implements public.Unsubscriber.
func (u *unsubscriber) Rejoin(ctx context.Context, token string) (public.Subscription, error) {
	return u.change(ctx, token, "UnsubscribeLink", false)
}

// change tells of a change and then makes it. After a crash in between it is asked
// for again, and told again: events come at least once.
func (u *unsubscriber) change(ctx context.Context, token, source string, leave bool) (s public.Subscription, err error) {
	l, err := u.read(token)
	if err != nil {
		return s, err
	}
	s = public.Subscription{Address: l.To.String(), List: l.List, Left: leave}
	// A mail program that hangs up has asked all the same.
	ctx = context.WithoutCancel(ctx)
	u.mu.Lock()
	defer u.mu.Unlock()
	left, err := u.left(ctx, l)
	if err != nil || left == leave {
		return s, err
	}
	if !leave && u.rejoins.Take(l.Account+" "+suppression.Key(l.To), rejoinRate, 1, time.Now(), 0) > 0 {
		return s, public.ErrSoon
	}
	err = u.d.dispatch.Feedback(ctx, dispatch.Feedback{ID: l.ID, Type: event.Subscription,
		Recipients: []event.Recipient{{To: mail.ForwardPath{Address: l.To}}},
		Change: &event.Change{List: l.List, Source: source, Old: event.Preferences{UnsubscribeAll: left},
			New: event.Preferences{UnsubscribeAll: leave}}})
	// The link is good for longer than the mail is known.
	if err != nil && !errors.Is(err, queue.ErrNotFound) && !errors.Is(err, dispatch.ErrNoRecipient) {
		return s, err
	}
	log := u.d.logger("account").With("id", l.ID, "account", l.Account, "to", l.To.String(), "text", l.List)
	if !leave {
		if err := u.d.suppression.Rejoin(ctx, l.Account, l.To, l.List); err != nil && !errors.Is(err, account.ErrNotFound) {
			return s, err
		}
		log.Info("recipient subscribed again")
		return s, nil
	}
	e := suppression.Entry{Owner: l.Account, Address: l.To, Reason: suppression.Unsubscribe, List: l.List, MessageID: l.ID.String()}
	if err := u.d.suppression.Collect(ctx, []suppression.Entry{e}); err != nil {
		return s, err
	}
	log.Info("recipient unsubscribed")
	return s, nil
}
