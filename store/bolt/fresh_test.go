package bolt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// addTo appends a message to n recipients.
func addTo(t *testing.T, s *bolt.Spool, m *mail.Minter, n int) mail.ID {
	t.Helper()
	d, err := s.Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write([]byte("x\r\n")); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	msg := queue.Message{ID: m.New(now), Account: account1, Accepted: now, Size: d.Size()}
	for i := range n {
		to, err := mail.ParseForwardPath(fmt.Sprintf("r%d@example.org", i))
		if err != nil {
			t.Fatal(err)
		}
		msg.To = append(msg.To, to)
	}
	id, err := s.Append(t.Context(), queue.Submission{Message: msg, Content: d, Due: now, MaxAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func settle(t *testing.T, s *bolt.Spool, id mail.ID, result mail.Result, ns ...int) {
	t.Helper()
	st := queue.Settlement{ID: id}
	for _, n := range ns {
		st.Entries = append(st.Entries, queue.Settled{N: n, Result: result, Due: time.Now().Add(time.Minute), Attempts: 1})
	}
	if err := s.Commit(t.Context(), st); err != nil {
		t.Fatal(err)
	}
}

// numbersOf gives the recipients of a message that are not final.
func numbersOf(t *testing.T, s *bolt.Spool, id mail.ID) (ns []int) {
	t.Helper()
	entries, err := s.Find(t.Context(), queue.Filter{ID: id, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		ns = append(ns, e.N)
	}
	return ns
}

// Whoever looks at the entries of a message between two settlements, each of them
// goes once, and the rest stays.
func TestRecipientsOfFreshMailGoOneByOne(t *testing.T) {
	line := queue.Line{Account: account1, Domain: "example.org"}
	for _, tc := range []struct {
		name    string
		journal int64
		look    func(s *bolt.Spool, id mail.ID) error
	}{
		{"nobody looks", 0, func(*bolt.Spool, mail.ID) error { return nil }},
		{"a page is read", 0, func(s *bolt.Spool, _ mail.ID) error {
			_, err := s.Page(t.Context(), line, queue.PageOptions{Limit: 1})
			return err
		}},
		{"the lines are read", 0, func(s *bolt.Spool, _ mail.ID) error {
			_, err := s.Lines(t.Context(), queue.Line{}, 1)
			return err
		}},
		{"it is loaded", 0, func(s *bolt.Spool, id mail.ID) error {
			_, _, err := s.Load(t.Context(), id, nil)
			return err
		}},
		{"an operator holds one", 0, func(s *bolt.Spool, id mail.ID) error {
			_, err := s.Alter(t.Context(), id, []int{4}, queue.Alteration{State: queue.Held})
			return err
		}},
		{"one is deferred", 0, func(s *bolt.Spool, id mail.ID) error {
			settle(t, s, id, mail.Deferred, 4)
			return nil
		}},
		{"a checkpoint is made each time", 1, func(*bolt.Spool, mail.ID) error { return nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := bolt.Options{Dir: t.TempDir(), Journal: tc.journal}
			s := open(t, o)
			m := mint(t, s)
			other := addTo(t, s, m, 2)
			id := addTo(t, s, m, 6)
			settle(t, s, id, mail.Delivered, 1, 3)
			if err := tc.look(s, id); err != nil {
				t.Fatal(err)
			}
			settle(t, s, id, mail.Failed, 0, 1) // 1 is gone already
			left := killed(t, o.Dir)
			verify(t, left)
			again := open(t, bolt.Options{Dir: left})
			for name, s := range map[string]*bolt.Spool{"running": s, "after a kill": again} {
				if ns := numbersOf(t, s, id); !slices.Equal(ns, []int{2, 4, 5}) {
					t.Errorf("%s: entries %v", name, ns)
				}
				if d := s.Depth(); d.Messages != 2 || d.Recipients != 5 {
					t.Errorf("%s: depth %+v", name, d)
				}
				settle(t, s, id, mail.Delivered, 2, 4, 5)
				settle(t, s, other, mail.Delivered, 0, 1)
				if d := s.Depth(); d.Messages != 0 || d.Recipients != 0 || d.Held != 0 {
					t.Errorf("%s, all settled: depth %+v", name, d)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			verify(t, o.Dir)
			verify(t, left)
		})
	}
}

// What cannot be read of a message that the journal has must not keep the others from
// being sent.
func TestAMessageThatCannotBeReadDoesNotStopTheStart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	m := mint(t, s)
	now := time.Now()
	d, err := s.Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		t.Fatal(err)
	}
	from, err := mail.ParseReversePath("sender@example.net")
	if err != nil {
		t.Fatal(err)
	}
	bad, err := s.Append(t.Context(), queue.Submission{Content: d, Due: now, MaxAge: time.Hour,
		Message: queue.Message{ID: m.New(now), Account: account1, From: from, To: []mail.ForwardPath{to}, Accepted: now}})
	if err != nil {
		t.Fatal(err)
	}
	good, err := add(s, m, []byte("whole"))
	if err != nil {
		t.Fatal(err)
	}
	left := killed(t, dir)
	_, journal := frames(t, left, "segments")
	i := bytes.Index(journal, []byte("sender@"))
	journal[i+6] = ' '
	// As if it had been written so: with sums that are true.
	table := crc32.MakeTable(crc32.Castagnoli)
	body := journal[36 : 36+binary.BigEndian.Uint32(journal[24:])]
	binary.BigEndian.PutUint32(journal[28:], crc32.Checksum(body, table))
	binary.BigEndian.PutUint32(journal[32:], crc32.Update(crc32.Checksum(journal[:32], table), table, make([]byte, 8)))
	write(t, left, journal)
	for range 2 {
		s = open(t, bolt.Options{Dir: left})
		if _, _, err := s.Load(t.Context(), bad, nil); !errors.Is(err, queue.ErrDamaged) {
			t.Errorf("the damaged message: %v", err)
		}
		if _, entries, err := s.Load(t.Context(), good, nil); err != nil || len(entries) != 1 {
			t.Errorf("the other: %v, %v", entries, err)
		}
		if d := s.Depth(); d.Messages != 2 || d.Recipients != 2 {
			t.Errorf("depth %+v", d)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMuchFreshMailToManyIsPartedIntoPagesInTime(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := open(t, bolt.Options{Dir: t.TempDir(), Metrics: reg})
	m := mint(t, s)
	const recipients = 4000
	all := make([]int, recipients)
	for n := range all {
		all[n] = n
	}
	checkpoints := func() uint64 {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "sesame_store_checkpoint_seconds" {
				return f.GetMetric()[0].GetHistogram().GetSampleCount()
			}
		}
		t.Fatal("no histogram")
		return 0
	}
	for range 12 { // what leaves at once is no reason
		settle(t, s, addTo(t, s, m, recipients), mail.Delivered, all...)
	}
	if n := checkpoints(); n != 0 {
		t.Errorf("%d checkpoints for mail that had left", n)
	}
	for range 12 {
		addTo(t, s, m, recipients)
	}
	settles(t, "a checkpoint", func() bool { return checkpoints() == 1 })
	if d := s.Depth(); d.Recipients != 12*recipients {
		t.Errorf("%+v", d)
	}
}

// The order in which recipients come must not matter to how long it takes to write
// their places in the schedule: in one long row each that goes before others moves
// all of them, while nobody can be served.
func TestManyFreshEntriesAreWrittenSoonInAnyOrder(t *testing.T) {
	const n = 40_000
	takes := func(step int) time.Duration {
		s := open(t, bolt.Options{Dir: t.TempDir()})
		m := mint(t, s)
		to := make([]mail.ForwardPath, n)
		for i := range to {
			var err error
			if to[i], err = mail.ParseForwardPath(fmt.Sprintf("u@d%06d.example.org", i*step%n)); err != nil {
				t.Fatal(err)
			}
		}
		d, err := s.Draft(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if _, err := s.Append(t.Context(), queue.Submission{Content: d, Due: now, MaxAge: time.Hour,
			Message: queue.Message{ID: m.New(now), Account: account1, To: to, Accepted: now}}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := s.Lines(t.Context(), queue.Line{}, 1); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	if in, out := takes(1), takes(7919); out > 5*in+100*time.Millisecond {
		t.Errorf("%v when recipients come in order, %v when they do not", in, out)
	}
}
