package bolt_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/failpoint"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// The reserve that a full disk took must come back while mail comes in without
// a pause.
func TestTheReserveIsMadeWholeUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the seconds between two looks at the room")
	}
	points := &failpoint.Set{}
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir, Failpoints: points})
	m := mint(t, s)
	held := func() int64 {
		fi, err := os.Stat(filepath.Join(dir, "reserve"))
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	points.ArmOnce("batch.write", 1, failpoint.Fail(syscall.ENOSPC))
	if _, err := add(s, m, nil); !errors.Is(err, queue.ErrFull) {
		t.Fatalf("append to a full disk: %v", err)
	}
	if n := held(); n != 0 {
		t.Fatalf("the reserve has %d octets, want it given up", n)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	// Callers who come at any time leave the committer no moment without work.
	points.Arm("batch.commit", 1, failpoint.Delay(5*time.Millisecond))
	for i := range 1500 {
		pause := time.NewTicker(time.Duration(60+i%100) * time.Millisecond)
		defer pause.Stop()
		wg.Go(func() {
			for !stop.Load() {
				if _, err := add(s, m, nil); err != nil {
					t.Errorf("under load: %v", err)
					return
				}
				<-pause.C
			}
		})
	}
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for held() == 0 {
		select {
		case <-tick.C:
			continue
		case <-deadline:
			t.Error("the reserve was not made again")
		}
		break
	}
	stop.Store(true)
	wg.Wait()
}
