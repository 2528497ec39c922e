package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Problem is one broken invariant of a stopped spool.
type Problem struct {
	Where string // file or record
	Text  string
}

// String gives it on one line.
func (p Problem) String() string { return p.Where + ": " + p.Text }

// maxProblems bounds what Check tells; a damaged file can have millions.
const maxProblems = 1000

// Check walks the spool, the books and the suppression lists of a stopped server, changing nothing, and
// gives what is wrong with them. The error is for what kept it from looking: a
// running server, a file that cannot be opened.
func Check(dir string) (problems []Problem, err error) {
	c := &checker{dir: dir, files: make(map[string]bool), uses: make(map[uint32]use)}
	for _, lay := range []layout{spoolLayout, booksLayout, suppressionLayout} {
		// The changes of the journal are made in a transaction that is taken back.
		spool := lay.name == spoolLayout.name
		if _, err := os.Stat(filepath.Join(dir, lay.name)); err != nil {
			if !spool && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return nil, fmt.Errorf("check: %w", err)
		}
		db, err := openFile(dir, lay, !spool)
		if err != nil {
			return nil, err
		}
		err = c.database(db, lay)
		if err == nil && spool {
			err = c.spool(db)
		}
		if err = errors.Join(err, db.Close()); err != nil {
			return nil, fmt.Errorf("check %s: %w", lay.name, err)
		}
	}
	if err := c.strangers(); err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	return c.problems, nil
}

type checker struct {
	dir      string
	problems []Problem
	files    map[string]bool // content files that records name
	uses     map[uint32]use  // of segments, counted
}

func (c *checker) add(where, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{where, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) database(db *bbolt.DB, lay layout) (err error) {
	defer faultsPanic()()
	defer guard(&err, func(cause error) error { return cause })
	return db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			c.add(lay.name, "%v", err)
		}
		switch lay.name {
		case booksLayout.name:
			return c.books(tx)
		case suppressionLayout.name:
			return c.suppression(tx)
		}
		return nil
	})
}

// spool looks at the state that the next start would make.
func (c *checker) spool(db *bbolt.DB) (err error) {
	defer faultsPanic()()
	defer guard(&err, func(cause error) error { return cause })
	s := &Spool{db: db, damage: damage{log: slog.New(slog.DiscardHandler)}}
	s.journal = &journal{dir: filepath.Join(c.dir, segmentDir)}
	defer s.journal.close() // nothing was written
	if err := s.begin(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.now.tx.Rollback()) }()
	if err := s.restore(); err != nil {
		return err
	}
	for where := range s.damage.told {
		if strings.HasPrefix(where, "journal ") || strings.HasPrefix(where, "segment ") {
			c.add(where, "%v", queue.ErrDamaged)
		}
	}
	if _, err := s.note(s.journal.here()); err != nil {
		return err
	}
	if err := c.state(s.now.tx); err != nil {
		return err
	}
	c.segments(s.now.uses.of)
	return nil
}

// segments compares the use of segments with the content that lies in them.
func (c *checker) segments(of map[uint32]use) {
	for seg, u := range of {
		u.end = 0
		if have := c.uses[seg]; have != u {
			c.add(fmt.Sprintf("segment %d", seg), "%d messages of %d octets, counted %d of %d", u.live, u.octets, have.live, have.octets)
		}
		delete(c.uses, seg)
	}
	for seg := range c.uses {
		c.add(fmt.Sprintf("segment %d", seg), "has content and is not known")
	}
}

func (c *checker) state(tx *bbolt.Tx) error {
	d, err := c.entries(tx)
	if err != nil {
		return err
	}
	if err := c.messages(tx, &d); err != nil {
		return err
	}
	if err := c.schedule(tx); err != nil {
		return err
	}
	if err := c.outbox(tx); err != nil {
		return err
	}
	if err := c.keptMessages(tx); err != nil {
		return err
	}
	if err := c.objects(tx); err != nil {
		return err
	}
	tell := func(where string, err error) { c.add(where, "%v", err) }
	if err := (&ledger{}).load(tx.Bucket([]byte(bucketUsage)), tell); err != nil {
		return err
	}
	v := tx.Bucket([]byte(bucketMeta)).Get(keyState)
	if len(v) != stateSize && d != (queue.Depth{}) {
		c.add("counters", "missing")
	} else if len(v) == stateSize {
		if have, _ := splitState(v); have != d {
			c.add("counters", "%+v, counted %+v", have, d)
		}
	}
	return nil
}

