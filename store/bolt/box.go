package bolt

import (
	"bytes"

	bbolt "go.etcd.io/bbolt"
)

// box is the events of one consumer that wait, or those that it was told and that
// are kept. What comes is in memory until the next checkpoint, and what goes before
// never is in the database.
type box struct {
	laid  *bbolt.Bucket // nil: there is none yet
	fresh [][]byte      // the events from first on; nil: not here
	first uint64
	last  uint64 // the last number that was given
}

// freshSize is about what an event in memory takes beside its octets.
const freshSize = 64

// box gives that of a consumer.
func (st *state) box(consumer string) *box {
	x := st.boxes[consumer]
	if x == nil {
		x = &box{laid: st.outbox.Bucket([]byte(consumer))} // it has all numbers before first
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
	if i := seq - x.first; seq >= x.first && i < uint64(len(x.fresh)) && x.fresh[i] != nil {
		return x.fresh[i], true
	}
	if x.laid == nil {
		return nil, false
	}
	return x.laid.Get(seqKey(seq)), false
}

// removeEvent removes one that is there.
func (b *batch) removeEvent(x *box, seq uint64) {
	i := seq - x.first
	if _, fresh := x.get(seq); !fresh {
		b.remove(x.laid, seqKey(seq))
		return
	}
	b.held -= int64(len(x.fresh[i])) + freshSize
	x.fresh[i] = nil
	for len(x.fresh) > 0 && x.fresh[0] == nil {
		x.fresh = x.fresh[1:]
		x.first++
	}
}

// lay puts what is fresh into the database.
func (x *box) lay() error {
	x.laid.FillPercent = 0.95 // numbers grow
	for i, v := range x.fresh {
		if v != nil {
			if err := x.laid.Put(seqKey(x.first+uint64(i)), v); err != nil {
				return err
			}
		}
	}
	x.fresh = nil
	return nil
}

// each calls f for the events with a number of at least from, in order, until it
// gives false. Key and value may move with the next change.
func (x *box) each(from uint64, f func(k, v []byte) bool) {
	var c *bbolt.Cursor
	var k, v []byte
	if x.laid != nil {
		c = x.laid.Cursor()
		k, v = c.Seek(seqKey(from))
	}
	i := max(from, x.first) - x.first
	for more := true; more; {
		for i < uint64(len(x.fresh)) && x.fresh[i] == nil {
			i++
		}
		fresh := seqKey(x.first + i)
		switch here := i < uint64(len(x.fresh)); {
		case k != nil && (!here || bytes.Compare(k, fresh) < 0):
			more = f(k, v)
			k, v = c.Next()
		case here:
			more = f(fresh, x.fresh[i])
			i++
		default:
			return
		}
	}
}

// layBox puts the fresh events of a consumer into the database.
func (st *state) layBox(consumer string) (err error) {
	x := st.box(consumer)
	if x.laid == nil {
		if x.laid, err = st.outbox.CreateBucketIfNotExists([]byte(consumer)); err != nil {
			return err
		}
	}
	if err := x.lay(); err != nil {
		return err
	}
	x.first = x.last + 1
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
	for consumer, x := range st.toldBoxes {
		if len(x.fresh) == 0 {
			continue
		}
		if err := st.needTold(consumer, x); err != nil {
			return err
		}
		if err := x.lay(); err != nil {
			return err
		}
	}
	return nil
}

// events calls f for the events that wait for a consumer and have a number above
// after, as each does.
func (st *state) events(consumer string, after uint64, f func(k, v []byte) bool) {
	x := st.boxes[consumer]
	if x == nil {
		x = &box{laid: st.outbox.Bucket([]byte(consumer))}
	}
	if after != ^uint64(0) {
		x.each(after+1, f)
	}
}

// waits reports whether an event waits for a consumer, or is kept.
func (st *state) waits(consumer string) (waits bool) {
	look := func(_, _ []byte) bool {
		waits = true
		return false
	}
	st.events(consumer, 0, look)
	if !waits {
		st.toldBox(consumer).each(0, look)
	}
	return waits
}
