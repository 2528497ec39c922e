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

// leftObject is the mail object of a message that has left, as long as no checkpoint
// has written it.
type leftObject struct {
	refs   uint32
	object []byte
}

// keepLeft keeps the mail object of a message that has left, or adds references to
// the one that is there: a message may come again.
func (st *state) keepLeft(id mail.ID, refs uint32, object []byte) {
	if l := st.left[id]; l != nil {
		l.refs += refs
		return
	}
	st.left[id] = &leftObject{refs, object}
	st.held += int64(len(object)) + freshSize
}

// object gives the record about a message; nil: there is none.
func (st *state) object(id mail.ID) []byte {
	if st.objects == nil {
		return nil
	}
	return st.objects.Get(id[:])
}

func (st *state) needObjects() (err error) {
	if st.objects == nil {
		st.objects, err = st.tx.CreateBucketIfNotExists([]byte(bucketObjects))
	}
	if err == nil {
		st.objects.FillPercent = 0.95 // ids grow with time
	}
	return err
}

// putObject adds references to what is kept of a message; a nil object leaves that
// as it is.
func (st *state) putObject(id mail.ID, refs uint32, object []byte) error {
	if err := st.needObjects(); err != nil {
		return err
	}
	if v := st.objects.Get(id[:]); v != nil {
		before, was, err := openObjectRecord(v)
		if err != nil {
			return nil // stays for Check
		}
		if refs += before; object == nil {
			object = was
		}
	}
	st.held += int64(objectHeadSize + len(object))
	return st.objects.Put(id[:], objectRecord(refs, object))
}

// refer counts an event that a destination will read, and reports whether there is
// a mail object to find then. Of what is in memory, memory counts.
func (b *batch) refer(id mail.ID) bool {
	if y, ok := b.young[id]; ok {
		y.refs++
		b.young[id] = y
		return true
	}
	if l := b.left[id]; l != nil {
		l.refs++
		return true
	}
	if b.object(id) != nil || find(b.inMessages, id[:]) != nil {
		if b.err == nil {
			b.err = b.putObject(id, 1, nil)
		}
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
	b.keepLeft(id, 1, r.Mail)
	return true
}

// release takes back what refer counted. With the last event the object goes.
func (b *batch) release(id mail.ID) {
	if y := b.young[id]; y.refs > 0 {
		y.refs--
		b.young[id] = y
		return
	}
	if l := b.left[id]; l != nil {
		if l.refs--; l.refs == 0 {
			b.held -= int64(len(l.object)) + freshSize
			delete(b.left, id)
		}
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
		b.put(b.objects, id[:], objectRecord(refs-1, object))
	}
}

// leave keeps the mail object of a message that goes, if an event refers to it.
// Refs are those that memory counted.
func (b *batch) leave(id mail.ID, refs uint32, object []byte) {
	switch {
	case b.object(id) != nil:
		if b.err == nil {
			b.err = b.putObject(id, refs, object)
		}
	case refs > 0:
		b.keepLeft(id, refs, object)
	}
}

// layObjects writes what memory has: the objects of messages that have left, and of
// those that are still there the count. In the order of ids, since a row in which
// each goes before others is moved as often.
func (st *state) layObjects() error {
	var ids []mail.ID
	for id := range st.left {
		ids = append(ids, id)
	}
	for id, y := range st.young {
		if y.refs > 0 && st.left[id] == nil {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y mail.ID) int { return bytes.Compare(x[:], y[:]) })
	if len(ids) == 0 {
		return nil
	}
	if err := st.needObjects(); err != nil {
		return err
	}
	last := bytes.Clone(lastKey(st.objects)) // what lies in the file may move meanwhile
	for _, id := range ids {
		refs := st.young[id].refs
		var object []byte
		if l := st.left[id]; l != nil {
			refs, object = refs+l.refs, l.object
		}
		var err error
		if bytes.Compare(id[:], last) > 0 { // as it is of almost all: nothing is there
			err = st.objects.Put(id[:], objectRecord(refs, object))
		} else {
			err = st.putObject(id, refs, object)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mailObject gives the mail object that an event refers to. It may be kept for
// longer than the transaction.
func (st *state) mailObject(id mail.ID) ([]byte, error) {
	if y := st.young[id]; y.mail != nil {
		return y.mail, nil
	}
	if l := st.left[id]; l != nil {
		return l.object, nil
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
