package bolt

import (
	"bytes"
	"fmt"
	"slices"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Bounds of the entries that came since the checkpoint: maxRows of those that lie in
// long rows until the next parts them into pages, since each that goes moves all
// that are behind it, and maxFresh of those that do not lie there yet, since who
// looks puts all of them there at once.
const (
	maxRows  = 8192
	maxFresh = 32 << 10
)

// entries is those of a message when it comes: one for each recipient, which
// differ in that only.
type entries struct {
	n            int
	due, expires int64
	// to and account are those of the message; nil when it comes from the journal,
	// where its record has them.
	to      []mail.ForwardPath
	account string
}

// octets is what the buckets will take for them, at most.
func (e *entries) octets() (n int) {
	for _, to := range e.to {
		n += 160 + 2*len(e.account) + len(to.String()) + len(to.Domain())
	}
	return n
}

// fresh is the entries of a message since it came. Mail that is delivered at once
// goes from here, and the buckets never see its entries. They get them when
// somebody looks there, and at a checkpoint.
type fresh struct {
	entries
	final []bool // by their numbers
	left  int
	laid  bool // the buckets have them, and tell from then on what is left
}

// await notes the entries of a message that has come.
func (st *state) await(id mail.ID, e entries) *fresh {
	if len(st.unlaid) >= 2*maxYoung {
		keep := st.unlaid[:0]
		for _, id := range st.unlaid {
			if f := st.young[id].fresh; f != nil && !f.laid {
				keep = append(keep, id)
			}
		}
		st.unlaid = keep
	}
	st.unlaid = append(st.unlaid, id)
	st.fresh += e.n
	return &fresh{entries: e, final: make([]bool, e.n), left: e.n}
}

// lay puts the fresh entries of messages into the buckets, places in the schedule in
// their order: in a row as long as what a checkpoint parts into pages, each that goes
// before others moves all of them.
func (st *state) lay(ids ...mail.ID) error {
	var places [][]byte
	for _, id := range ids {
		f := st.young[id].fresh
		if f == nil || f.laid {
			continue
		}
		var err error
		if places, err = st.layEntries(id, f, places); err != nil {
			return err
		}
	}
	slices.SortFunc(places, bytes.Compare)
	for _, due := range places {
		if err := st.due.Put(due, []byte{}); err != nil {
			return err
		}
	}
	return nil
}

// layEntries puts those of one message there, and adds their places in the schedule.
func (st *state) layEntries(id mail.ID, f *fresh, places [][]byte) ([][]byte, error) {
	st.fresh -= f.left
	if f.laid = true; f.left == 0 {
		return places, nil
	}
	if f.to == nil {
		if err := f.read(id, st.messages.Get(id[:])); err != nil {
			return nil, err
		}
	}
	for n := range f.to {
		if f.final[n] {
			continue
		}
		key, due := f.keys(id, n)
		v, err := encodeEntry(&queue.Entry{
			To: f.to[n], Line: f.line(n), State: queue.Queued, Due: fromMillis(f.due), Expires: fromMillis(f.expires),
		})
		if err == nil {
			err = st.entries.Put(key, v)
		}
		if err != nil {
			return nil, err
		}
		places = append(places, due)
		st.rows++
	}
	return places, nil
}

// read takes what the entries need from the record of their message. The rest of it
// may be damaged: that is found when the message is looked at, and holds up no other.
func (f *fresh) read(id mail.ID, v []byte) error {
	r, _, err := openMessageRecord(v)
	if err != nil {
		return fmt.Errorf("message %s: %w", id, err)
	}
	if len(r.To) != f.n {
		return fmt.Errorf("message %s: %w: %d recipients, %d entries", id, queue.ErrDamaged, len(r.To), f.n)
	}
	f.to, f.account = make([]mail.ForwardPath, f.n), r.Account
	for n, to := range r.To {
		if err := f.to[n].UnmarshalText([]byte(to)); err != nil {
			return fmt.Errorf("message %s: %w", id, queue.ErrDamaged)
		}
	}
	return nil
}

func (f *fresh) line(n int) queue.Line {
	return queue.Line{Account: f.account, Domain: f.to[n].Domain()}
}

// keys gives those of an entry and of its place in the schedule.
func (f *fresh) keys(id mail.ID, n int) (key, due []byte) {
	key = entryKey(id, n)
	return key, dueKey(f.line(n), f.due, key)
}

// layAll puts all fresh entries into the buckets.
func (st *state) layAll() error {
	slices.SortFunc(st.unlaid, func(x, y mail.ID) int { return bytes.Compare(x[:], y[:]) })
	err := st.lay(st.unlaid...)
	st.unlaid = st.unlaid[:0]
	return err
}

// viewEntries is view for who looks at entries and schedule.
func (s *Spool) viewEntries(f func(tx *bbolt.Tx) error) error {
	return s.view(func(tx *bbolt.Tx) error {
		if err := s.now.layAll(); err != nil {
			return s.breakDown(err)
		}
		return f(tx)
	})
}

// lay is that of the state, for a batch.
func (b *batch) lay(id mail.ID) {
	if b.err == nil {
		b.err = b.state.lay(id)
	}
}

// hasEntries reports whether any recipient of a message is not final.
func (b *batch) hasEntries(id mail.ID) bool {
	if f := b.young[id].fresh; f != nil && !f.laid {
		return f.left > 0
	}
	return under(b.inEntries, id)
}

// removeFresh removes an entry that is as it came, which needs no decoding, and
// reports whether it could.
func (b *batch) removeFresh(id mail.ID, n int) bool {
	f := b.young[id].fresh
	if f == nil || n >= f.n || f.final[n] {
		return false
	}
	if f.laid {
		key, due := f.keys(id, n)
		// It has the place in the schedule with which it came: it waits there.
		if b.due.Get(due) == nil || find(b.inEntries, key) == nil {
			return false
		}
		b.remove(b.entries, key)
		b.remove(b.due, due)
	} else {
		b.fresh--
	}
	f.final[n] = true
	f.left--
	b.depth.Recipients--
	return true
}
