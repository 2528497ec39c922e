package dispatch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// realSpool opens the real engine; closing it is the caller's.
func realSpool(t testing.TB, dir string) *bolt.Spool {
	t.Helper()
	s, err := bolt.Open(bolt.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// eventually waits for a condition in real time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within 20 s: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func TestRealStoreDeliversAllAndKeepsWhatIsDeferredOverARestart(t *testing.T) {
	dir := t.TempDir()
	spool := realSpool(t, dir)
	var mu sync.Mutex
	delivered := make(map[string]int)
	r := newRig(t)
	r.spool = spool
	r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
		mu.Lock()
		defer mu.Unlock()
		var out []mail.Outcome
		for _, to := range j.To {
			switch to.Local() {
			case "later":
				out = append(out, refused(451, 3, 0, "later"))
			case "never":
				out = append(out, refused(550, 1, 1, "no"))
			default:
				delivered[to.String()]++
				out = append(out, accepted())
			}
		}
		return out
	}
	r.begin()
	var senders sync.WaitGroup
	const n = 400
	for s := range 8 {
		senders.Go(func() {
			for i := range n / 8 {
				r.send(fmt.Sprintf("u%d-%d@example.org", s, i), fmt.Sprintf("u%d-%d@example.net", s, i),
					"later@example.org", "never@example.org")
			}
		})
	}
	senders.Wait()
	eventually(t, "only the deferred are left", func() bool { return spool.Depth().Recipients == n })
	r.stop()
	before := r.entries()
	if err := spool.Close(); err != nil {
		t.Fatal(err)
	}
	if len(delivered) != 2*n {
		t.Errorf("%d recipients had mail, want %d", len(delivered), 2*n)
	}
	for to, k := range delivered {
		if k != 1 {
			t.Errorf("%s had %d copies", to, k)
		}
	}
	for _, e := range before {
		if e.Attempts != 1 || e.Last.Code != 451 || e.LastHost != "mx.example.org" {
			t.Fatalf("entry = %+v", e)
		}
	}

	spool = realSpool(t, dir)
	again := newRig(t)
	again.spool = spool
	var late sync.WaitGroup
	late.Add(n)
	again.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
		late.Add(-len(j.To))
		return all(j, accepted())
	}
	again.begin()
	after := again.entries()
	if len(after) != len(before) || !after[0].Due.Equal(before[0].Due) || after[0].Attempts != 1 {
		t.Errorf("after the restart %d entries, first %+v, was %+v", len(after), after[0], before[0])
	}
	if got, err := again.queue.Retry(t.Context(), queue.Filter{}); err != nil || got != n {
		t.Errorf("Retry = %d, %v", got, err)
	}
	late.Wait()
	eventually(t, "nothing is left", func() bool { return spool.Depth().Recipients == 0 })
	again.stop()
	if err := spool.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkDispatch measures what queue, dispatch and store cost when the
// destination costs nothing: messages from Append to settled.
func BenchmarkDispatch(b *testing.B) {
	for _, memory := range []bool{true, false} {
		name := "bolt"
		if memory {
			name = "memory"
		}
		b.Run(name, func(b *testing.B) {
			r := newRig(b)
			var spool *bolt.Spool
			if !memory {
				spool = realSpool(b, b.TempDir())
				r.spool = spool
			}
			r.options.Interest = nil
			r.options.Limiter = egress.NewLimiter(egress.LimiterOptions{})
			r.log.drop = true
			r.begin()
			b.ReportAllocs()
			b.ResetTimer()
			var senders sync.WaitGroup
			for s := range 50 {
				senders.Go(func() {
					for i := s; i < b.N; i += 50 {
						r.send("u@example.org")
					}
				})
			}
			senders.Wait()
			appended := b.Elapsed()
			eventually(b, "all is delivered", func() bool { return r.spool.Depth().Recipients == 0 })
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			b.ReportMetric(float64(b.N)/appended.Seconds(), "accepted/s")
			r.stop()
			if spool != nil {
				if err := spool.Close(); err != nil {
					b.Error(err)
				}
			}
		})
	}
}
