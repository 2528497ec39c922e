package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/sesame-mta/sesame/queue"
)

// commit puts the state on stable storage with where the journal goes on from there,
// begins the journal there, and ends the transaction. It gives the segments in which
// nothing lies any more. An error of a write for want of room comes before anything
// counts; bbolt has taken it back then. Any other error leaves in doubt what is on
// the disk.
func (s *Spool) commit(next mark) (free []uint32, err error) {
	if free, err = s.note(next); err != nil {
		_ = s.now.tx.Rollback() // the first error is the one to tell
		return nil, err
	}
	if err := s.fail.Hit("checkpoint.write"); err != nil {
		_ = s.now.tx.Rollback() // the first error is the one to tell
		return nil, asFull(err)
	}
	if err := s.now.tx.Commit(); noRoom(err) {
		return nil, asFull(err)
	} else if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	s.journal.begin(next)
	return free, s.fail.Hit("checkpoint.durable")
}

// ahead gives where the journal goes on after a checkpoint: behind the content that
// is still wanted, in another segment when this one is full, or from its start.
func (s *Spool) ahead(number uint64) mark {
	j := s.journal
	switch {
	case j.seg == 0: // there was none before
		return mark{number, 1, 0}
	case s.now.uses.of[j.seg].live <= 0:
		return mark{number, j.seg, 0}
	case j.off >= s.opts.Journal:
		return mark{number, j.seg + 1, 0}
	}
	return mark{number, j.seg, j.off}
}

// here is where the journal goes on without one.
func (j *journal) here() mark { return mark{j.number, j.seg, j.off} }

// note writes what the buckets do not have yet, and what stands beside the records. It
// gives the segments in which nothing lies any more.
func (s *Spool) note(next mark) (free []uint32, err error) {
	if u := s.now.uses.of[s.journal.seg]; u.live > 0 && u.end != s.journal.off {
		u.end = s.journal.off
		s.now.uses.set(s.journal.seg, u)
	}
	if free, err = s.now.noteUses(next.seg); err != nil {
		return nil, err
	}
	v := binary.BigEndian.AppendUint64(nil, next.number)
	v = binary.BigEndian.AppendUint64(v, uint64(next.seg))
	return free, errors.Join(
		s.now.layAll(),
		s.now.layBoxes(),
		s.now.layObjects(),
		s.now.meta.Put(keyState, stateRecord(s.counts.depth, time.Now())),
		s.now.meta.Put(keyJournal, binary.BigEndian.AppendUint64(v, uint64(next.off))),
	)
}

// splitMark reads it; false when the journal is one of before segments, or there is
// none yet.
func splitMark(v []byte) (m mark, segments bool) {
	n := func(i int) uint64 { return binary.BigEndian.Uint64(v[8*i:]) }
	switch len(v) {
	case 8:
		return mark{number: n(0)}, false
	case 24:
		return mark{n(0), uint32(n(1)), int64(n(2))}, true
	}
	return mark{}, false
}

// noRoom tells a write of bbolt's that met a full disk from what leaves in doubt
// what is on it.
func noRoom(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && at.Op == "write" && errors.Is(asFull(err), queue.ErrFull)
}

// settleJournal makes a checkpoint and breaks the spool when it fails.
func (s *Spool) settleJournal() {
	if err := s.checkpoint(); err != nil {
		_ = s.breakDown(err)
	}
}

// checkpoint commits the state, so that the journal begins anew. Without room for
// that the journal stays as it is and all of it counts; a later one will find
// room.
func (s *Spool) checkpoint() (err error) {
	if s.journal.off == s.journal.start {
		return nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	defer faultsPanic()()
	defer guard(&err, func(cause error) error { return cause })
	start := time.Now()
	free, err := s.commit(s.ahead(s.journal.number + 1))
	if errors.Is(err, queue.ErrFull) {
		if err := s.again(); err != nil {
			return err
		}
		if !s.room.release() {
			return nil
		}
		s.log.Warn("disk is full")
		if free, err = s.commit(s.ahead(s.journal.number + 1)); errors.Is(err, queue.ErrFull) {
			return s.again()
		}
	}
	if err != nil {
		return err
	}
	s.journal.keepSpares(free, maxSpares)
	s.fresh, s.stale = 0, 0
	s.metrics.checkpointed(time.Since(start))
	if err := s.begin(); err != nil {
		return err
	}
	if len(s.now.uses.of) > wasteAllowed {
		s.keeper.poke()
	}
	return nil
}

// again makes the state anew from the last checkpoint and the journal.
func (s *Spool) again() error {
	if err := s.begin(); err != nil {
		return err
	}
	if err := s.restore(); err != nil {
		_ = s.now.tx.Rollback() // the first error is the one to tell
		return err
	}
	return nil
}

// restore reads what is kept in memory and does again what the journal has.
func (s *Spool) restore() error {
	s.counts = counts{keeps: splitKeepCount(s.now.meta.Get(keyKept))}
	if v := s.now.meta.Get(keyState); len(v) == stateSize {
		s.counts.depth, s.lastUse = splitState(v)
	}
	defer s.show()
	if err := s.ledger.load(s.now.usage, s.damage.tell); err != nil {
		return err
	}
	v := s.now.meta.Get(keyJournal)
	if v == nil {
		return nil // a file that has no journal yet
	}
	m, segments := splitMark(v)
	path := s.journal.path(m.seg)
	if !segments {
		path = filepath.Join(filepath.Dir(s.journal.dir), earlyJournal)
	}
	if err := s.journal.resume(path, m); errors.Is(err, fs.ErrNotExist) {
		s.damage.tell(fmt.Sprintf("segment %d", m.seg), err)
	} else if err != nil {
		return err
	}
	s.now.writing = m.seg
	for {
		fr, ok, err := s.journal.next()
		if !ok {
			return err
		}
		if err == nil {
			err = s.redo(&fr)
		}
		if err != nil && !errors.Is(err, errFrame) {
			return err
		}
		if err != nil {
			s.damage.tell(fmt.Sprintf("journal at %d", fr.at), err)
		}
	}
}

// redo makes the changes of a frame.
func (s *Spool) redo(fr *frame) error {
	ops, err := fr.ops()
	if err != nil {
		return err
	}
	b := &batch{state: s.now, s: s}
	for _, o := range ops {
		_ = o.apply(b) // what was refused is refused again
		if b.err != nil {
			break
		}
	}
	if err := b.finish(); err != nil {
		return err
	}
	b.seen()
	if fr.time.After(s.lastUse) {
		s.lastUse = fr.time
	}
	return nil
}
