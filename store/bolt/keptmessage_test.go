package bolt_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// leave delivers messages that are kept, accepted at a time, and tells of each.
func leave(t *testing.T, s *bolt.Spool, at time.Time, n int) (ids []mail.ID) {
	t.Helper()
	ctx := context.Background()
	m := mint(t, s)
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		d, err := s.Draft(ctx)
		if err != nil {
			t.Fatal(err)
		}
		msg := queue.Message{ID: m.New(at), Account: account1, To: []mail.ForwardPath{to}, Accepted: at, Keep: true, Mail: make([]byte, 100)}
		id, err := s.Append(ctx, queue.Submission{Message: msg, Content: d, Due: at, MaxAge: time.Hour})
		if err == nil {
			err = deliver(s, id)
		}
		if err == nil {
			err = tell(s, id, "k")
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func tell(s *bolt.Spool, id mail.ID, key string) error {
	return s.Commit(context.Background(), queue.Settlement{ID: id, Key: key, Events: []event.Event{
		{Type: event.Complaint, Message: id, Account: account1, Time: time.Now(), Consumers: []string{"late"}},
	}})
}

// gauge reads a metric without labels.
func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// settles waits until a condition holds.
func settles(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// size counts the keys of a bucket of a stopped spool.
func size(t *testing.T, dir, name string) (n int) {
	t.Helper()
	corrupt(t, dir, func(bucket func(string) *bbolt.Bucket) error {
		if b := bucket(name); b != nil {
			n = b.Stats().KeyN
		}
		return nil
	})
	return n
}

func TestWhatWasKeptForLongEnoughGoes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	old := leave(t, s, time.Now().Add(-2*time.Hour), 700) // more than one part of the work
	young := leave(t, s, time.Now(), 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
	reg := prometheus.NewRegistry()
	s = open(t, bolt.Options{Dir: dir, KeepFor: time.Hour, Metrics: reg})
	if _, err := s.Kept(t.Context(), old[0]); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("an old one: %v", err)
	}
	if err := tell(s, old[699], "other"); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("telling of an old one: %v", err)
	}
	settles(t, "the old ones are gone", func() bool { return gauge(t, reg, "sesame_store_kept_messages") == 3 })
	for _, id := range young {
		if _, err := s.Kept(t.Context(), id); err != nil {
			t.Errorf("a young one: %v", err)
		}
		if err := tell(s, id, "k"); !errors.Is(err, queue.ErrRepeated) {
			t.Errorf("a young one again: %v", err)
		}
	}
	// Their keys go in the next part.
	settles(t, "the keys are gone", func() bool {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		n := size(t, dir, "kept_keys")
		s = open(t, bolt.Options{Dir: dir, KeepFor: time.Hour})
		return n == 3
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}

func TestTheOldestGoWhenThereIsNoRoomToKeep(t *testing.T) {
	dir := t.TempDir()
	reg := prometheus.NewRegistry()
	s := open(t, bolt.Options{Dir: dir, KeepBytes: 5000, Metrics: reg})
	ids := leave(t, s, time.Now().Add(-time.Minute), 100)
	ids = append(ids, leave(t, s, time.Now(), 1)...)
	settles(t, "they fit", func() bool { return gauge(t, reg, "sesame_store_kept_bytes") <= 5000 })
	if _, err := s.Kept(t.Context(), ids[100]); err != nil {
		t.Errorf("the youngest: %v", err)
	}
	if _, err := s.Kept(t.Context(), ids[0]); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("the oldest: %v", err)
	}
	if n := gauge(t, reg, "sesame_store_kept_messages"); n < 5 || n > 50 {
		t.Errorf("%v are kept", n)
	}
	// A kill does not bring them back, also when there is room again.
	again := open(t, bolt.Options{Dir: killed(t, dir)})
	for _, id := range ids {
		_, err := s.Kept(t.Context(), id)
		_, after := again.Kept(t.Context(), id)
		if (err == nil) != (after == nil) {
			t.Fatalf("%s: %v, after a kill %v", id, err, after)
		}
	}
	if err := errors.Join(s.Close(), again.Close()); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}

func TestNothingIsKeptWhereThatIsSwitchedOff(t *testing.T) {
	s := open(t, bolt.Options{Dir: t.TempDir(), KeepFor: -1})
	id, err := add(s, mint(t, s), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := tell(s, id, "k"); err != nil {
		t.Errorf("of a message in the queue: %v", err)
	}
	if err := deliver(s, id); err != nil {
		t.Fatal(err)
	}
	if err := tell(s, id, "l"); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("of one that has left: %v", err)
	}
}

func TestDamagedKeptRecordsAreTold(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	ids := leave(t, s, time.Now(), 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	corrupt(t, dir, func(bucket func(string) *bbolt.Bucket) error {
		return errors.Join(bucket("kept_messages").Put(ids[1][:], []byte{9}), bucket("kept_keys").Put([]byte("short"), nil))
	})
	s = open(t, bolt.Options{Dir: dir})
	if _, err := s.Kept(t.Context(), ids[1]); !errors.Is(err, queue.ErrDamaged) {
		t.Errorf("a damaged record: %v", err)
	}
	if _, err := s.Kept(t.Context(), ids[2]); err != nil {
		t.Errorf("the next: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	problems, err := bolt.Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, p := range problems {
		found[p.Where] = true
	}
	if !found["kept message "+ids[1].String()] || !found["counters"] {
		t.Errorf("problems %v", problems)
	}
}

// What a settlement comes to may depend on nothing but the state: the numbers of the
// events behind it would be others when it is done again.
func TestWhatIsKeptNoLongerIsNotKeptAfterAKillEither(t *testing.T) {
	for name, c := range map[string]struct {
		keepFor time.Duration
		age     time.Duration
	}{"nothing is kept": {-1, 0}, "it left too late": {time.Hour, 2 * time.Hour}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, bolt.Options{Dir: dir, KeepFor: c.keepFor})
			m, at := mint(t, s), time.Now().Add(-c.age)
			to, err := mail.ParseForwardPath("user@example.org")
			if err != nil {
				t.Fatal(err)
			}
			var ids []mail.ID
			for range 2 {
				d, err := s.Draft(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				msg := queue.Message{ID: m.New(at), Account: account1, To: []mail.ForwardPath{to}, Accepted: at, Keep: true}
				if _, err := s.Append(t.Context(), queue.Submission{Message: msg, Content: d, Due: at, MaxAge: 4 * time.Hour}); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, msg.ID)
			}
			if err := deliver(s, ids[0]); err != nil {
				t.Fatal(err)
			}
			if err := tell(s, ids[0], "too late"); !errors.Is(err, queue.ErrNotFound) {
				t.Errorf("telling of one that has left: %v", err)
			}
			if err := tell(s, ids[1], "in time"); err != nil {
				t.Errorf("telling of one in the queue: %v", err)
			}
			again := open(t, bolt.Options{Dir: killed(t, dir), KeepFor: c.keepFor})
			before, err := s.Read(t.Context(), "late", 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			after, err := again.Read(t.Context(), "late", 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			if len(before) != 1 || len(after) != 1 || before[0].Seq != after[0].Seq || after[0].Event.Message != ids[1] {
				t.Errorf("told %v, after a kill %v", before, after)
			}
		})
	}
}

// What is kept lies in memory until a checkpoint, however small the journal stays.
func TestWhatIsKeptTakesMemoryWithinBounds(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := open(t, bolt.Options{Dir: t.TempDir(), Metrics: reg})
	m := mint(t, s)
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		d, err := s.Draft(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		msg := queue.Message{ID: m.New(now), Account: account1, To: []mail.ForwardPath{to}, Accepted: now, Keep: true, Mail: make([]byte, 2<<20)}
		if _, err := s.Append(t.Context(), queue.Submission{Message: msg, Content: d, Due: now, MaxAge: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if err := deliver(s, msg.ID); err != nil {
			t.Fatal(err)
		}
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "sesame_store_checkpoint_seconds" && f.GetMetric()[0].GetHistogram().GetSampleCount() == 0 {
			t.Error("40 MB are kept, and no checkpoint was made")
		}
	}
}
