package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/internal/atomicfile"
	"github.com/sesame-mta/sesame/internal/failpoint"
	"github.com/sesame-mta/sesame/queue"
)

const contentDir = "content"

var spoolLayout = layout{name: "spool.db", kind: "sesame spool ", version: 3, buckets: spoolBuckets()}

// Spool is the queue and the outbox on disk. It is safe for concurrent use.
type Spool struct {
	opts     Options
	log      *slog.Logger
	fail     *failpoint.Set
	db       *bbolt.DB
	journal  *journal
	content  string // directory
	epoch    uint32
	lastSeen time.Time
	metrics  *metrics
	damage   damage
	room     *room

	broken  atomic.Pointer[error] // why nothing works any more
	down    chan struct{}         // closed then
	drafts  atomic.Uint64         // counts the files of this epoch
	held    atomic.Int64          // octets of drafts in memory
	buffers buffers

	commits committer
	ledger  ledger // the committer's
	keeper  keeper
	lastUse time.Time // of the last frame or checkpoint that was read

	// reading is held by whoever looks at the state or changes it.
	reading sync.Mutex
	now     *state
	// fresh and stale are the octets that the next checkpoint writes, at most: of
	// new records, and of pages that change. The committer's.
	fresh, stale int64
	counts       counts // the committer's

	mu      sync.Mutex
	shown   counts // to others: not while the state is made again
	changed map[string]chan struct{}
}

// counts is what the spool holds.
type counts struct {
	depth queue.Depth // Free unused
	keeps keepCount
}

// show shows the counts to others.
func (s *Spool) show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = s.counts
}

var (
	_ queue.Spool  = (*Spool)(nil)
	_ event.Outbox = (*Spool)(nil)
)

// Open opens the spool in a directory, making it when it is not there. Another
// process that has it open, and a file that is damaged or not ours, give an
// error of one line that an operator can act on. The epoch has grown, durably,
// when it returns. The caller closes it.
func Open(o Options) (*Spool, error) {
	o = o.withDefaults()
	if o.Lane >= 1<<12 {
		return nil, fmt.Errorf("open spool: lane %d out of range", o.Lane)
	}
	s := &Spool{
		opts: o, log: o.Log, fail: o.Failpoints, content: filepath.Join(o.Dir, contentDir),
		changed: make(map[string]chan struct{}), down: make(chan struct{}),
		damage: damage{log: o.Log},
	}
	s.journal = &journal{dir: filepath.Join(o.Dir, segmentDir), fail: s.fail}
	if err := s.makeDirs(); err != nil {
		return nil, err
	}
	db, err := openFile(o.Dir, spoolLayout, false)
	if err != nil {
		return nil, err
	}
	s.db = db
	if err := s.start(); err != nil {
		_ = db.Close() // the first error is the one to tell
		return nil, err
	}
	return s, nil
}

// makeDirs makes the directories. Content whose database is gone is moved aside.
func (s *Spool) makeDirs() error {
	_, err := os.Stat(filepath.Join(s.opts.Dir, spoolLayout.name))
	if errors.Is(err, fs.ErrNotExist) {
		for _, name := range []string{contentDir, segmentDir} {
			moved, err := setAside(s.opts.Dir, name)
			if err != nil {
				return err
			}
			if moved != "" {
				s.log.Warn("content of a spool that is not here set aside", "text", moved)
			}
		}
	}
	return makeDir(s.opts.Dir, s.content, s.journal.dir)
}

