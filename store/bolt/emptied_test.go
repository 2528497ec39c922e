package bolt_test

import (
	"context"
	"errors"
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

// within fails when f has not returned in time, since then nobody can use the spool
// any more, not even to close it.
func within(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		panic("the spool hangs")
	}
}

func TestAllThatWasKeptIsToldAgainAndForgottenAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	deliverTold(t, s, 100) // events for several pages
	if err := s.Keep(t.Context(), hook, numbers(t, s)...); err != nil {
		t.Fatal(err)
	}
	s = again(t, s, dir)
	within(t, func() error {
		n, err := s.Again(context.Background(), hook, 0, time.Time{})
		if err == nil && n != 200 {
			t.Errorf("%d are told again", n)
		}
		_, more := s.Forget(context.Background(), hook, time.Now(), 0)
		return errors.Join(err, more)
	})
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
	within(t, s.Close)
	s = open(t, bolt.Options{Dir: dir})
	if got := objects(t, s); len(got) != 2 || got[0] == "" || got[0] != got[1] {
		t.Errorf("objects %q", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}
