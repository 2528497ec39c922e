package bolt_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/failpoint"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// BenchmarkAppend measures durable 2 KB messages with one recipient. cpu-us/op
// is processor time of the whole process, callers included.
func BenchmarkAppend(b *testing.B) {
	for _, delay := range []time.Duration{0, 4 * time.Millisecond} {
		for _, writers := range []int{1, 8, 32, 128} {
			name := fmt.Sprintf("writers=%d", writers)
			if delay > 0 {
				name += fmt.Sprintf("/sync+%v", delay)
			}
			b.Run(name, func(b *testing.B) { benchAppend(b, writers, delay) })
		}
	}
}

func benchAppend(b *testing.B, writers int, delay time.Duration) {
	o := bolt.Options{Dir: b.TempDir()}
	if delay > 0 {
		o.Failpoints = &failpoint.Set{}
		o.Failpoints.Arm("batch.commit", 1, failpoint.Delay(delay))
	}
	spool, err := bolt.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	minter, err := mail.NewMinter(make([]byte, 32), spool.Lane(), spool.Epoch())
	if err != nil {
		b.Fatal(err)
	}
	body := bytes.Repeat([]byte("0123456789abcdef 0123456789abcd\r\n"), 62)
	next := make(chan int, 1024)
	var wg sync.WaitGroup
	b.ResetTimer()
	start := cpuTime()
	for range writers {
		wg.Go(func() {
			ctx := context.Background()
			for n := range next {
				d, err := spool.Draft(ctx)
				if err == nil {
					_, err = d.Write(body)
				}
				if err != nil {
					b.Error(err)
					return
				}
				to, _ := mail.ParseForwardPath(fmt.Sprintf("user%d@d%d.example.org", n, n%50))
				now := time.Now()
				_, err = spool.Append(ctx, queue.Submission{
					Message: queue.Message{
						ID: minter.New(now), Account: "000000000001", To: []mail.ForwardPath{to},
						Accepted: now, Size: d.Size(), MessageID: "<abc@example.org>",
					},
					Content: d, Due: now, MaxAge: time.Hour,
					Charge: queue.Charge{Account: "000000000001", Recipients: 1},
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	for n := range b.N {
		next <- n
	}
	close(next)
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-start)/1e3/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	if err := spool.Close(); err != nil {
		b.Error(err)
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
