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
	if o.what == tellAgain {
		b.rows += len(b.box(o.consumer).fresh)
		if err := b.layBox(o.consumer); err != nil { // what is fresh has numbers above
			return err
		}
	}
	x, told := b.box(o.consumer), b.toldBox(o.consumer)
	from := told
	if o.what == keepTold {
		from = x
	}
	for _, seq := range o.seqs {
		v, fresh := from.get(seq)
		if v == nil {
			continue
		}
		if !fresh {
			v = bytes.Clone(v) // what lies in the file may move meanwhile
		}
		b.removeEvent(from, seq)
		switch o.what {
		case keepTold:
			b.keepEvent(o.consumer, told, seq, v)
		case tellAgain:
			b.put(x.laid, seqKey(seq), v)
			b.held += int64(len(v))
			b.rows++
		case forgetKept:
			if _, id, ok := eventHead(v); ok && refers(o.consumer, v) {
				b.release(id)
			}
		}
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
	err = s.view(func(*bbolt.Tx) error {
		s.now.toldBox(consumer).each(from, func(k, v []byte) bool {
			if len(seqs) == movesAtOnce {
				return false
			}
			e, err := decodeEvent(consumer, k, v)
			if err != nil {
				s.damage.tell(eventWhere(consumer, k), err)
				return true
			}
			seq := binary.BigEndian.Uint64(k)
			if !want(e.Time, seq) {
				return whole
			}
			seqs = append(seqs, seq)
			return true
		})
		return nil
	})
	return seqs, err
}

func (s *Spool) lastKept(consumer string) (last uint64, err error) {
	err = s.view(func(*bbolt.Tx) error {
		x := s.now.toldBox(consumer)
		if x.laid != nil {
			if k := lastKey(x.laid); len(k) == 8 {
				last = binary.BigEndian.Uint64(k)
			}
		}
		for i := len(x.fresh) - 1; i >= 0; i-- {
			if x.fresh[i] != nil {
				last = max(last, x.first+uint64(i))
				break
			}
		}
		return nil
	})
	return last, err
}

// maxGap is how many numbers may be missing between events that are kept in memory:
// their places are.
const maxGap = 4096

// keepEvent keeps one that was told.
func (b *batch) keepEvent(consumer string, x *box, seq uint64, v []byte) {
	if len(x.fresh) == 0 {
		x.first = seq
	}
	if seq < x.first || seq-x.first >= uint64(len(x.fresh))+maxGap {
		if b.err == nil {
			b.err = b.needTold(consumer, x)
		}
		b.put(x.laid, seqKey(seq), v)
		b.held += int64(len(v))
		b.rows++
		return
	}
	for seq-x.first >= uint64(len(x.fresh)) {
		x.fresh = append(x.fresh, nil)
	}
	x.fresh[seq-x.first] = v
	b.held += int64(len(v)) + freshSize
}

// toldBox gives what is kept of what a consumer was told.
func (st *state) toldBox(consumer string) *box {
	x := st.toldBoxes[consumer]
	if x == nil {
		x = &box{laid: keptBucket(st.tx, consumer)}
		st.toldBoxes[consumer] = x
	}
	return x
}

// needTold makes the bucket for it.
func (st *state) needTold(consumer string, x *box) error {
	if x.laid != nil {
		return nil
	}
	all, err := st.tx.CreateBucketIfNotExists([]byte(bucketKept))
	if err == nil {
		x.laid, err = all.CreateBucketIfNotExists([]byte(consumer))
	}
	return err
}

func keptBucket(tx *bbolt.Tx, consumer string) *bbolt.Bucket {
	all := tx.Bucket([]byte(bucketKept))
	if all == nil {
		return nil
	}
	return all.Bucket([]byte(consumer))
}
