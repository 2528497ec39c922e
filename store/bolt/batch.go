package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/sesame-mta/sesame/internal/atomicfile"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// batch is one transaction with what it will change in memory when it is
// durable. The first error of a write sticks and ends the whole batch.
type batch struct {
	s  *Spool
	tx *bbolt.Tx
	// The buckets by their names.
	messages, entries, due, outbox, pins, dedupe, expiry, usage, meta *bbolt.Bucket

	inside  bool // the file may not grow
	err     error
	depth   queue.Depth // the change
	charges []charged
	touched map[charged]bool // n unused
	told    map[string]bool  // consumers with new events
	// kept and keys are the buckets of kept messages; nil until there are any.
	kept, keys *bbolt.Bucket
	keeps      keepCount // the change
}

// charged is a charge that this batch made to the ledger.
type charged struct {
	account string
	minute  int64
	n       int64
}

func (s *Spool) begin() (*batch, error) {
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	get := func(name string) *bbolt.Bucket { return tx.Bucket([]byte(name)) }
	b := &batch{
		s: s, tx: tx,
		messages: get(bucketMessages), entries: get(bucketEntries), due: get(bucketDue),
		outbox: get(bucketOutbox), pins: get(bucketPins), dedupe: get(bucketDedupe),
		expiry: get(bucketExpiry), usage: get(bucketUsage), meta: get(bucketMeta),
		kept: get(bucketKeptMessages), keys: get(bucketKeptKeys),
	}
	// Ids grow with time, so pages are filled from the front.
	b.messages.FillPercent, b.entries.FillPercent = 0.95, 0.9
	return b, nil
}

func (b *batch) put(to *bbolt.Bucket, k, v []byte) {
	if b.err == nil {
		b.err = to.Put(k, v)
	}
}

func (b *batch) remove(from *bbolt.Bucket, k []byte) {
	if b.err == nil {
		b.err = from.Delete(k)
	}
}

// charge takes from the ledger; false when the limit does not allow it.
func (b *batch) charge(account string, minute, n, limit int64) bool {
	if !b.s.ledger.charge(account, minute, n, limit) {
		return false
	}
	b.charges = append(b.charges, charged{account, minute, n})
	if b.touched == nil {
		b.touched = make(map[charged]bool)
	}
	b.touched[charged{account: account, minute: minute}] = true
	return true
}

// hasPrefix reports whether the bucket has a key that begins with the id.
func hasPrefix(in *bbolt.Bucket, id mail.ID) bool {
	k, _ := in.Cursor().Seek(id[:])
	return len(k) >= len(id) && mail.ID(k[:len(id)]) == id
}

// drop removes a message that has neither entries nor pins left, and gives the
// content file to unlink once that is durable.
func (b *batch) drop(id mail.ID) (file string) {
	if hasPrefix(b.entries, id) || hasPrefix(b.pins, id) {
		return ""
	}
	v := b.messages.Get(id[:])
	if v == nil {
		return ""
	}
	if r, _, err := openMessageRecord(v); err == nil {
		file = r.ContentFile
		if r.Keep {
			b.keep(id, r)
		}
	}
	b.remove(b.messages, id[:])
	return file
}

// commit puts the batch on stable storage and then makes its changes in memory.
// After an error nothing of it is in memory; only after ErrFull the spool goes on.
func (b *batch) commit(now time.Time) error {
	for t := range b.touched {
		if b.err == nil {
			b.err = b.s.ledger.write(b.usage, t.account, t.minute)
		}
	}
	d := b.s.depth // written by this goroutine only
	d.Messages += b.depth.Messages
	d.Recipients += b.depth.Recipients
	d.Held += b.depth.Held
	b.put(b.meta, keyState, state(d, now))
	k := b.s.keeps // written by this goroutine only
	if b.keeps != (keepCount{}) {
		k.messages += b.keeps.messages
		k.octets += b.keeps.octets
		b.put(b.meta, keyKept, k.encode())
	}
	if b.err != nil {
		b.rollback()
		return b.err
	}
	if err := b.sync(); err != nil {
		b.undo()
		return err
	}
	for t := range b.touched {
		b.s.ledger.forget(t.account, t.minute)
	}
	b.s.mu.Lock()
	b.s.depth, b.s.keeps = d, k
	b.s.mu.Unlock()
	if k.octets > b.s.opts.KeepBytes {
		b.s.keeper.poke()
	}
	return nil
}

