package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/internal/atomicfile"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// state is the transaction that all reads and writes go through. It holds what was
// done since the last checkpoint; the journal has that on stable storage.
type state struct {
	tx *bbolt.Tx
	// The buckets by their names.
	messages, entries, due, outbox, pins, dedupe, expiry, usage, meta *bbolt.Bucket
	// kept and keys are the buckets of kept messages; nil until there are any.
	kept, keys *bbolt.Bucket
	// objects are the mail objects that events refer to; nil until there are any.
	objects *bbolt.Bucket
	// left are those of messages that have left, and boxes the events, since the
	// checkpoint.
	left             map[mail.ID]*leftObject
	boxes, toldBoxes map[string]*box
	// young are the messages since the checkpoint that are still there; held counts
	// the octets of their records and those of events and of what is kept: what is in
	// memory until the next.
	young map[mail.ID]young
	held  int64
	// unlaid are the messages whose entries the buckets do not have, and some that
	// went meanwhile; fresh counts those entries that are not final, rows those that
	// were put there.
	unlaid []mail.ID
	fresh  int
	rows   int
	warm   int64 // octets of content of theirs that is in memory
	uses   uses
	// writing is the segment of the journal.
	writing uint32
	// Cursors to look with: each Get of a bucket makes one of its own.
	inMessages, inEntries, inPins *bbolt.Cursor
}

// find gives the value of a key, nil when there is none.
func find(in *bbolt.Cursor, key []byte) []byte {
	if k, v := in.Seek(key); bytes.Equal(k, key) {
		return v
	}
	return nil
}

// lastKey gives the last key of a bucket, nil when there is none. Without a look at
// the first one, Cursor.Last does not return from a bucket of several pages that has
// lost all its keys since the checkpoint.
func lastKey(in *bbolt.Bucket) []byte {
	c := in.Cursor()
	if k, _ := c.First(); k == nil {
		return nil
	}
	k, _ := c.Last()
	return k
}

// young is a message whose record is in memory, because no checkpoint has written
// it yet. What is delivered at once is read from here.
type young struct {
	size  int    // of the record
	at    place  // of the content
	small []byte // the content; nil: it has to be read
	plain bool   // in a segment, and not kept when it goes
	mail  []byte // the mail object; nil: only the record tells
	refs  uint32 // events for destinations that refer to it
	fresh *fresh
}

// batch is one group commit: a change of the state with what it changes in memory.
// The first error of a write sticks and ends the whole batch.
type batch struct {
	*state
	s *Spool

	err     error
	depth   queue.Depth // the change
	charges []charged
	touched map[charged]bool // n unused
	told    map[string]bool  // consumers with new events
	keeps   keepCount        // the change
}

// charged is a charge that this batch made to the ledger.
type charged struct {
	account string
	minute  int64
	n       int64
}

