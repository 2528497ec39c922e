package bolt

import (
	"bytes"

	bbolt "go.etcd.io/bbolt"
)

// box is the outbox of one consumer since the last checkpoint. What comes is in
// memory, and what is told before the next checkpoint never is in the database.
type box struct {
	laid  *bbolt.Bucket // has all numbers before first; nil: there is none yet
	fresh [][]byte      // the events from there on; nil: gone
	first uint64
	last  uint64 // the last number that was given
}

// freshSize is about what an event in memory takes beside its octets.
const freshSize = 64

// box gives that of a consumer.
func (st *state) box(consumer string) *box {
	x := st.boxes[consumer]
	if x == nil {
		x = &box{laid: st.outbox.Bucket([]byte(consumer))}
		if x.laid != nil {
			x.last = x.laid.Sequence()
		}
		x.first = x.last + 1
		st.boxes[consumer] = x
	}
	return x
}

// addEvent adds an event for a consumer under the next number.
func (st *state) addEvent(consumer string, v []byte) {
	x := st.box(consumer)
	x.last++
	x.fresh = append(x.fresh, v)
	st.held += int64(len(v)) + freshSize
}

// get gives an event; nil: it is not there. What is not fresh may move with the
// next change.
func (x *box) get(seq uint64) (v []byte, fresh bool) {
	if seq >= x.first {
		if i := seq - x.first; i < uint64(len(x.fresh)) {
			v = x.fresh[i]
		}
		return v, true
	}
	if x.laid == nil {
		return nil, false
	}
	return x.laid.Get(seqKey(seq)), false
}

// removeEvent removes one that is there.
func (b *batch) removeEvent(x *box, seq uint64) {
	if seq < x.first {
		b.remove(x.laid, seqKey(seq))
		return
	}
	i := seq - x.first
	b.held -= int64(len(x.fresh[i])) + freshSize
	x.fresh[i] = nil
	for len(x.fresh) > 0 && x.fresh[0] == nil {
		x.fresh = x.fresh[1:]
		x.first++
	}
}

// layBox puts what is fresh into the database.
func (st *state) layBox(consumer string) (err error) {
	x := st.box(consumer)
	if x.laid == nil {
		if x.laid, err = st.outbox.CreateBucketIfNotExists([]byte(consumer)); err != nil {
			return err
		}
	}
	x.laid.FillPercent = 0.95 // numbers grow
	for i, v := range x.fresh {
		if v != nil {
			if err := x.laid.Put(seqKey(x.first+uint64(i)), v); err != nil {
				return err
			}
		}
	}
	x.fresh, x.first = nil, x.last+1
	if x.laid.Sequence() == x.last {
		return nil
	}
	return x.laid.SetSequence(x.last)
}

// layBoxes puts all that is fresh into the database.
func (st *state) layBoxes() error {
	for consumer := range st.boxes {
		if err := st.layBox(consumer); err != nil {
			return err
		}
	}
	return nil
}

// events calls f for the events of a consumer with a number above after, in order,
// until it gives false. Key and value may move with the next change.
func (st *state) events(consumer string, after uint64, f func(k, v []byte) bool) {
	laid := st.outbox.Bucket([]byte(consumer))
	if laid != nil && after != ^uint64(0) {
		c := laid.Cursor()
		for k, v := c.Seek(seqKey(after + 1)); k != nil; k, v = c.Next() {
			if !f(bytes.Clone(k), v) {
				return
			}
		}
	}
	x := st.boxes[consumer]
	if x == nil {
		return
	}
	for seq := max(after, x.first-1) + 1; seq > after && seq <= x.last; seq++ {
		if v := x.fresh[seq-x.first]; v != nil && !f(seqKey(seq), v) {
			return
		}
	}
}

// waits reports whether an event waits for a consumer.
func (st *state) waits(consumer string) (waits bool) {
	st.events(consumer, 0, func(_, _ []byte) bool {
		waits = true
		return false
	})
	return waits
}
