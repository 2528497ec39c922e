package quota_test

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account/quota"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func TestABurstOfFiveSecondsPassesAndThenTheRate(t *testing.T) {
	var r quota.Rates
	n := 0
	for r.Take("a", 10, 1, start, 0) == 0 {
		n++
	}
	if n != 50 {
		t.Errorf("%d at once, want 50", n)
	}
	for second := 1; second <= 20; second++ {
		n, now := 0, start.Add(time.Duration(second)*time.Second)
		for r.Take("a", 10, 1, now, 0) == 0 {
			n++
		}
		if n < 9 || n > 11 {
			t.Errorf("second %d: %d, want 10", second, n)
		}
	}
}

func TestALargeMessageMakesDebtThatIsPaidOff(t *testing.T) {
	var r quota.Rates
	if r.Take("a", 1, 50, start, 0) != 0 {
		t.Fatal("the first message was refused")
	}
	for _, s := range []int{0, 1, 30, 44} {
		now := start.Add(time.Duration(s) * time.Second)
		wait := r.Take("a", 1, 1, now, 0)
		if want := time.Duration(45-s) * time.Second; wait < want || wait > want+time.Second {
			t.Errorf("after %d s: wait %v, want %v", s, wait, want)
		}
	}
	if r.Take("a", 1, 1, start.Add(46*time.Second), 0) != 0 {
		t.Error("refused when the debt was paid")
	}
}

func TestTheWaitThatIsToldIsLongEnough(t *testing.T) {
	var r quota.Rates
	for _, rate := range []float64{0.01, 0.3, 1, 14, 1e6} {
		key := fmt.Sprint(rate)
		for wait := time.Duration(0); wait == 0; {
			wait = r.Take(key, rate, 7, start, 0)
		}
		wait := r.Take(key, rate, 1, start, 0)
		if r.Take(key, rate, 1, start.Add(wait), 0) != 0 {
			t.Errorf("rate %v: refused after %v", rate, wait)
		}
	}
}

func TestWhatIsWithinPatienceIsBooked(t *testing.T) {
	var r quota.Rates
	var last time.Duration
	for i := range 20 { // five at once, then one a second
		wait := r.Take("a", 1, 1, start, 10*time.Second)
		want := time.Duration(min(i-5, 10)) * time.Second
		if i < 5 && wait != 0 || i >= 5 && (wait < want || wait > 11*time.Second) {
			t.Errorf("message %d waits %v, want %v", i, wait, want)
		}
		if wait < last {
			t.Errorf("message %d goes before the one before it", i)
		}
		last = wait
	}
	if last <= 10*time.Second {
		t.Error("patience has no end")
	}
	// What was refused booked nothing.
	if wait := r.Take("a", 1, 1, start, 0); wait > 11*time.Second {
		t.Errorf("debt of %v", wait)
	}
}

func TestNoAccountPaysForAnother(t *testing.T) {
	var r quota.Rates
	r.Take("a", 1, 1000, start, 0)
	if r.Take("b", 1, 1, start, 0) != 0 {
		t.Error("b waits for a")
	}
}

func TestAClockThatIsSetBackFillsNothing(t *testing.T) {
	var r quota.Rates
	r.Take("a", 1, 5, start, 0)
	for range 10 {
		if r.Take("a", 1, 1, start.Add(-time.Hour), 0) == 0 {
			t.Fatal("tokens from the past")
		}
	}
}

func TestMemoryIsBoundedAndDebtIsNotForgotten(t *testing.T) {
	var r quota.Rates
	r.Take("debtor", 0.001, 1000, start, 0)
	for i := range 30_000 {
		r.Take(fmt.Sprint(i), 1, 1, start.Add(time.Duration(i)*time.Second), 0)
	}
	if n := r.Len(); n > 15_000 {
		t.Errorf("%d buckets", n)
	}
	if r.Take("debtor", 0.001, 1, start.Add(30_000*time.Second), 0) == 0 {
		t.Error("the debt is forgotten")
	}
}

func TestManyAtOnceGetNoMoreThanTheBurst(t *testing.T) {
	var r quota.Rates
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			if r.Take("a", 20, 1, start, 0) == 0 {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 100 {
		t.Errorf("%d taken, want 100", taken.Load())
	}
}

func TestLookTakesNothing(t *testing.T) {
	var r quota.Rates
	for range 3 {
		if tokens, wait := r.Look("a", 2, start); tokens != 10 || wait != 0 {
			t.Errorf("%v, %v", tokens, wait)
		}
	}
	r.Take("a", 2, 12, start, 0)
	if tokens, wait := r.Look("a", 2, start); tokens != -2 || math.Abs(wait.Seconds()-1) > 0.1 {
		t.Errorf("%v, %v", tokens, wait)
	}
}

func ExampleRates_Take() {
	var rates quota.Rates
	now := time.Now()
	fmt.Println(rates.Take("shop", 1, 8, now, 0))
	fmt.Println(rates.Take("shop", 1, 1, now, 0).Round(time.Second))
	// Output:
	// 0s
	// 3s
}