// sync is bbolt's commit. An error of a write for want of room comes before
// anything counts; bbolt has taken it back and goes on. Any other error leaves
// in doubt what is on the disk.
func (b *batch) sync() error {
	if err := b.s.fail.Hit("batch.write"); err != nil {
		_ = b.tx.Rollback() // the first error is the one to tell
		return asFull(err)
	}
	if err := b.s.fail.Hit("batch.commit"); err != nil {
		_ = b.tx.Rollback() // the first error is the one to tell
		return fmt.Errorf("commit: %w", err)
	}
	if b.inside {
		// bbolt adds a step to what it compares; only the one writer reads both.
		b.s.db.MaxSize, b.s.db.AllocSize = int(b.tx.Size()), 0
		defer func() { b.s.db.MaxSize, b.s.db.AllocSize = 0, growStep }()
	}
	err := b.tx.Commit()
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return fmt.Errorf("%w: free pages lie apart", queue.ErrFull)
	case noRoom(err):
		return asFull(err)
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return b.s.fail.Hit("batch.durable")
}

// noRoom tells a write of bbolt's that met a full disk from what leaves in doubt
// what is on it.
func noRoom(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && at.Op == "write" && errors.Is(asFull(err), queue.ErrFull)
}

func (b *batch) rollback() {
	b.undo()
	_ = b.tx.Rollback() // fails only when it is closed already
}

// undo takes back what the batch did to the ledger.
func (b *batch) undo() {
	for _, c := range b.charges {
		b.s.ledger.accounts[c.account].add(c.minute, -c.n)
	}
}

// process commits a batch and answers its units.
func (s *Spool) process(units []*unit) {
	if err := s.prepare(units); err != nil {
		answer(units, err)
		return
	}
	inside := false
	if len(units) > 0 {
		if units, inside = s.refuseFull(units); len(units) == 0 {
			return
		}
	}
	told, err := s.try(units, inside)
	// Without room appends are refused, and the others, which make room, go on:
	// the file may grow for them, and they get the reserve.
	if inside && errors.Is(err, queue.ErrFull) {
		s.room.scatter()
		if units = answerAppends(units, err); len(units) == 0 {
			return
		}
		told, err = s.try(units, false)
	}
	if errors.Is(err, queue.ErrFull) {
		s.room.release()
		s.log.Warn("disk is full")
		units = answerAppends(units, err)
		told, err = nil, nil
		if len(units) > 0 {
			told, err = s.try(units, false)
		}
	}
	if err != nil && !errors.Is(err, queue.ErrFull) {
		err = s.breakDown(err)
	}
	if err == nil {
		s.tell(told)
	}
	answer(units, err)
	if err := s.fail.Hit("batch.answered"); err != nil {
		_ = s.breakDown(err)
	}
}

// prepare makes the names of new content files durable, once for all.
func (s *Spool) prepare(units []*unit) error {
	if err := s.Err(); err != nil {
		return err
	}
	for _, u := range units {
		if a, ok := u.op.(*appendOp); ok && a.file != "" {
			err := s.fail.Hit("batch.directory")
			if err == nil {
				err = atomicfile.SyncDir(s.content)
			}
			if err != nil {
				return s.breakDown(err)
			}
			break
		}
	}
	if err := s.fail.Hit("batch.begin"); err != nil {
		return s.breakDown(err)
	}
	return nil
}

// refuseFull answers the appends of a batch for which there is no room. For the
// rest inside says whether they must do with the pages that the file has.
func (s *Spool) refuseFull(units []*unit) (rest []*unit, inside bool) {
	size := 0
	for _, u := range units {
		if _, ok := u.op.(*appendOp); ok {
			size += u.size
		}
	}
	if size == 0 {
		return units, false
	}
	inside, err := s.room.forRecord(int64(size))
	if err != nil {
		return answerAppends(units, err), false
	}
	return units, inside
}

// try runs the units in one transaction. After an error none of them counts.
func (s *Spool) try(units []*unit, inside bool) (told map[string]bool, err error) {
	defer faultsPanic()()
	defer guard(&err, func(cause error) error { return cause })
	b, err := s.begin()
	if err != nil {
		return nil, err
	}
	b.inside = inside
	for _, u := range units {
		u.err = u.op.apply(b)
		if b.err != nil {
			b.rollback()
			return nil, b.err
		}
	}
	return b.told, b.commit(time.Now())
}

func answer(units []*unit, err error) {
	for _, u := range units {
		if err != nil {
			u.err = err
		}
		close(u.done)
	}
}

// answerAppends answers the appends among units and gives the others.
func answerAppends(units []*unit, err error) (rest []*unit) {
	for _, u := range units {
		if _, ok := u.op.(*appendOp); ok {
			u.err = err
			close(u.done)
		} else {
			rest = append(rest, u)
		}
	}
	return rest
}