// entries counts them, and looks for the message and the place in the schedule
// of each.
func (c *checker) entries(tx *bbolt.Tx) (d queue.Depth, err error) {
	due, messages := tx.Bucket([]byte(bucketDue)), tx.Bucket([]byte(bucketMessages))
	var last mail.ID
	err = tx.Bucket([]byte(bucketEntries)).ForEach(func(k, v []byte) error {
		d.Recipients++
		e, err := decodeEntry(k, v)
		if err != nil {
			c.add(entryWhere(k), "%v", err)
			return nil
		}
		where := entryWhere(k)
		scheduled := due.Get(dueKey(e.Line, millis(e.Due), k)) != nil
		switch e.State {
		case queue.Queued:
			if !scheduled {
				c.add(where, "queued and not in the schedule")
			}
		case queue.Held:
			d.Held++
			if scheduled {
				c.add(where, "held and in the schedule")
			}
		}
		if e.ID != last {
			last = e.ID
			if messages.Get(e.ID[:]) == nil {
				c.add(where, "no message")
			}
		}
		return nil
	})
	return d, err
}

// messages looks at each one's record, recipients and content.
func (c *checker) messages(tx *bbolt.Tx, d *queue.Depth) error {
	entries, pins := tx.Bucket([]byte(bucketEntries)), tx.Bucket([]byte(bucketPins))
	return tx.Bucket([]byte(bucketMessages)).ForEach(func(k, v []byte) error {
		if len(k) != mail.IDSize {
			c.add(fmt.Sprintf("message %x", k), "bad key")
			return nil
		}
		id := mail.ID(k)
		where := messageWhere(id)
		if hasPrefix(entries, id) {
			d.Messages++
		} else if !hasPrefix(pins, id) {
			c.add(where, "neither entries nor pins")
		}
		m, err := decodeMessage(id, v)
		if err != nil {
			c.add(where, "%v", err)
			return nil
		}
		cur := entries.Cursor()
		for k, v := cur.Seek(id[:]); bytes.HasPrefix(k, id[:]); k, v = cur.Next() {
			e, err := decodeEntry(k, v)
			if err == nil && (e.N >= len(m.To) || m.To[e.N] != e.To || m.Account != e.Line.Account) {
				c.add(where, "entry %d is not its recipient", e.N)
			}
		}
		c.content(where, v)
		return nil
	})
}

func (c *checker) content(where string, v []byte) {
	r, in, err := openMessageRecord(v)
	if err == nil && in.at.seg != 0 {
		u := c.uses[in.at.seg]
		c.uses[in.at.seg] = use{live: u.live + 1, octets: u.octets + int64(in.at.size)}
		if _, err := readPlace(filepath.Join(c.dir, segmentDir), in.at); err != nil {
			c.add(where, "%v", err)
		}
	}
	if err != nil || r.ContentFile == "" {
		return
	}
	c.files[r.ContentFile] = true
	fi, err := os.Lstat(filepath.Join(c.dir, contentDir, r.ContentFile))
	switch {
	case err != nil:
		c.add(where, "content file %s is missing", r.ContentFile)
	case !fi.Mode().IsRegular() || fi.Size() != r.ContentSize:
		c.add(where, "content file %s has %d octets, %d expected", r.ContentFile, fi.Size(), r.ContentSize)
	}
}

// schedule looks for the entry of each due key.
func (c *checker) schedule(tx *bbolt.Tx) error {
	entries := tx.Bucket([]byte(bucketEntries))
	return tx.Bucket([]byte(bucketDue)).ForEach(func(k, _ []byte) error {
		if _, _, err := scheduled(entries, k); err != nil {
			c.add(dueWhere(k), "%v", err)
		}
		return nil
	})
}

