package bolt

import (
	"bytes"
	"errors"
	"sync"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Bounds of the work that removes old records: so many in one transaction, and
// so often it is looked for some.
const (
	expireAtOnce = 500
	expireEvery  = time.Minute
)

// keeper removes what was kept for long enough, beside everything else.
type keeper struct {
	full  chan struct{}   // of capacity one: more is kept than there is room for, or much is waste
	skip  map[uint32]bool // segments that could not be emptied
	stop  chan struct{}
	once  sync.Once
	ended chan struct{}
}

func (k *keeper) init() {
	k.skip = make(map[uint32]bool)
	k.full, k.stop, k.ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
}

func (k *keeper) poke() {
	select {
	case k.full <- struct{}{}:
	default:
	}
}

// close ends the work and waits for what is under way.
func (k *keeper) close() {
	k.once.Do(func() { close(k.stop) })
	<-k.ended
}

// expireKept removes old records until the spool is closed.
func (s *Spool) expireKept() {
	defer close(s.keeper.ended)
	every := time.NewTicker(expireEvery)
	defer every.Stop()
	for {
		if err := s.expireAll(); err != nil && s.Err() == nil {
			s.log.Warn("old records not removed", "err", err)
		}
		if err := s.tidy(); err != nil && s.Err() == nil && !errors.Is(err, queue.ErrFull) {
			s.log.Warn("content not moved", "err", err)
		}
		select {
		case <-s.keeper.stop:
			return
		case <-s.keeper.full:
		case <-every.C:
		}
	}
}

// expireAll removes all that is over, in parts. They ride along with other work.
func (s *Spool) expireAll() error {
	for {
		var found expired
		err := s.view(func(tx *bbolt.Tx) error {
			found = s.expired(tx, s.kept().octets, time.Now())
			return nil
		})
		if err != nil || found.none() {
			return err
		}
		op := &expireOp{found.records, found.keys}
		if err := s.submit(&unit{op: op, size: 64 * (len(op.records) + len(op.keys)), lazy: true}); err != nil {
			return err
		}
		select {
		case <-s.keeper.stop:
			return nil
		default:
		}
	}
}

// expired is what is kept no longer: the keys of its records, and those of the
// settlements of messages that are not known any more.
type expired struct {
	records, keys [][]byte
	octets        int64 // of the records
}

func (e *expired) none() bool { return len(e.records)+len(e.keys) == 0 }

// expired looks for the oldest of it. Octets is how much is kept.
func (s *Spool) expired(tx *bbolt.Tx, octets int64, now time.Time) (e expired) {
	known := func(mail.ID) bool { return false }
	if kept := tx.Bucket([]byte(bucketKeptMessages)); kept != nil {
		c := kept.Cursor()
		for k, v := c.First(); k != nil && len(e.records) < expireAtOnce; k, v = c.Next() {
			if len(k) == mail.IDSize && !s.over(mail.ID(k), now) && octets-e.octets <= s.opts.KeepBytes {
				break
			}
			e.records = append(e.records, bytes.Clone(k))
			e.octets += int64(len(k) + len(v))
		}
		known = func(id mail.ID) bool { return kept.Get(id[:]) != nil }
	}
	keys, messages := tx.Bucket([]byte(bucketKeptKeys)), tx.Bucket([]byte(bucketMessages))
	if keys == nil {
		return e
	}
	c := keys.Cursor()
	n := 0
	for k, _ := c.First(); k != nil && n < expireAtOnce; k, _ = c.Next() {
		n++
		if len(k) > mail.IDSize {
			id := mail.ID(k[:mail.IDSize])
			if messages.Get(id[:]) != nil {
				continue
			}
			if known(id) { // what is younger waits for its time
				break
			}
		}
		e.keys = append(e.keys, bytes.Clone(k))
	}
	return e
}

// expireOp removes what was found. It names all of it: done again from the journal,
// perhaps under another time of keeping, it comes to the same.
type expireOp struct{ records, keys [][]byte }

func (o *expireOp) apply(b *batch) error {
	for _, k := range o.records {
		if b.kept == nil {
			break
		}
		if v := b.kept.Get(k); v != nil {
			b.keeps.messages--
			b.keeps.octets -= int64(len(k) + len(v))
			b.remove(b.kept, k)
		}
	}
	for _, k := range o.keys {
		if b.keys != nil {
			b.remove(b.keys, k)
		}
	}
	return nil
}
