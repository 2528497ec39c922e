package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/internal/failpoint"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// TestWhatIsToldIsWhatAKillLeaves does whatever comes to mind in random order, on
// segments so small that content moves and checkpoints happen all the time. What the
// running spool tells must be what a model in memory tells, and what its files tell
// to whoever opens them; also after what a kill leaves in the middle of a commit or
// a checkpoint, and where the disk is full again and again.
func TestWhatIsToldIsWhatAKillLeaves(t *testing.T) {
	for name, tc := range map[string]struct {
		o    bolt.Options
		full bool
	}{
		"small segments":                {o: bolt.Options{Journal: 20 << 10}},
		"a checkpoint after each batch": {o: bolt.Options{Journal: 1}},
		"little is kept":                {o: bolt.Options{Journal: 20 << 10, KeepBytes: 4 << 10}},
		"one segment":                   {},
		"a full disk":                   {o: bolt.Options{Journal: 20 << 10}, full: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed, rounds := uint64(1), 15
			if soaking() {
				seed, rounds = uint64(time.Now().UnixNano()), 120
			}
			t.Logf("seed %d", seed)
			a := &attack{
				t: t, o: tc.o, rng: rand.New(rand.NewPCG(seed, 0)), messages: make(map[mail.ID]*modelMessage),
				events: make(map[string]*modelEvent), keys: make(map[string]mail.ID), used: make(map[string]int64),
			}
			a.o.Dir, a.o.MaxSmall = t.TempDir(), 30<<10
			a.points()
			a.start()
			for n := range rounds {
				a.round(n, tc.full)
			}
			a.stop()
		})
	}
}

// attack is a spool, and what it should hold.
type attack struct {
	t    *testing.T
	o    bolt.Options
	rng  *rand.Rand
	s    *bolt.Spool
	mint *mail.Minter

	mu       sync.Mutex // of the model, for those that work at the same time
	messages map[mail.ID]*modelMessage
	order    []mail.ID
	events   map[string]*modelEvent
	keys     map[string]mail.ID // of appends
	used     map[string]int64
	tags     int

	busy map[mail.ID]bool // those that somebody changes in this round
	work []func() error

	full atomic.Int64           // of a hundred writes, how many find no room
	snap atomic.Int64           // hits of a failpoint until a kill is looked at
	left atomic.Pointer[string] // what that left
}

type modelMessage struct {
	id      mail.ID
	account string
	to      []mail.ForwardPath
	body    []byte
	mail    []byte
	keep    bool
	kept    bool
	alone   bool // only its events were ever there
	again   bool // came again after it had left
	entries map[int]*queue.Entry
	keys    map[string]bool
}

type modelEvent struct {
	tag, consumer string
	kind          event.Type
	id            mail.ID
	seq           uint64 // 0: not known yet
	pins, refers  bool
	kept          bool
}

var attackConsumers = [...]string{"c", "d", event.DestinationConsumer(account1, "set", "one"), event.DestinationConsumer(account1, "set", "two")}

const limited, quotaLimit = "222222222222", 60

// points arms the steps of commits and checkpoints: with a disk that is full at
// times, and with a look at what a kill would leave.
func (a *attack) points() {
	a.o.Failpoints = &failpoint.Set{}
	var mu sync.Mutex // the generator of the test is not for the committer
	rng := rand.New(rand.NewPCG(a.rng.Uint64(), 1))
	for _, name := range []string{"batch.begin", "batch.write", "batch.commit", "batch.durable", "checkpoint.write", "checkpoint.durable"} {
		writes := name == "batch.write" || name == "checkpoint.write"
		a.o.Failpoints.Arm(name, 1, func() error {
			if a.snap.Load() > 0 && a.snap.Add(-1) == 0 {
				left := a.copy()
				a.left.Store(&left)
			}
			mu.Lock()
			defer mu.Unlock()
			if writes && rng.Int64N(100) < a.full.Load() {
				return syscall.ENOSPC
			}
			return nil
		})
	}
}

func (a *attack) ok(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *attack) start() {
	a.s = open(a.t, a.o)
	a.mint = mint(a.t, a.s)
}

func (a *attack) stop() {
	a.t.Helper()
	a.ok(a.s.Close())
	verify(a.t, a.o.Dir)
	a.full.Store(0)
}

// copy takes the files as they are, without the holes, and gives where they are.
func (a *attack) copy() string {
	to := a.t.TempDir()
	err := filepath.WalkDir(a.o.Dir, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(a.o.Dir, path)
		if err != nil || name == "reserve" {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		if err = copyHoles(path, filepath.Join(to, name)); errors.Is(err, os.ErrNotExist) {
			return nil // it went meanwhile: content of what has left, a segment
		}
		return err
	})
	if err != nil {
		a.t.Error(err)
	}
	return to
}

func copyHoles(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	const page = 64 << 10
	zeros := make([]byte, page)
	for off := 0; off < len(b) && err == nil; off += page {
		if p := b[off:min(off+page, len(b))]; !bytes.Equal(p, zeros[:len(p)]) {
			_, err = f.WriteAt(p, int64(off))
		}
	}
	return errors.Join(err, f.Truncate(int64(len(b))), f.Close())
}

