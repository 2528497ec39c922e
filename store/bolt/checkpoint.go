package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"time"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/sesame-mta/sesame/queue"
)

// commit puts the state on stable storage with the number of the journal that goes
// on from there, and ends its transaction. An error of a write for want of room
// comes before anything counts; bbolt has taken it back then. Any other error
// leaves in doubt what is on the disk.
func (s *Spool) commit(d queue.Depth, number uint64, inside bool) error {
	if err := s.note(d, number); err != nil {
		_ = s.now.tx.Rollback() // the first error is the one to tell
		return err
	}
	if err := s.fail.Hit("checkpoint.write"); err != nil {
		_ = s.now.tx.Rollback() // the first error is the one to tell
		return asFull(err)
	}
	if inside {
		// bbolt adds a step to what it compares; only the one writer reads both.
		s.db.MaxSize, s.db.AllocSize = int(s.now.tx.Size()), 0
		defer func() { s.db.MaxSize, s.db.AllocSize = 0, growStep }()
	}
	err := s.now.tx.Commit()
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return fmt.Errorf("%w: free pages lie apart", queue.ErrFull)
	case noRoom(err):
		return asFull(err)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return s.fail.Hit("checkpoint.durable")
}

// note writes what the buckets do not have yet, and what stands beside the records.
func (s *Spool) note(d queue.Depth, number uint64) error {
	return errors.Join(
		s.now.layAll(),
		s.now.layBoxes(),
		s.now.layObjects(),
		s.now.meta.Put(keyState, stateRecord(d, time.Now())),
		s.now.meta.Put(keyJournal, binary.BigEndian.AppendUint64(nil, number)),
	)
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
	if s.journal.off == 0 {
		return nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	defer faultsPanic()()
	defer guard(&err, func(cause error) error { return cause })
	start := time.Now()
	err = s.commit(s.depth, s.journal.number+1, false)
	if errors.Is(err, queue.ErrFull) {
		if err := s.again(); err != nil {
			return err
		}
		if !s.room.release() {
			return nil
		}
		s.log.Warn("disk is full")
		if err = s.commit(s.depth, s.journal.number+1, false); errors.Is(err, queue.ErrFull) {
			return s.again()
		}
	}
	if err != nil {
		return err
	}
	s.journal.begin(s.journal.number + 1)
	s.fresh, s.stale = 0, 0
	s.metrics.checkpointed(time.Since(start))
	return s.begin()
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
	depth := queue.Depth{}
	if v := s.now.meta.Get(keyState); len(v) == stateSize {
		depth, s.lastUse = splitState(v)
	}
	s.mu.Lock()
	s.depth, s.keeps = depth, splitKeepCount(s.now.meta.Get(keyKept))
	s.mu.Unlock()
	if err := s.ledger.load(s.now.usage, s.damage.tell); err != nil {
		return err
	}
	v := s.now.meta.Get(keyJournal)
	if len(v) != 8 {
		return nil // a file that has no journal yet
	}
	s.journal.begin(binary.BigEndian.Uint64(v))
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