// outbox looks at the numbers of the events, and at the pins of the bounces.
func (c *checker) outbox(tx *bbolt.Tx) error {
	box := tx.Bucket([]byte(bucketOutbox))
	err := box.ForEachBucket(func(consumer []byte) error {
		b := box.Bucket(consumer)
		return b.ForEach(func(k, v []byte) error {
			_, err := decodeEvent(string(consumer), k, v)
			if err == nil && binary.BigEndian.Uint64(k) > b.Sequence() {
				err = fmt.Errorf("%w: number beyond the last", queue.ErrDamaged)
			}
			if err != nil {
				c.add(eventWhere(string(consumer), k), "%v", err)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if err := c.kept(tx); err != nil {
		return err
	}
	messages := tx.Bucket([]byte(bucketMessages))
	return tx.Bucket([]byte(bucketPins)).ForEach(func(k, _ []byte) error {
		where := fmt.Sprintf("pin %x", k)
		if len(k) <= mail.IDSize+8 {
			c.add(where, "bad key")
			return nil
		}
		b := box.Bucket(k[mail.IDSize : len(k)-8])
		if b == nil || b.Get(k[len(k)-8:]) == nil {
			c.add(where, "no event")
		}
		if messages.Get(k[:mail.IDSize]) == nil {
			c.add(where, "no message")
		}
		return nil
	})
}

// kept looks at the events that may be told again.
func (c *checker) kept(tx *bbolt.Tx) error {
	all := tx.Bucket([]byte(bucketKept))
	if all == nil {
		return nil
	}
	return all.ForEachBucket(func(consumer []byte) error {
		return all.Bucket(consumer).ForEach(func(k, v []byte) error {
			if _, err := decodeEvent(string(consumer), k, v); err != nil {
				c.add("kept "+eventWhere(string(consumer), k), "%v", err)
			}
			return nil
		})
	})
}

// keptMessages reads the records of final messages, counts them, and looks at the
// keys of settlements.
func (c *checker) keptMessages(tx *bbolt.Tx) error {
	var n keepCount
	if kept := tx.Bucket([]byte(bucketKeptMessages)); kept != nil {
		messages := tx.Bucket([]byte(bucketMessages))
		err := kept.ForEach(func(k, v []byte) error {
			n.messages++
			n.octets += int64(len(k) + len(v))
			if len(k) != mail.IDSize {
				c.add(fmt.Sprintf("kept message %x", k), "bad key")
				return nil
			}
			where := "kept " + messageWhere(mail.ID(k))
			if m, err := decodeMessage(mail.ID(k), v); err != nil {
				c.add(where, "%v", err)
			} else if !m.Keep {
				c.add(where, "not to be kept")
			}
			if messages.Get(k) != nil {
				c.add(where, "still in the queue")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if have := splitKeepCount(tx.Bucket([]byte(bucketMeta)).Get(keyKept)); have != n {
		c.add("counters", "kept %+v, counted %+v", have, n)
	}
	keys := tx.Bucket([]byte(bucketKeptKeys))
	if keys == nil {
		return nil
	}
	return keys.ForEach(func(k, v []byte) error {
		if len(k) <= mail.IDSize || len(k) > mail.IDSize+maxToldKey || len(v) != 0 {
			c.add(fmt.Sprintf("key of a settlement %x", k), "bad key")
		}
		return nil
	})
}

// books looks at records, the list of changes and the names of credentials.
func (c *checker) books(tx *bbolt.Tx) error {
	changes, records := tx.Bucket([]byte(bucketChanges)), tx.Bucket([]byte(bucketRecords))
	return records.ForEach(func(k, v []byte) error {
		if _, err := splitRecord(k, v); err != nil {
			c.add(fmt.Sprintf("record %q", k), "%v", err)
			return nil
		}
		if !bytes.Equal(changes.Get(v[:8]), k) {
			c.add(fmt.Sprintf("record %q", k), "not on the list of changes")
		}
		return nil
	})
}

// suppression reads each entry of the lists.
func (c *checker) suppression(tx *bbolt.Tx) error {
	return tx.Bucket([]byte(bucketEntries)).ForEach(func(k, v []byte) error {
		if e, err := decodeSuppressed(k, v); err != nil {
			c.add("suppression", "%v", err)
		} else if !bytes.Equal(k, suppressionKey(e.Owner, e.Key())) {
			c.add(fmt.Sprintf("suppression %q", k), "key of another address")
		}
		return nil
	})
}

// strangers looks for content files that no record names. Temporary files, and
// content whose record was never written, are what a crash leaves and the next
// start sweeps.
func (c *checker) strangers() error {
	files, err := os.ReadDir(filepath.Join(c.dir, contentDir))
	if err != nil {
		return err
	}
	for _, f := range files {
		_, ours := contentID(f.Name())
		if !c.files[f.Name()] && !ours && !strings.HasSuffix(f.Name(), ".tmp") {
			c.add(filepath.Join(contentDir, f.Name()), "foreign file")
		}
	}
	if files, err = os.ReadDir(filepath.Join(c.dir, segmentDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range files {
		if _, ours := segmentNumber(f.Name()); !ours {
			c.add(filepath.Join(segmentDir, f.Name()), "foreign file")
		}
	}
	return nil
}