// makeDir makes the directories and closes them to others.
func makeDir(dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
		if err := atomicfile.SyncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spool) start() error {
	defer faultsPanic()()
	r, err := openRoom(s.opts.Dir, s.opts.Reserve, s.db)
	if err != nil {
		return err
	}
	s.room = r
	s.opts.Journal = segmentSize(s.opts.Dir, s.opts.Journal)
	s.journal.most = s.opts.Journal
	err = s.load()
	if errors.Is(asFull(err), queue.ErrFull) && r.release() {
		err = s.load() // a full spool must start, to become empty
	}
	if err != nil {
		err = unusable(filepath.Join(s.opts.Dir, spoolLayout.name), err)
	} else if err = s.sweep(); err != nil {
		_ = s.now.tx.Rollback() // fails only when it is closed already
	}
	if err != nil {
		_ = errors.Join(r.close(), s.journal.close()) // the first error is the one to tell
		return err
	}
	// After a crash the whole file was read; give the pages back before they count.
	if err := forgetPages(s.db); err != nil {
		s.log.Debug("pages of the spool stay in memory", "err", err)
	}
	s.metrics = newMetrics(s)
	s.commits.init()
	s.keeper.init()
	go s.run()
	go s.expireKept()
	return nil
}

// load makes the state from the file and the journal, and begins a new epoch.
func (s *Spool) load() (err error) {
	defer guard(&err, func(cause error) error { return cause })
	if err := s.begin(); err != nil {
		return err
	}
	if err := s.beginEpoch(); err != nil {
		_ = s.now.tx.Rollback() // the first error is the one to tell
		return err
	}
	// Messages hold whatever their senders like: no frame in one may be taken for ours.
	if _, err := s.commit(s.ahead(rand.Uint64() >> 1)); err != nil {
		return err
	}
	// All of it is in the file now. What stays is removed at the next start.
	_ = os.Remove(filepath.Join(s.opts.Dir, earlyJournal))
	return s.begin()
}

func (s *Spool) beginEpoch() error {
	meta := s.now.meta
	s.epoch = 1
	if v := meta.Get(keyEpoch); len(v) == 4 {
		s.epoch += binary.BigEndian.Uint32(v)
	} else if v != nil {
		return errors.New("bad epoch")
	}
	if s.epoch >= 1<<20 {
		return errors.New("epoch used up")
	}
	if err := s.restore(); err != nil {
		return err
	}
	s.lastSeen = s.lastUse
	if err := s.fail.Hit("open.epoch"); err != nil {
		return err
	}
	// A program that knows no journal must not open this file.
	return errors.Join(meta.Put(keyFormat, append([]byte(spoolLayout.kind), spoolLayout.version)),
		meta.Put(keyEpoch, binary.BigEndian.AppendUint32(nil, s.epoch)))
}

const stateSize = 32

// stateRecord is the counters and the time, written with every checkpoint.
func stateRecord(d queue.Depth, seen time.Time) []byte {
	b := make([]byte, 0, stateSize)
	b = binary.BigEndian.AppendUint64(b, uint64(d.Messages))
	b = binary.BigEndian.AppendUint64(b, uint64(d.Recipients))
	b = binary.BigEndian.AppendUint64(b, uint64(d.Held))
	return binary.BigEndian.AppendUint64(b, uint64(millis(seen)))
}

func splitState(v []byte) (queue.Depth, time.Time) {
	n := func(i int) int64 { return int64(binary.BigEndian.Uint64(v[8*i:])) }
	return queue.Depth{Messages: n(0), Recipients: n(1), Held: n(2)}, fromMillis(n(3))
}

// sweep removes content that no record names: temporary files, and what a crash
// left between the file and its record.
func (s *Spool) sweep() error {
	if err := s.fail.Hit("open.sweep"); err != nil {
		return err
	}
	files, err := os.ReadDir(s.content)
	if err != nil {
		return fmt.Errorf("sweep content: %w", err)
	}
	swept := 0
	for _, f := range files {
		live, err := s.liveContent(f.Name())
		if err != nil {
			return err
		}
		if live {
			continue
		}
		if err := os.Remove(filepath.Join(s.content, f.Name())); err != nil {
			return fmt.Errorf("sweep content: %w", err)
		}
		swept++
	}
	if swept > 0 {
		s.log.Info("unfinished content removed", "code", swept)
	}
	return errors.Join(s.sweepSegments(), s.sweepNew())
}

