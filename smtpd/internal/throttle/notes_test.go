package throttle_test

import (
	"testing"
	"time"

	"github.com/sesame-mta/sesame/smtpd/internal/throttle"
)

func TestOfOneKeyFewAreWrittenDownAndTheOthersCounted(t *testing.T) {
	n, now := throttle.NewNotes[string](), time.Unix(1e9, 0)
	written := 0
	for range 1000 {
		if ok, missed := n.Take("a", now); ok {
			if written++; missed != 0 {
				t.Errorf("%d missed before number %d", missed, written)
			}
		}
	}
	if written != throttle.KeyBurst {
		t.Errorf("%d were written down at once", written)
	}
	if ok, _ := n.Take("b", now); !ok {
		t.Error("another key pays for the first")
	}
	if ok, missed := n.Take("a", now.Add(throttle.KeyEvery)); !ok || missed != 1000-throttle.KeyBurst {
		t.Errorf("after a pause: %v, %d missed", ok, missed)
	}
	if ok, _ := n.Take("a", now.Add(throttle.KeyEvery)); ok {
		t.Error("one pause is good for two")
	}
}

func TestAFloodFromEverywhereIsBounded(t *testing.T) {
	n, start := throttle.NewNotes[int](), time.Unix(1e9, 0)
	written := 0
	const each, seconds = 2000, 60
	for i := range each * seconds {
		if ok, _ := n.Take(i, start.Add(time.Duration(i)*time.Second/each)); ok {
			written++
		}
	}
	if limit := throttle.AllBurst + seconds; written > limit || written < limit-2 {
		t.Errorf("%d of %d were written down, want %d", written, each*seconds, limit)
	}
	if n.Len() > throttle.Entries {
		t.Errorf("%d keys", n.Len())
	}
}
