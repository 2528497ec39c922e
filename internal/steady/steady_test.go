package steady_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/internal/steady"
)

func TestClockCountsOnFromItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := steady.Start()
		time.Sleep(90 * time.Minute)
		if got, want := c.Now(), start.Add(90*time.Minute); !got.Equal(want) {
			t.Errorf("Now() = %v, want %v", got, want)
		}
		if got := c.Since(); got != 90*time.Minute {
			t.Errorf("Since() = %v", got)
		}
		if s := c.Now().String(); s != c.Now().Round(0).String() {
			t.Errorf("the time carries a monotonic reading: %s", s)
		}
	})
}
