package egress_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery/egress"
)

const site = "mx.example.org"

// watch is a limiter with its own time.
type watch struct {
	*egress.Limiter
	t   *testing.T
	now time.Time
}

func newWatch(t *testing.T, o egress.LimiterOptions) *watch {
	return &watch{egress.NewLimiter(o), t, time.Unix(1_000_000, 0)}
}

func (w *watch) report(n int, s egress.Signal) {
	for range n {
		w.Report(site, w.now, s)
	}
}

func (w *watch) slots(want int) (wait time.Duration) {
	w.t.Helper()
	got, wait := w.Allow(site, w.now)
	if got != want || (got == 0) != (wait > 0) {
		w.t.Errorf("%d slots and %v to wait, want %d slots", got, wait, want)
	}
	return wait
}

func TestSuccessOpensUpToTheMost(t *testing.T) {
	w := newWatch(t, egress.LimiterOptions{Max: 7})
	w.slots(5)
	w.report(4, egress.Success)
	w.slots(5)
	w.report(1, egress.Success)
	w.slots(6)
	w.report(100, egress.Success)
	w.slots(7)
}

func TestTheStartIsNeverAboveTheMost(t *testing.T) {
	newWatch(t, egress.LimiterOptions{Max: 2}).slots(2)
}

func TestARoundOfBusyHalvesOnce(t *testing.T) {
	w := newWatch(t, egress.LimiterOptions{})
	w.report(1000, egress.Success)
	w.slots(20)
	w.report(20, egress.Busy) // all that were under way
	w.slots(10)
	w.report(1, egress.Busy)
	w.slots(5)
	w.report(1000, egress.Busy)
	w.slots(1)
	w.report(1, egress.Success)
	w.slots(2)
}

func TestASiteThatIsDownIsLeftAloneWithGrowingPauses(t *testing.T) {
	w := newWatch(t, egress.LimiterOptions{})
	w.report(2, egress.Unreachable)
	if slots, wait := w.Allow(site, w.now); slots == 0 || wait != 0 {
		t.Fatalf("two misses closed the site: %d, %v", slots, wait)
	}
	w.report(1, egress.Unreachable)
	for i, pause := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
		wait := w.slots(0)
		if wait < pause*8/10 || wait > pause*12/10 {
			t.Errorf("pause %d is %v, want about %v", i+1, wait, pause)
		}
		// Attempts from before tell nothing new.
		w.report(5, egress.Unreachable)
		if again := w.slots(0); again != wait {
			t.Errorf("pause %d grew to %v by late reports", i+1, again)
		}
		w.now = w.now.Add(wait - 1)
		w.slots(0)
		w.now = w.now.Add(1)
		w.slots(1) // the probe, and no more however often one asks
		w.slots(1)
		w.report(1, egress.Unreachable)
	}
	w.now = w.now.Add(time.Hour)
	w.slots(1)
	w.report(1, egress.Success)
	w.slots(5)
	w.report(2, egress.Unreachable) // counting begins anew
	if slots, wait := w.Allow(site, w.now); slots == 0 || wait != 0 {
		t.Errorf("%d, %v", slots, wait)
	}
}

func TestASuccessBetweenMissesKeepsTheSiteUp(t *testing.T) {
	w := newWatch(t, egress.LimiterOptions{})
	for range 10 {
		w.report(2, egress.Unreachable)
		w.report(1, egress.Success)
	}
	if slots, _ := w.Allow(site, w.now); slots == 0 {
		t.Error("the site is down")
	}
}

func TestABusySiteIsNotDown(t *testing.T) {
	w := newWatch(t, egress.LimiterOptions{})
	w.report(3, egress.Unreachable)
	w.now = w.now.Add(2 * time.Minute)
	w.report(1, egress.Busy)
	w.slots(2)
}

func TestSitesDoNotTouchEachOther(t *testing.T) {
	w := newWatch(t, egress.LimiterOptions{})
	w.report(3, egress.Unreachable)
	if slots, wait := w.Allow("mx.example.net", w.now); slots != 5 || wait != 0 {
		t.Errorf("%d, %v", slots, wait)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	w := newWatch(t, egress.LimiterOptions{MaxSites: 100})
	for i := range 1000 {
		w.Report(fmt.Sprintf("mx%d.example.org", i), w.now, egress.Unreachable)
		if known, _ := w.Sites(); known > 100 {
			t.Fatalf("%d sites are remembered", known)
		}
	}
}

func TestIdleSitesAreForgotten(t *testing.T) {
	w := newWatch(t, egress.LimiterOptions{})
	w.report(3, egress.Unreachable)
	for i := range 50 {
		w.Report(fmt.Sprintf("mx%d.example.org", i), w.now, egress.Success)
	}
	if known, down := w.Sites(); known != 51 || down != 1 {
		t.Fatalf("%d known, %d down", known, down)
	}
	w.now = w.now.Add(2 * time.Hour)
	w.Report("mx.example.net", w.now, egress.Success)
	if known, down := w.Sites(); known != 1 || down != 0 {
		t.Errorf("%d known, %d down", known, down)
	}
	w.slots(5)
}

func TestWhatIsNoSignalChangesNothing(t *testing.T) {
	w := newWatch(t, egress.LimiterOptions{})
	w.report(100, 0)
	w.report(100, egress.Unreachable+1)
	if known, _ := w.Sites(); known != 0 {
		t.Errorf("%d sites are remembered", known)
	}
}
