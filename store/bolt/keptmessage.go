package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// The buckets of messages that are final and kept (docs/adr/0007-kept-records.md).
// They are made when first needed: files of before have none.
const (
	bucketKeptMessages = "kept_messages" // id: record without content
	bucketKeptKeys     = "kept_keys"     // id and key of a settlement: nothing
)

// maxToldKey bounds the key of a settlement.
const maxToldKey = 64

// keepCount is how much is kept. It stands in meta, so that nobody need count.
type keepCount struct{ messages, octets int64 }

func (k keepCount) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(k.messages))
	return binary.BigEndian.AppendUint64(b, uint64(k.octets))
}

func splitKeepCount(v []byte) (k keepCount) {
	if len(v) == 16 {
		k.messages = int64(binary.BigEndian.Uint64(v))
		k.octets = int64(binary.BigEndian.Uint64(v[8:]))
	}
	return k
}

func (s *Spool) kept() keepCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.keeps
}

// over reports whether the time of keeping has passed for a message. Ids have the
// time of acceptance.
func (s *Spool) over(id mail.ID, now time.Time) bool {
	return !id.Time().After(now.Add(-s.opts.KeepFor))
}

// keep puts the record of a message that goes among those that are kept, without
// what is needed only to send it again. One that is over already goes with the next
// that are.
func (b *batch) keep(id mail.ID, r *messageRecord) {
	if b.err != nil {
		return
	}
	if b.kept == nil {
		if b.kept, b.err = b.tx.CreateBucketIfNotExists([]byte(bucketKeptMessages)); b.err != nil {
			return
		}
	}
	b.kept.FillPercent = 0.95 // ids grow with time
	r.HeaderSize, r.Prefix, r.Drop, r.Keys, r.ContentSize, r.ContentFile = 0, nil, nil, nil, 0, ""
	v, err := r.encode()
	if err != nil {
		b.err = err
		return
	}
	b.put(b.kept, id[:], v)
	b.held += int64(len(v))
	b.keeps.messages++
	b.keeps.octets += int64(len(id) + len(v))
}

// forgotten reports whether a message has left, and the time of keeping has passed for
// it, though its record may still be there. The clock is looked at here, before the
// journal: done again, a settlement must come to the same.
func (s *Spool) forgotten(id mail.ID) (gone bool, err error) {
	if !s.over(id, time.Now()) {
		return false, nil
	}
	err = s.view(func(tx *bbolt.Tx) error {
		gone = tx.Bucket([]byte(bucketMessages)).Get(id[:]) == nil
		return nil
	})
	return gone, err
}

// isKept reports whether a message is final and kept.
func (b *batch) isKept(id mail.ID) bool { return b.kept != nil && b.kept.Get(id[:]) != nil }

// once notes the key of a settlement. Alone says that it settles nothing, so that
// there must be somebody to tell of.
func (b *batch) once(id mail.ID, key string, alone bool) error {
	if alone && b.messages.Get(id[:]) == nil && !b.isKept(id) {
		return queue.ErrNotFound
	}
	k := append(id[:len(id):len(id)], key...)
	if b.keys != nil && b.keys.Get(k) != nil {
		return queue.ErrRepeated
	}
	if b.keys == nil && b.err == nil {
		b.keys, b.err = b.tx.CreateBucketIfNotExists([]byte(bucketKeptKeys))
	}
	if b.err == nil {
		b.put(b.keys, k, []byte{})
	}
	return nil
}

// Kept gives a message that is in the queue, or is final and kept.
func (s *Spool) Kept(ctx context.Context, id mail.ID) (m *queue.Message, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = s.view(func(tx *bbolt.Tx) error {
		v, err := storedMessage(tx, id)
		if errors.Is(err, queue.ErrNotFound) && !s.over(id, time.Now()) {
			if kept := tx.Bucket([]byte(bucketKeptMessages)); kept != nil {
				if v = kept.Get(id[:]); v != nil {
					err = nil
				}
			}
		}
		if err != nil {
			return err
		}
		m, err = decodeMessage(id, v)
		return err
	})
	if err != nil {
		return nil, s.tellDamaged(id, err)
	}
	return m, nil
}
