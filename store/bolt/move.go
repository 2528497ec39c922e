package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Content that stays for long keeps the segment that it lies in, most of which may
// have left: it is moved into the journal of now.
const (
	// wasteAllowed is how many segments may be waste, beside as much as is in use.
	wasteAllowed = 4
	// moveAtOnce bounds the content of one unit of work.
	moveAtOnce = 1 << 20
	// moveHead is what content takes beside itself where it is moved to, at most.
	moveHead = 128
)

// moveOp moves content to where this unit is in the journal.
type moveOp struct{ moves []move }

type move struct {
	id      mail.ID
	from    place
	content []byte
	at      int64 // where it lies now
	seg     uint32
}

func (o *moveOp) grows() (records, content int) {
	for _, m := range o.moves {
		content += len(m.content)
	}
	return 512 * len(o.moves), content
}

func (o *moveOp) unit() *unit {
	records, content := o.grows()
	return &unit{op: o, size: records + content, lazy: true}
}

func (*moveOp) kind() byte { return unitMove }

func (o *moveOp) encode(w *unitWriter) {
	w.num(int64(len(o.moves)))
	for i := range o.moves {
		m := &o.moves[i]
		w.id(m.id)
		w.b = m.from.appendTo(w.b)
		w.octets(m.content)
		m.at = int64(len(w.b) - len(m.content))
	}
}

func (o *moveOp) place(seg uint32, frame int64) {
	for i := range o.moves {
		o.moves[i].seg = seg
		o.moves[i].at += frame
	}
}

func (o *moveOp) decode(r *unitReader) {
	for range r.count() {
		m := move{id: r.id(), seg: r.seg}
		if from := r.take(placeSize); from != nil {
			m.from = splitPlace(from)
		}
		m.content = r.octets()
		m.at = r.at() - int64(len(m.content))
		o.moves = append(o.moves, m)
	}
}

// apply moves what is still where it was.
func (o *moveOp) apply(b *batch) error {
	for _, m := range o.moves {
		v := b.messages.Get(m.id[:])
		if v == nil || placeOf(v) != m.from {
			continue
		}
		v = bytes.Clone(v) // what lies in the file may move meanwhile
		setPlace(v, m.seg, m.at)
		b.put(b.messages, m.id[:], v)
		b.uses.release(m.from)
		b.uses.hold(placeOf(v))
		b.held += int64(len(v))
	}
	return nil
}

// tidy empties segments of which little is in use, as long as there is much waste. It
// rides along with other work.
func (s *Spool) tidy() error {
	for {
		seg, u, ok := s.wasteful()
		if !ok {
			return nil
		}
		if err := s.empty(seg, u.end); err != nil {
			if errors.Is(err, queue.ErrFull) || errors.Is(err, errClosed) || s.Err() != nil {
				return err
			}
			s.keeper.skip[seg] = true
			return fmt.Errorf("segment %d not emptied: %w", seg, err)
		}
		if s.inUse(seg) {
			s.keeper.skip[seg] = true // what is left there cannot be read
		}
		select {
		case <-s.keeper.stop:
			return nil
		default:
		}
	}
}

// moved is the octets that what is in use would take elsewhere.
func (u use) moved() int64 { return u.octets + moveHead*u.live }

// wasteful gives the segment of which least is in use, if there is too much waste in
// all: octets that moves would save, or content that is short would be moved for ever.
func (s *Spool) wasteful() (seg uint32, of use, ok bool) {
	_ = s.view(func(*bbolt.Tx) error { // a broken spool has none
		live, waste := int64(0), int64(0)
		for n, u := range s.now.uses.of {
			if n == s.now.writing || u.live <= 0 || u.end == 0 {
				continue
			}
			live += u.moved()
			waste += u.end - u.moved()
			if !s.keeper.skip[n] && (!ok || u.moved()*of.end < of.moved()*u.end) {
				seg, of, ok = n, u, true
			}
		}
		ok = ok && waste > live+wasteAllowed*s.opts.Journal && of.moved() < of.end/2
		return nil
	})
	return seg, of, ok
}

// inUse reports whether content that is wanted lies in a segment.
func (s *Spool) inUse(seg uint32) (used bool) {
	_ = s.view(func(*bbolt.Tx) error { // a broken spool has none
		used = s.now.uses.of[seg].live > 0
		return nil
	})
	return used
}

// empty moves what is in use of a segment, whose frames end there.
func (s *Spool) empty(seg uint32, end int64) error {
	f, err := os.Open(s.journal.path(seg))
	if err != nil {
		return err
	}
	defer f.Close() // read only
	o, size := &moveOp{}, 0
	flush := func() error {
		if len(o.moves) == 0 {
			return nil
		}
		u := o.unit()
		o, size = &moveOp{}, 0
		return s.submit(u)
	}
	for off := int64(0); off < end; {
		fr, err := readFrame(f, seg, off)
		if err != nil {
			return err
		}
		off += frameHead + int64(len(fr.body))
		ops, err := fr.ops()
		if err != nil {
			return err
		}
		for _, m := range s.residents(ops) {
			o.moves = append(o.moves, m)
			if size += len(m.content) + 512; size >= moveAtOnce {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// residents gives the content that the units of a frame brought and that still lies
// there.
func (s *Spool) residents(ops []op) (all []move) {
	_ = s.view(func(tx *bbolt.Tx) error { // a broken spool moves nothing
		messages := tx.Bucket([]byte(bucketMessages))
		add := func(id mail.ID, seg uint32, at int64, content []byte) {
			p := placeOf(messages.Get(id[:]))
			if p.seg == seg && p.off == at && p.size == uint32(len(content)) && crc32.Checksum(content, castagnoli) == p.sum {
				all = append(all, move{id: id, from: p, content: content})
			}
		}
		for _, o := range ops {
			switch o := o.(type) {
			case *appendOp:
				add(o.id, placeOf(o.value).seg, o.at, o.content)
			case *moveOp:
				for _, m := range o.moves {
					add(m.id, m.seg, m.at, m.content)
				}
			}
		}
		return nil
	})
	return all
}
