package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/queue"
)

// Read gives up to limit records with a number above after, in order, but for
// damaged ones.
func (s *Spool) Read(ctx context.Context, consumer string, after uint64, limit int) ([]event.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if limit < 1 {
		return nil, fmt.Errorf("read outbox: limit %d", limit)
	}
	var out []event.Record
	for len(out) < limit {
		waiting, err := s.waiting(consumer, after, limit-len(out))
		if err != nil || len(waiting) == 0 {
			return out, err
		}
		for _, w := range waiting {
			after = binary.BigEndian.Uint64(w.key)
			e, err := decodeEvent(consumer, w.key, w.value)
			if err != nil {
				s.damage.tell(eventWhere(consumer, w.key), err)
				continue
			}
			if w.object != nil {
				e.Mail = w.object
			}
			out = append(out, event.Record{Seq: after, Event: e})
		}
	}
	return out, nil
}

// waitingEvent is an event that waits, as it lies there, with its mail object if
// that is not inside.
type waitingEvent struct{ key, value, object []byte }

// waiting gives up to limit events with a number above after, for decoding while
// nobody else has to wait.
func (s *Spool) waiting(consumer string, after uint64, limit int) (out []waitingEvent, err error) {
	err = s.view(func(*bbolt.Tx) error {
		s.now.events(consumer, after, func(k, v []byte) bool {
			if len(out) == limit {
				return false
			}
			if len(k) != 8 {
				s.damage.tell(eventWhere(consumer, k), queue.ErrDamaged)
				return true
			}
			w := waitingEvent{key: bytes.Clone(k), value: bytes.Clone(v)}
			if _, id, ok := eventHead(v); ok && refers(consumer, v) {
				object, err := s.now.mailObject(id)
				if err != nil {
					// It is told all the same, with what the event itself has.
					s.damage.tell(objectWhere(id), err)
				}
				w.object = object
			}
			out = append(out, w)
			return true
		})
		return nil
	})
	return out, err
}

// Consumers names those for whom anything waits or is kept.
func (s *Spool) Consumers(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var names []string
	err := s.view(func(tx *bbolt.Tx) error {
		all := make(map[string]bool)
		add := func(name []byte) error {
			all[string(name)] = true
			return nil
		}
		if err := tx.Bucket([]byte(bucketOutbox)).ForEachBucket(add); err != nil {
			return err
		}
		if kept := tx.Bucket([]byte(bucketKept)); kept != nil {
			if err := kept.ForEachBucket(add); err != nil {
				return err
			}
		}
		for _, boxes := range []map[string]*box{s.now.boxes, s.now.toldBoxes} {
			for name := range boxes {
				all[name] = true
			}
		}
		for name := range all {
			if s.now.waits(name) {
				names = append(names, name)
			}
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// ackOp removes events that a consumer is done with.
type ackOp struct {
	consumer string
	seqs     []uint64
	unlink   []string
}

// Ack removes the records with these numbers, durably. It waits a moment for
// other work to share the sync with.
func (s *Spool) Ack(ctx context.Context, consumer string, seqs ...uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(seqs) == 0 {
		return s.Err()
	}
	op := &ackOp{consumer: consumer, seqs: seqs}
	if err := s.submit(&unit{op: op, size: 64 * len(seqs), lazy: true}); err != nil {
		return err
	}
	for _, name := range op.unlink {
		s.removeContent(name)
	}
	return nil
}

func (o *ackOp) apply(b *batch) error {
	o.unlink = nil
	x := b.box(o.consumer)
	for _, seq := range o.seqs {
		v, _ := x.get(seq)
		if v == nil {
			continue
		}
		kind, id, ok := eventHead(v)
		joined := ok && refers(o.consumer, v)
		b.removeEvent(x, seq)
		if joined {
			b.release(id)
		}
		if !ok || !pins(kind) {
			continue
		}
		b.remove(b.pins, pinKey(id, o.consumer, seq))
		if file := b.drop(id); file != "" {
			o.unlink = append(o.unlink, file)
		}
	}
	return nil
}

// Changed gives the channel that receives after records for consumer were
// added. It is the same for every call with one name and keeps one signal, so
// none is missed between a Read that found nothing and the wait.
func (s *Spool) Changed(consumer string) <-chan struct{} {
	return s.signal(consumer)
}

func (s *Spool) signal(consumer string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.changed[consumer]
	if ch == nil {
		ch = make(chan struct{}, 1)
		s.changed[consumer] = ch
	}
	return ch
}

func (s *Spool) tell(consumers map[string]bool) {
	for c := range consumers {
		select {
		case s.signal(c) <- struct{}{}:
		default:
		}
	}
}
