package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	bbolt "go.etcd.io/bbolt"
)

// bucketKept holds, by consumer and number, events that were told and may be told
// again. It is made when it is first needed: files of before have none.
const bucketKept = "outbox_kept"

// movesAtOnce bounds the records of one unit of work.
const movesAtOnce = 1000

// keepOp moves events between the outbox and those that are kept, or drops kept
// ones.
type keepOp struct {
	consumer string
	seqs     []uint64
	what     keepWhat
}

type keepWhat int

const (
	keepTold keepWhat = iota + 1
	tellAgain
	forgetKept
)

func (o *keepOp) apply(b *batch) error {
	all, err := b.tx.CreateBucketIfNotExists([]byte(bucketKept))
	if err != nil {
		return err
	}
	kept, err := all.CreateBucketIfNotExists([]byte(o.consumer))
	if err != nil {
		return err
	}
	if o.what == tellAgain {
		if err := b.layBox(o.consumer); err != nil { // what is fresh has numbers above
			return err
		}
	}
	x := b.box(o.consumer)
	for _, seq := range o.seqs {
		k := seqKey(seq)
		if o.what == keepTold {
			if v, fresh := x.get(seq); v != nil {
				if !fresh {
					v = bytes.Clone(v) // what lies in the file may move meanwhile
				}
				b.removeEvent(x, seq)
				b.put(kept, k, v)
				b.held += int64(len(v))
			}
			continue
		}
		v := kept.Get(k)
		if v == nil {
			continue
		}
		if o.what == tellAgain {
			b.put(x.laid, k, bytes.Clone(v))
			b.held += int64(len(v))
		} else if _, id, ok := eventHead(v); ok && refers(o.consumer, v) {
			b.release(id)
		}
		b.remove(kept, k)
	}
	if o.what == tellAgain {
		if b.told == nil {
			b.told = make(map[string]bool)
		}
		b.told[o.consumer] = true
	}
	return nil
}

// Keep takes events that were told out of the outbox, and keeps them to be told
// again. Like Ack it waits a moment for other work to share the sync with.
func (s *Spool) Keep(ctx context.Context, consumer string, seqs ...uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(seqs) == 0 {
		return s.Err()
	}
	return s.submit(&unit{op: &keepOp{consumer, seqs, keepTold}, size: 4096 * len(seqs), lazy: true})
}

// Again puts the kept events with a number of at least from, and not older than
// since, back into the outbox under their old numbers.
func (s *Spool) Again(ctx context.Context, consumer string, from uint64, since time.Time) (int, error) {
	n := 0
	for {
		seqs, err := s.keptSeqs(ctx, consumer, from, true, func(at time.Time, _ uint64) bool { return !at.Before(since) })
		if err != nil || len(seqs) == 0 {
			return n, err
		}
		if err := s.submit(&unit{op: &keepOp{consumer, seqs, tellAgain}, size: 4096 * len(seqs)}); err != nil {
			return n, err
		}
		n += len(seqs)
	}
}

// Forget drops the kept events that are older than before, and all but the last
// most of them.
func (s *Spool) Forget(ctx context.Context, consumer string, before time.Time, most uint64) (int, error) {
	n := 0
	for {
		last, err := s.lastKept(consumer)
		if err != nil {
			return n, err
		}
		seqs, err := s.keptSeqs(ctx, consumer, 0, false, func(at time.Time, seq uint64) bool {
			return at.Before(before) || last-seq >= most
		})
		if err != nil || len(seqs) == 0 {
			return n, err
		}
		if err := s.submit(&unit{op: &keepOp{consumer, seqs, forgetKept}, size: 64 * len(seqs), lazy: true}); err != nil {
			return n, err
		}
		n += len(seqs)
	}
}

// keptSeqs gives the first numbers of kept events, from one on, that are wanted. It
// looks at the whole list, or up to the first that is not wanted: events are about
// as old as their numbers tell, so that this finds what is old.
func (s *Spool) keptSeqs(ctx context.Context, consumer string, from uint64, whole bool, want func(time.Time, uint64) bool) (seqs []uint64, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = s.view(func(tx *bbolt.Tx) error {
		kept := keptBucket(tx, consumer)
		if kept == nil {
			return nil
		}
		c := kept.Cursor()
		for k, v := c.Seek(seqKey(from)); k != nil && len(seqs) < movesAtOnce; k, v = c.Next() {
			e, err := decodeEvent(consumer, k, v)
			if err != nil {
				s.damage.tell(eventWhere(consumer, k), err)
				continue
			}
			seq := binary.BigEndian.Uint64(k)
			if want(e.Time, seq) {
				seqs = append(seqs, seq)
			} else if !whole {
				return nil
			}
		}
		return nil
	})
	return seqs, err
}

func (s *Spool) lastKept(consumer string) (last uint64, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		if kept := keptBucket(tx, consumer); kept != nil {
			if k := lastKey(kept); k != nil {
				last = binary.BigEndian.Uint64(k)
			}
		}
		return nil
	})
	return last, err
}

func keptBucket(tx *bbolt.Tx, consumer string) *bbolt.Bucket {
	all := tx.Bucket([]byte(bucketKept))
	if all == nil {
		return nil
	}
	return all.Bucket([]byte(consumer))
}