// sweepNew removes files that a crash left while they were first made.
func (s *Spool) sweepNew() error {
	left, err := filepath.Glob(filepath.Join(s.opts.Dir, "."+spoolLayout.name+".*.new"))
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// liveContent reports whether a record names this file.
func (s *Spool) liveContent(name string) (live bool, err error) {
	id, ok := contentID(name)
	if !ok {
		return false, nil
	}
	err = s.view(func(tx *bbolt.Tx) error {
		v := tx.Bucket([]byte(bucketMessages)).Get(id[:])
		if v == nil {
			return nil
		}
		r, _, err := openMessageRecord(v)
		live = err != nil || r.ContentFile == name // a damaged record keeps its content
		return nil
	})
	return live, err
}

// view shows f the state, which it may not change. Pages that cannot be read, or are damaged,
// break the spool: what was promised can no longer be told.
func (s *Spool) view(f func(tx *bbolt.Tx) error) (err error) {
	if err := s.Err(); err != nil {
		return err
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	defer faultsPanic()()
	defer guard(&err, s.breakDown)
	return f(s.now.tx)
}

// breakDown makes every later call answer ErrBroken, and gives the error for
// this one.
func (s *Spool) breakDown(cause error) error {
	err := fmt.Errorf("%w: %w", queue.ErrBroken, cause)
	if s.broken.CompareAndSwap(nil, &err) {
		s.log.Error("spool broke down, restart needed", "err", cause)
		close(s.down)
	}
	return s.Err()
}

// Down gives a channel that is closed when the spool breaks down; Err says why.
func (s *Spool) Down() <-chan struct{} { return s.down }

// Err gives the error that wraps queue.ErrBroken once the spool broke down, nil
// before: the health of the engine.
func (s *Spool) Err() error {
	if p := s.broken.Load(); p != nil {
		return *p
	}
	return nil
}

// Lane gives the lane of this holder.
func (s *Spool) Lane() uint16 { return s.opts.Lane }

// Epoch grows with every open.
func (s *Spool) Epoch() uint32 { return s.epoch }

// LastSeen gives when the spool was last in use before this open.
func (s *Spool) LastSeen() time.Time { return s.lastSeen }

// Depth counts what is in the queue.
func (s *Spool) Depth() queue.Depth {
	s.mu.Lock()
	d := s.shown.depth
	s.mu.Unlock()
	d.Free = s.room.free()
	return d
}

// Room reports ErrFull or ErrBroken when an Append of size octets would be
// refused now.
func (s *Spool) Room(size int64) error {
	if err := s.Err(); err != nil {
		return err
	}
	if size > int64(s.opts.MaxSmall) {
		return s.room.forFile(size + recordRoom)
	}
	return s.room.forRecord(size)
}

// Close finishes what is under way and closes the files. Calls after it, and
// drafts not yet appended, fail.
func (s *Spool) Close() error {
	s.keeper.close()
	if !s.commits.close() {
		return nil
	}
	s.metrics.unregister()
	if s.Err() == nil {
		// With the free pages on record the next open need not look for them.
		s.db.NoFreelistSync = false
		if err := s.checkpoint(); err == nil {
			err = s.lastWord()
			if err != nil && !errors.Is(err, queue.ErrFull) {
				_ = s.breakDown(err)
			}
		} else {
			_ = s.breakDown(err)
		}
	}
	err := errors.Join(s.room.close(), s.journal.close())
	if s.Err() != nil {
		// A broken transaction may hold bbolt's locks for good; the end of the
		// process closes the file.
		return errors.Join(s.Err(), err)
	}
	return errors.Join(s.db.Close(), err)
}

// lastWord ends the state of a spool that is closed, with the time on record.
func (s *Spool) lastWord() error {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.journal.off > s.journal.start { // there was no room for a checkpoint: the journal has it
		return s.now.tx.Rollback()
	}
	_, err := s.commit(s.journal.here())
	return err
}

// plain reports whether a word can stand in a key beside zero octets.
func plain(word string, limit int) bool {
	return word != "" && len(word) <= limit && !strings.Contains(word, "\x00")
}
