package queue_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
)

// full is a spool with many lines, each with entries that are due in an hour.
type full struct {
	queuetest.Spool
	lines int
	asked chan struct{}
}

// Lines implements queue.Spool.
func (f *full) Lines(_ context.Context, after queue.Line, limit int) ([]queue.LineDue, error) {
	first := 0
	if after.Domain != "" {
		if _, err := fmt.Sscanf(after.Domain, "d%d.example", &first); err != nil {
			return nil, err
		}
		first++
	}
	var out []queue.LineDue
	for i := first; i < f.lines && len(out) < limit; i++ {
		out = append(out, queue.LineDue{
			Line: queue.Line{Account: one, Domain: fmt.Sprintf("d%07d.example", i)},
			Due:  time.Now().Add(time.Hour + time.Duration(i)*time.Millisecond),
		})
	}
	if len(out) < limit {
		close(f.asked)
	}
	return out, nil
}

func TestWaitingLinesCostLittleMemory(t *testing.T) {
	const lines = 100_001
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	spool := &full{lines: lines, asked: make(chan struct{})}
	before := heap()
	q := queue.New(queue.Options{Spool: spool})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	<-spool.asked
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	each := (heap() - before) / lines
	t.Logf("%d octets for each line", each)
	if each > 700 {
		t.Errorf("a line that waits costs %d octets of memory", each)
	}
	runtime.KeepAlive(q)
}
