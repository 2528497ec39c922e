package bolt

import (
	"bytes"
	"context"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

var _ quota.Ledger = (*Spool)(nil)

// Usage gives what an account has used of its daily quota. It reads what is on
// the disk, so that it never meets the committer.
func (s *Spool) Usage(ctx context.Context, account string, at time.Time, limit int64) (quota.Usage, error) {
	if err := ctx.Err(); err != nil {
		return quota.Usage{}, err
	}
	l := ledger{accounts: make(map[string]*usage)}
	prefix := append([]byte(account), 0)
	err := s.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(bucketUsage)).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if err := l.read(k, v); err != nil {
				s.damage.tell(usageWhere(k), err)
			}
		}
		return nil
	})
	u := l.accounts[account]
	if err != nil || u == nil {
		return quota.Usage{}, err
	}
	minute := minuteOf(at)
	out := quota.Usage{Used: u.total(minute)}
	if m := u.frees(minute, limit); m != 0 {
		out.Frees = fromMinute(m)
	}
	return out, nil
}

func fromMinute(m int64) time.Time { return fromMillis(m * 60_000) }

// overdrawn tells why a charge was refused. A message that is larger than the
// limit itself never fits, and then it tells when the limit is whole again.
func (l *ledger) overdrawn(account string, minute, n, limit int64) error {
	u := l.accounts[account]
	e := &mail.Limit{Name: mail.LimitQuota, Whose: "account " + account, Unit: "recipients in 24 hours",
		Used: float64(u.total(minute)), Max: float64(limit), Err: queue.ErrQuota}
	if m := u.frees(minute, max(limit-n+1, 1)); m != 0 {
		e.Frees = fromMinute(m)
	}
	return e
}
