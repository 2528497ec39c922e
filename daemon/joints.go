package daemon

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/dkim"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// covered shows admission the identities.
type covered struct{ book *identity.Book }

func (c covered) Covered(accountID string, a mail.Address) bool {
	_, ok := c.book.Covers(accountID, a)
	return ok
}

// signer signs with the keys of identities.
type signer struct{ book *identity.Book }

func (s signer) Sign(ctx context.Context, accountID string, refs []string, header []byte, body io.Reader, t time.Time) ([]byte, error) {
	keys, err := s.book.Keys(ctx, accountID, refs)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	return dkim.Sign(header, body, keys, t)
}

// systemKeys names the keys that sign our own mail.
func (d *Daemon) systemKeys() []string {
	return d.identities.KeyRefs(account.SystemID, d.serviceDomain())
}

// ensureSystemKeys makes the keys of the server's own domain at the first start.
func (d *Daemon) ensureSystemKeys(ctx context.Context) error {
	_, err := d.identities.Get(account.SystemID, d.serviceDomain())
	if !errors.Is(err, account.ErrNotFound) {
		return err
	}
	_, err = d.identities.Add(ctx, account.SystemID, d.serviceDomain(), identity.AddOptions{Verified: true, DKIM: true})
	return err
}

// operated is the queue for operators: a retry ends what the dispatcher waits for.
type operated struct {
	*queue.Queue
	dispatch *dispatch.Dispatcher
}

// Retry implements admin.Queue.
func (o operated) Retry(ctx context.Context, f queue.Filter) (int, error) {
	return o.dispatch.Retry(ctx, f)
}
