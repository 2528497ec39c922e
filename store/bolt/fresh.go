package bolt

import (
	"bytes"
	"slices"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/mail"
)

// maxRows is how many entries may lie in the long rows of the state until a
// checkpoint parts them into pages: each that goes moves all that are behind it.
const maxRows = 8192

// fresh is the entries of a message since it came, by their numbers; those that
// are final are empty. Mail that is delivered at once goes from here, and the
// buckets never see its entries. They get them when somebody looks there, and at
// a checkpoint.
type fresh struct {
	entries []encodedEntry
	left    int
	laid    bool // the buckets have them; they tell from then on what is left
}

// await notes the entries of a message that has come.
func (st *state) await(id mail.ID, entries []encodedEntry) *fresh {
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
	// A copy, since an append whose transaction failed may be tried again.
	return &fresh{entries: slices.Clone(entries), left: len(entries)}
}

// lay puts the fresh entries of a message into the buckets.
func (st *state) lay(id mail.ID) error {
	f := st.young[id].fresh
	if f == nil || f.laid {
		return nil
	}
	f.laid = true
	for _, e := range f.entries {
		if e.key == nil {
			continue
		}
		if err := st.entries.Put(e.key, e.value); err != nil {
			return err
		}
		if err := st.due.Put(e.due, []byte{}); err != nil {
			return err
		}
		st.rows++
	}
	return nil
}

// layAll puts all fresh entries into the buckets.
func (st *state) layAll() error {
	for _, id := range st.unlaid {
		if err := st.lay(id); err != nil {
			return err
		}
	}
	st.unlaid = st.unlaid[:0]
	return nil
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
	if f == nil || n >= len(f.entries) || f.entries[n].key == nil {
		return false
	}
	e := &f.entries[n]
	if f.laid {
		if !bytes.Equal(find(b.inEntries, e.key), e.value) {
			return false
		}
		b.remove(b.entries, e.key)
		b.remove(b.due, e.due)
	}
	*e = encodedEntry{}
	f.left--
	b.depth.Recipients--
	return true
}