// still copies the files at a moment at which nothing is written: content may be
// moved at any time.
func (a *attack) still() string {
	sizes := func() (text string, last time.Time) {
		a.ok(filepath.WalkDir(a.o.Dir, func(path string, d os.DirEntry, err error) error {
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			if err != nil || d.Name() == "reserve" {
				return err
			}
			fi, err := d.Info()
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			if err == nil {
				text += fmt.Sprintln(path, fi.Size(), fi.ModTime())
				if fi.ModTime().After(last) {
					last = fi.ModTime()
				}
			}
			return err
		}))
		return text, last
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		before, last := sizes()
		if wait := 50*time.Millisecond - time.Since(last); wait > 0 {
			<-time.After(wait)
			continue
		}
		to := a.copy()
		if after, _ := sizes(); after == before {
			return to
		}
	}
	a.t.Fatal("the spool is never still")
	return ""
}

// round does some things at the same time, each with other messages, and looks.
func (a *attack) round(n int, full bool) {
	a.busy, a.work = make(map[mail.ID]bool), nil
	before := a.present()
	a.full.Store(0)
	if full && a.rng.IntN(2) == 0 {
		a.full.Store(a.rng.Int64N(80))
	}
	a.left.Store(nil)
	a.snap.Store(a.rng.Int64N(4) * a.rng.Int64N(6))
	most := 12
	if a.rng.IntN(8) == 0 {
		most = 80
	}
	for range 1 + a.rng.IntN(most) {
		a.plan(len(before))
	}
	if len(a.work) == 0 || a.rng.IntN(8) == 0 {
		a.work = nil
		clear(a.busy)
		a.archive()
	}
	var wait sync.WaitGroup
	for _, f := range a.work {
		wait.Go(func() {
			if err := f(); err != nil && !(full && errors.Is(err, queue.ErrFull)) {
				a.t.Error(err)
			}
		})
	}
	wait.Wait()
	a.snap.Store(0)
	a.check(a.s)
	switch {
	case a.t.Failed():
		a.t.FailNow()
	case a.left.Load() != nil:
		a.checkKilled(*a.left.Load(), before)
	}
	switch a.rng.IntN(6) {
	case 0:
		a.compare()
	case 1:
		a.stop()
		a.start()
		a.check(a.s)
	}
	if a.t.Failed() {
		a.t.Fatalf("in round %d", n)
	}
}

// present gives the messages that are in the queue.
func (a *attack) present() (ids []mail.ID) {
	for _, id := range a.order {
		if a.inQueue(a.messages[id]) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (a *attack) pinned(id mail.ID) bool {
	for _, e := range a.events {
		if e.id == id && e.pins {
			return true
		}
	}
	return false
}

func (a *attack) inQueue(m *modelMessage) bool {
	return m != nil && (len(m.entries) > 0 || a.pinned(m.id))
}

// drop lets a message go that nothing holds.
func (a *attack) drop(m *modelMessage) {
	if !a.inQueue(m) {
		m.kept = m.keep
	}
}

// compare opens copies of the files: each tells what the running spool does.
func (a *attack) compare() {
	a.t.Helper()
	left := a.still()
	want := a.told(a.s)
	o := a.o
	o.Dir, o.Failpoints = left, nil
	switch a.rng.IntN(3) {
	case 0:
		o.Journal = 1
	case 1:
		o.Journal = 0
	}
	verify(a.t, left)
	for n := range 3 {
		s := open(a.t, o)
		if got := a.told(s); got != want {
			a.t.Fatalf("at open %d other things are told: %s", n, difference(want, got))
		}
		if n == 0 && a.rng.IntN(2) == 0 {
			work := a.o.Dir
			a.o.Dir = left
			o.Dir = a.still()
			a.o.Dir = work
		}
		a.ok(s.Close())
		verify(a.t, o.Dir)
	}
	if a.rng.IntN(3) == 0 { // go on with what a kill left
		a.ok(a.s.Close())
		a.full.Store(0)
		a.o.Dir = o.Dir
		a.start()
		a.check(a.s)
	}
}

// checkKilled looks at what a kill in the middle of a commit left: whole, and all of
// what nobody was changing.
func (a *attack) checkKilled(left string, before []mail.ID) {
	a.t.Helper()
	verify(a.t, left)
	o := a.o
	o.Dir, o.Failpoints = left, nil
	s := open(a.t, o)
	for _, id := range before {
		if !a.busy[id] {
			a.checkMessage(s, a.messages[id])
		}
	}
	want := a.told(s)
	a.ok(s.Close())
	verify(a.t, left)
	s = open(a.t, o)
	if got := a.told(s); got != want {
		a.t.Fatalf("after a kill and a restart other things are told: %s", difference(want, got))
	}
	a.ok(s.Close())
}

// plan adds something to do.
func (a *attack) plan(queued int) {
	ctx := context.Background()
	switch n := a.rng.IntN(100); {
	case n < 30 && queued < 60, queued < 5:
		a.planAppend(ctx)
	case n < 65:
		a.planSettle(ctx)
	case n < 75:
		a.planAlter(ctx)
	case n < 80:
		a.planAgain(ctx)
	default:
		a.planAck(ctx)
	}
}

// pick gives one of some messages that nobody changes in this round, and nil when
// there is none.
func (a *attack) pick(ids []mail.ID) *modelMessage {
	for range 10 {
		if len(ids) == 0 {
			return nil
		}
		if id := ids[a.rng.IntN(len(ids))]; !a.busy[id] {
			a.busy[id] = true
			return a.messages[id]
		}
	}
	return nil
}
