package bolt

import (
	"encoding/binary"
	"slices"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/queue"
)

// window is 24 hours in minutes. The minute of acceptance a day ago may lie less
// than 24 hours back, so it still counts: never over by one.
const window = 24 * 60

// ledger is what accounts used, by minute, in memory. Only the committer and
// open touch it. What stands in it is what stands in the usage bucket.
type ledger struct {
	accounts map[string]*usage
}

type usage struct {
	minutes []minuteUse // ascending
	// sum is what counts at minute at; it saves adding up a day per message.
	sum, at int64
}

type minuteUse struct {
	minute, n int64
}

func minuteOf(t time.Time) int64 { return millis(t) / 60_000 }

// total gives what counts at a minute. Use that lies in the future after a clock
// was set back counts too, unless it is more than a day off: then the clock was
// wrong when it was written.
func (u *usage) total(minute int64) int64 {
	if u.at != minute {
		u.at, u.sum = minute, 0
		for _, m := range u.minutes {
			if m.minute >= minute-window && m.minute <= minute+window {
				u.sum += m.n
			}
		}
	}
	return u.sum
}

// frees gives the minute in which less than limit will count or, with room left,
// in which the next recipients cease to count; 0 when none do.
func (u *usage) frees(minute, limit int64) int64 {
	left := u.total(minute)
	under := left < limit || limit <= 0
	for _, m := range u.minutes {
		if m.n == 0 || m.minute < minute-window || m.minute > minute+window {
			continue
		}
		if left -= m.n; under || left < limit {
			return m.minute + window + 1
		}
	}
	return 0
}

// add takes n recipients more in a minute (less when n is negative).
func (u *usage) add(minute, n int64) {
	i, found := slices.BinarySearchFunc(u.minutes, minute, func(m minuteUse, t int64) int { return int(m.minute - t) })
	if !found {
		u.minutes = slices.Insert(u.minutes, i, minuteUse{minute: minute})
	}
	u.minutes[i].n += n
	if u.at == minute {
		u.sum += n
	} else {
		u.at = -1
	}
}

func (u *usage) get(minute int64) int64 {
	i, found := slices.BinarySearchFunc(u.minutes, minute, func(m minuteUse, t int64) int { return int(m.minute - t) })
	if !found {
		return 0
	}
	return u.minutes[i].n
}

// charge counts n recipients unless that would exceed the limit (0 is none).
func (l *ledger) charge(account string, minute, n, limit int64) bool {
	u := l.accounts[account]
	if u == nil {
		u = &usage{at: -1}
		l.accounts[account] = u
	}
	if limit > 0 && u.total(minute)+n > limit {
		return false
	}
	u.add(minute, n)
	return true
}

// write puts the totals of the touched minutes into the bucket and drops what
// counts no more.
func (l *ledger) write(b *bbolt.Bucket, account string, minute int64) error {
	u := l.accounts[account]
	old := 0
	for old < len(u.minutes) && u.minutes[old].minute < minute-window {
		if err := b.Delete(usageKey(account, u.minutes[old].minute)); err != nil {
			return err
		}
		old++
	}
	v := binary.BigEndian.AppendUint64(nil, uint64(u.get(minute)))
	if err := b.Put(usageKey(account, minute), v); err != nil {
		return err
	}
	return nil
}

// forget drops from memory what write dropped from the bucket, once that is durable.
func (l *ledger) forget(account string, minute int64) {
	u := l.accounts[account]
	old := 0
	for old < len(u.minutes) && u.minutes[old].minute < minute-window {
		old++
	}
	if old > 0 {
		u.minutes = slices.Delete(u.minutes, 0, old)
		u.at = -1
	}
}

// load reads the bucket, passing over damaged records: a quota that counts some
// recipients less for a day is better than no start.
func (l *ledger) load(b *bbolt.Bucket, damaged func(where string, err error)) error {
	l.accounts = make(map[string]*usage)
	return b.ForEach(func(k, v []byte) error {
		if err := l.read(k, v); err != nil {
			damaged(usageWhere(k), err)
		}
		return nil
	})
}

// read takes one record of the bucket.
func (l *ledger) read(k, v []byte) error {
	if len(k) < 9 || len(v) != 8 || k[len(k)-9] != 0 {
		return queue.ErrDamaged
	}
	account := string(k[:len(k)-9])
	u := l.accounts[account]
	if u == nil {
		u = &usage{at: -1}
		l.accounts[account] = u
	}
	u.add(int64(binary.BigEndian.Uint64(k[len(k)-8:])), int64(binary.BigEndian.Uint64(v)))
	return nil
}
