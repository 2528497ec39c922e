package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// bucketObjects holds, by message id, how many events for destinations refer to
// the mail object of the message, and that object once the message has left
// (docs/adr/0013-mail-objects.md). It is made when it is first needed: files of
// before have none.
const bucketObjects = "mail_objects"

// objectHeadSize is what stands before a mail object: its version and the count.
const objectHeadSize = 5

func objectRecord(refs uint32, object []byte) []byte {
	v := make([]byte, 0, objectHeadSize+len(object))
	v = append(v, recordVersion)
	v = binary.BigEndian.AppendUint32(v, refs)
	return append(v, object...)
}

// openObjectRecord takes a record apart; the object aliases it.
func openObjectRecord(v []byte) (refs uint32, object []byte, err error) {
	if len(v) < objectHeadSize || v[0] != recordVersion {
		return 0, nil, queue.ErrDamaged
	}
	return binary.BigEndian.Uint32(v[1:]), v[objectHeadSize:], nil
}

// object gives the record about a message; nil: there is none.
func (st *state) object(id mail.ID) []byte {
	if st.objects == nil {
		return nil
	}
	return st.objects.Get(id[:])
}

func (st *state) putObject(id mail.ID, v []byte) (err error) {
	if st.objects == nil {
		if st.objects, err = st.tx.CreateBucketIfNotExists([]byte(bucketObjects)); err != nil {
			return err
		}
		st.objects.FillPercent = 0.95 // ids grow with time
	}
	st.held += int64(len(v))
	return st.objects.Put(id[:], v)
}

func (b *batch) keepObject(id mail.ID, refs uint32, object []byte) {
	if b.err == nil {
		b.err = b.putObject(id, objectRecord(refs, object))
	}
}

// refer counts an event that a destination will read, and reports whether there is
// a mail object to find then. Of a message that is in memory, memory counts.
func (b *batch) refer(id mail.ID) bool {
	if y, ok := b.young[id]; ok {
		y.refs++
		b.young[id] = y
		return true
	}
	if v := b.object(id); v != nil {
		refs, object, err := openObjectRecord(v)
		if err == nil {
			b.keepObject(id, refs+1, object)
		}
		return err == nil
	}
	if find(b.inMessages, id[:]) != nil {
		b.keepObject(id, 1, nil)
		return true
	}
	if b.kept == nil {
		return false
	}
	// It has left long ago, and something came back for it.
	r, _, err := openMessageRecord(b.kept.Get(id[:]))
	if err != nil || len(r.Mail) == 0 {
		return false
	}
	b.keepObject(id, 1, r.Mail)
	return true
}

// release takes back what refer counted. With the last event the object goes.
func (b *batch) release(id mail.ID) {
	if y, ok := b.young[id]; ok {
		y.refs -= min(y.refs, 1)
		b.young[id] = y
		return
	}
	v := b.object(id)
	if v == nil {
		return
	}
	refs, object, err := openObjectRecord(v)
	switch {
	case err != nil: // stays for Check
	case refs <= 1:
		b.remove(b.objects, id[:])
	default:
		b.keepObject(id, refs-1, object)
	}
}

// leave keeps the mail object of a message that goes, if an event refers to it.
// Refs are those that memory counted.
func (b *batch) leave(id mail.ID, refs uint32, object []byte) {
	if refs == 0 {
		v := b.object(id)
		if v == nil {
			return
		}
		refs, _, _ = openObjectRecord(v) // one that is damaged was told of
	}
	if refs > 0 {
		b.keepObject(id, refs, object)
	}
}

// noteRefs writes what memory counted of the messages that are still there.
func (st *state) noteRefs() error {
	for id, y := range st.young {
		if y.refs > 0 {
			if err := st.putObject(id, objectRecord(y.refs, nil)); err != nil {
				return err
			}
		}
	}
	return nil
}

// mailObject gives the mail object that an event refers to. It may be kept for
// longer than the transaction.
func (st *state) mailObject(id mail.ID) ([]byte, error) {
	if y := st.young[id]; y.plain {
		return y.mail, nil
	}
	v := st.object(id)
	if v != nil {
		_, object, err := openObjectRecord(v)
		if err != nil || len(object) > 0 {
			return bytes.Clone(object), err
		}
	}
	if m := st.messages.Get(id[:]); m != nil {
		r, _, err := openMessageRecord(m)
		if err != nil {
			return nil, err
		}
		return r.Mail, nil
	}
	if v == nil {
		return nil, fmt.Errorf("%w: missing", queue.ErrDamaged)
	}
	return nil, nil // the message had none
}

func objectWhere(id mail.ID) string { return "mail object of " + id.String() }

// refers reports whether an event in the outbox of a consumer has no mail object of
// its own.
func refers(consumer string, v []byte) bool {
	return v[0] == eventRefers && event.IsDestination(consumer)
}

// tellsDestination reports whether any of the events is for a destination.
func tellsDestination(events []encodedEvent) bool {
	return slices.ContainsFunc(events, func(e encodedEvent) bool { return slices.ContainsFunc(e.consumers, event.IsDestination) })
}

// objects looks at the mail objects, and at how many events refer to each.
func (c *checker) objects(tx *bbolt.Tx) error {
	counted := make(map[mail.ID]uint32)
	for _, name := range []string{bucketOutbox, bucketKept} {
		all := tx.Bucket([]byte(name))
		if all == nil {
			continue
		}
		err := all.ForEachBucket(func(consumer []byte) error {
			return all.Bucket(consumer).ForEach(func(_, v []byte) error {
				if _, id, ok := eventHead(v); ok && refers(string(consumer), v) {
					counted[id]++
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	if objects := tx.Bucket([]byte(bucketObjects)); objects != nil {
		err := objects.ForEach(func(k, v []byte) error {
			if len(k) != mail.IDSize {
				c.add(fmt.Sprintf("mail object %x", k), "bad key")
				return nil
			}
			id := mail.ID(k)
			if refs, _, err := openObjectRecord(v); err != nil {
				c.add(objectWhere(id), "%v", err)
			} else if refs != counted[id] {
				c.add(objectWhere(id), "%d events refer to it, counted %d", refs, counted[id])
			}
			delete(counted, id)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for id := range counted {
		c.add(objectWhere(id), "missing")
	}
	return nil
}
