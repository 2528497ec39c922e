package bolt_test

import (
	"testing"
	"time"

	"github.com/sesame-mta/sesame/store/bolt"
)

// numbers gives those of all events that wait for the webhook.
func numbers(t *testing.T, s *bolt.Spool) (seqs []uint64) {
	t.Helper()
	records, err := s.Read(t.Context(), hook, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		seqs = append(seqs, r.Seq)
	}
	return seqs
}

// again closes a spool, which makes a checkpoint, and opens it.
func again(t *testing.T, s *bolt.Spool, dir string) *bolt.Spool {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, bolt.Options{Dir: dir})
}

func TestAllThatWasKeptIsToldAgainAndForgottenAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	deliverTold(t, s, 100) // events for several pages
	if err := s.Keep(t.Context(), hook, numbers(t, s)...); err != nil {
		t.Fatal(err)
	}
	s = again(t, s, dir)
	if n, err := s.Again(t.Context(), hook, 0, time.Time{}); err != nil || n != 200 {
		t.Errorf("%d are told again, %v", n, err)
	}
	if n, err := s.Forget(t.Context(), hook, time.Now(), 0); err != nil || n != 0 {
		t.Errorf("%d are forgotten, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}

func TestMailObjectsComeAfterAllHaveGone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	deliverTold(t, s, 100) // objects for several pages
	s = again(t, s, dir)
	if err := s.Ack(t.Context(), hook, numbers(t, s)...); err != nil {
		t.Fatal(err)
	}
	deliverTold(t, s, 1)
	s = again(t, s, dir)
	if got := objects(t, s); len(got) != 2 || got[0] == "" || got[0] != got[1] {
		t.Errorf("objects %q", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}