// begin opens the state.
func (s *Spool) begin() error {
	tx, err := s.db.Begin(true)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	get := func(name string) *bbolt.Bucket { return tx.Bucket([]byte(name)) }
	s.now = &state{
		tx: tx, young: make(map[mail.ID]young), left: make(map[mail.ID]*leftObject), boxes: make(map[string]*box), toldBoxes: make(map[string]*box),
		messages: get(bucketMessages), entries: get(bucketEntries), due: get(bucketDue),
		outbox: get(bucketOutbox), pins: get(bucketPins), dedupe: get(bucketDedupe),
		expiry: get(bucketExpiry), usage: get(bucketUsage), meta: get(bucketMeta),
		kept: get(bucketKeptMessages), keys: get(bucketKeptKeys), objects: get(bucketObjects),
	}
	s.now.inMessages, s.now.inEntries, s.now.inPins = s.now.messages.Cursor(), s.now.entries.Cursor(), s.now.pins.Cursor()
	// Ids grow with time, so pages are filled from the front.
	s.now.messages.FillPercent, s.now.entries.FillPercent = 0.95, 0.9
	s.now.writing = s.journal.seg
	if err := s.now.loadUses(s.damage.tell); err != nil {
		_ = tx.Rollback() // the first error is the one to tell
		return err
	}
	return nil
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
func hasPrefix(in *bbolt.Bucket, id mail.ID) bool { return under(in.Cursor(), id) }

// under is hasPrefix with a cursor that is there.
func under(in *bbolt.Cursor, id mail.ID) bool {
	k, _ := in.Seek(id[:])
	return len(k) >= len(id) && mail.ID(k[:len(id)]) == id
}

// drop removes a message that has neither entries nor pins left, and gives the
// content file to unlink once that is durable.
func (b *batch) drop(id mail.ID) (file string) {
	if b.hasEntries(id) || under(b.inPins, id) {
		return ""
	}
	y := b.young[id]
	object := y.mail
	if !y.plain {
		v := b.messages.Get(id[:])
		if v == nil {
			return ""
		}
		y.at = placeOf(v)
		if r, _, err := openMessageRecord(v); err == nil {
			file, object = r.ContentFile, r.Mail
			if r.Keep {
				b.keep(id, r)
			}
		}
	}
	b.leave(id, y.refs, object)
	b.remove(b.messages, id[:])
	b.uses.release(y.at)
	b.held -= int64(y.size)
	b.warm -= int64(len(y.small))
	delete(b.young, id)
	return file
}

// finish writes what the batch did to the ledger and takes it into memory. After
// an error nothing of it is in memory.
func (b *batch) finish() error {
	for t := range b.touched {
		if b.err == nil {
			b.err = b.s.ledger.write(b.usage, t.account, t.minute)
		}
	}
	if b.keeps != (keepCount{}) {
		b.put(b.meta, keyKept, b.kepts().encode())
	}
	if b.err != nil {
		b.undo()
		return b.err
	}
	return nil
}

// seen takes a batch that is on stable storage into memory.
func (b *batch) seen() {
	for t := range b.touched {
		b.s.ledger.forget(t.account, t.minute)
	}
	b.s.counts = counts{b.total(), b.kepts()}
	if b.s.counts.keeps.octets > b.s.opts.KeepBytes {
		b.s.keeper.poke()
	}
}

// total is what the queue holds with this batch.
func (b *batch) total() queue.Depth {
	d := b.s.counts.depth
	d.Messages += b.depth.Messages
	d.Recipients += b.depth.Recipients
	d.Held += b.depth.Held
	return d
}

// kepts is how much is kept with this batch.
func (b *batch) kepts() keepCount {
	k := b.s.counts.keeps
	k.messages += b.keeps.messages
	k.octets += b.keeps.octets
	return k
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
	told, rest, err := s.keep(units)
	if err != nil && !errors.Is(err, queue.ErrFull) {
		err = s.breakDown(err)
	}
	if err == nil {
		s.tell(told)
	}
	answer(rest, err)
	if err := s.fail.Hit("batch.answered"); err != nil {
		_ = s.breakDown(err)
	}
}

// Bounds of what a state holds in memory: the octets of records, and the messages,
// since they lie in long rows until a checkpoint parts them into pages. Of content
// there is no more than maxWarm, and the rest is read where it lies.
const (
	maxHeld  = 8 << 20
	maxYoung = 1024
	maxWarm  = 32 << 20
)

// heavy reports whether it is time for a checkpoint.
func (s *Spool) heavy() bool {
	s.reading.Lock() // who reads may lay rows
	defer s.reading.Unlock()
	return s.journal.off >= s.opts.Journal || s.now.held >= maxHeld || len(s.now.young) >= maxYoung || s.now.rows >= maxRows || s.now.fresh >= maxFresh
}

// keep puts units on stable storage and then into the state. It gives those that
// are to be answered; appends that found no room were.
func (s *Spool) keep(units []*unit) (told map[string]bool, rest []*unit, err error) {
	if units, err = s.fit(units); len(units) == 0 || err != nil {
		return nil, units, err
	}
	now := time.Now()
	err = s.journal.add(units, now)
	// Without room appends are refused, and the others, which make room, go on with
	// the reserve.
	if errors.Is(err, queue.ErrFull) {
		s.room.release()
		s.log.Warn("disk is full")
		if units = answerAppends(units, err); len(units) == 0 {
			return nil, nil, nil
		}
		err = s.journal.add(units, now)
	}
	if err != nil {
		return nil, units, err
	}
	told, err = s.apply(units)
	return told, units, err
}

// apply makes the changes of units that are on stable storage.
func (s *Spool) apply(units []*unit) (told map[string]bool, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	defer faultsPanic()()
	defer guard(&err, func(cause error) error { return cause })
	b := &batch{state: s.now, s: s}
	for _, u := range units {
		u.err = u.op.apply(b)
		if b.err != nil {
			break
		}
	}
	if err := b.finish(); err != nil {
		return nil, err
	}
	b.seen()
	s.show()
	return b.told, nil
}

// touchedPages is the most octets that a unit makes bbolt write of pages that were
// there before: some leaves, and the way to them.
const touchedPages = 6 * pageSize

// fit gives the units for which there is room, in the journal and for the pages that
// the next checkpoint will need, and answers the others. All but appends go on: they
// make room, and have the reserve.
func (s *Spool) fit(units []*unit) ([]*unit, error) {
	full := s.ample(units)
	if full != nil {
		// What left since the last checkpoint gives its room back with the next.
		if err := s.checkpoint(); err != nil {
			return units, err
		}
		s.journal.keepSpares(nil, 0)
		if full = s.ample(units); full != nil {
			units = answerAppends(units, full)
		}
	}
	s.fresh, s.stale = s.pages(units)
	return units, nil
}

// pages gives the octets that the next checkpoint writes with units, at most: of new
// records, and of pages that change.
func (s *Spool) pages(units []*unit) (fresh, stale int64) {
	return s.fresh + 2*growth(units, false), s.stale + touchedPages*int64(len(units))
}

// ample gives an error that says how much is missing when there is no room for units.
func (s *Spool) ample(units []*unit) error {
	fresh, stale := s.pages(units)
	size := int64(frameHead)
	for _, u := range units {
		size += int64(u.size)
	}
	ahead := s.journal.ahead()
	s.room.ahead.Store(max(ahead-size, 0))
	s.journal.roomy = s.room.forFile(size+stretch) == nil
	if growth(units, true) == 0 {
		return nil
	}
	return s.room.forJournal(max(size-ahead, 0), fresh+min(stale, s.now.tx.Size()))
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

// grower is a unit that takes room, and is refused when there is none.
type grower interface {
	// grows gives the octets of records, and of content.
	grows() (records, content int)
}

func (a *appendOp) grows() (records, content int) { return a.records, len(a.content) }

// growth counts the octets of the growers among units, with their content or without.
func growth(units []*unit, content bool) (size int64) {
	for _, u := range units {
		if g, ok := u.op.(grower); ok {
			records, more := g.grows()
			if size += int64(records); content {
				size += int64(more)
			}
		}
	}
	return size
}

func answer(units []*unit, err error) {
	for _, u := range units {
		if err != nil {
			u.err = err
		}
		close(u.done)
	}
}

// answerAppends answers the growers among units and gives the others.
func answerAppends(units []*unit, err error) (rest []*unit) {
	for _, u := range units {
		if _, ok := u.op.(grower); ok {
			u.err = err
			close(u.done)
		} else {
			rest = append(rest, u)
		}
	}
	return rest
}
