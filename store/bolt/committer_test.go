package bolt_test

import (
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sesame-mta/sesame/store/bolt"
)

// Who is alone commits by himself; others are served by the committer. However the
// turns go, each call is answered, and nothing is done twice.
func TestTurnsOfOneCallerAndOfManyLoseNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir, Journal: 64 << 10}) // a checkpoint every few rounds
	m := mint(t, s)
	var kept, left atomic.Int64
	for _, callers := range []int{1, 2, 1, 7, 1, 3, 1, 30, 1, 1, 2} {
		var g errgroup.Group
		for c := range callers {
			g.Go(func() error {
				for n := range 10 {
					id, err := add(s, m, make([]byte, 500))
					if err != nil {
						return err
					}
					kept.Add(1)
					if (c+n)%2 > 0 {
						left.Add(1)
						continue
					}
					g.Go(func() error { return deliver(s, id) })
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if d := s.Depth(); d.Messages != left.Load() {
			t.Fatalf("%d messages with %d callers, want %d of %d", d.Messages, callers, left.Load(), kept.Load())
		}
	}
	if d := open(t, bolt.Options{Dir: killed(t, dir)}).Depth(); d.Messages != left.Load() {
		t.Errorf("%d messages after a kill, want %d", d.Messages, left.Load())
	}
}
