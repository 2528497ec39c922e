package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
)

// churnResult is how the data directory grew while the queue filled and emptied.
type churnResult struct {
	Cycles   int   `json:"cycles"`
	Messages int64 `json:"messages_per_cycle"`
	// Full and Empty are the octets of the data directory after each filling and
	// emptying, without the trace, which is for people and has a bound of its own.
	Full    []int64 `json:"data_bytes_full"`
	Empty   []int64 `json:"data_bytes_empty"`
	Lost    int     `json:"lost"`
	Doubled int     `json:"doubled"`
	RSS     int64   `json:"rss_peak_bytes"`
	Seconds float64 `json:"seconds"`
}

// maxChurn is how much larger the data may be on the last day than on the first.
const maxChurn = 1.25

// day is so many cycles.
const day = 2

// growth is the most of the last day beside the most of the first; 0 before there
// are two.
func (r churnResult) growth() float64 {
	if len(r.Full) < 2*day {
		return 0
	}
	return float64(slices.Max(r.Full[len(r.Full)-day:])) / float64(slices.Max(r.Full[:day]))
}

// runChurn lets a next hop defer everything and take it again, as many times as a
// week has half days: what the store keeps must not grow with what has gone.
func runChurn(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("churn", flag.ContinueOnError)
	binary := f.String("sesame", "bin/sesame", "the program to measure")
	out := churnResult{}
	f.IntVar(&out.Cycles, "cycles", 14, "times that the queue fills and empties")
	f.Int64Var(&out.Messages, "messages", 20_000, "messages of each")
	file := f.String("json", "", "file to put the figures into")
	if err := f.Parse(args); err != nil {
		return err
	}
	res, err := openResults(*file)
	if err != nil {
		return err
	}
	fmt.Println("machine:", res.Machine)
	// Records of what was delivered are kept for complaints; here as few as of a
	// week in the time of a run.
	c, err := enter(ctx, "churn", *binary, "retry = [\"1h\"]\n\n[feedback]\nkeep_bytes = 10000000\n")
	if err != nil {
		return err
	}
	defer c.leave()
	started := time.Now()
	for i := range out.Cycles {
		c.sink.Defer(100)
		deferred := c.sink.Count().Deferred
		o := load.Options{Addr: c.addr, Run: fmt.Sprintf("c%d", i), Connections: 50, Messages: out.Messages, Pipelining: true}
		got, err := load.Run(ctx, o)
		if err != nil {
			return err
		}
		c.taken += got.Accepted
		c.ids = append(c.ids, got.Acknowledged...)
		// Every message is tried once, or its site is being left alone.
		if err := until(ctx, 5*time.Second, func() (bool, error) { return c.sink.Count().Deferred >= deferred+got.Accepted, nil }); err != nil && !errors.Is(err, errPatience) {
			return err
		}
		n, err := c.kept()
		if err != nil {
			return err
		}
		out.Full = append(out.Full, n)
		c.sink.Defer(0)
		if err := until(ctx, 5*time.Minute, func() (bool, error) {
			if _, err := c.command(ctx, "", "queue", "retry", "--all"); err != nil {
				return false, err
			}
			waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return c.sink.WaitFor(waiting, c.taken) == nil, nil
		}); err != nil {
			return err
		}
		if n, err = c.kept(); err != nil {
			return err
		}
		out.Empty = append(out.Empty, n)
		fmt.Printf("cycle %d: %d MB full, %d MB empty\n", i+1, out.Full[i]>>20, n>>20)
	}
	out.Seconds = time.Since(started).Seconds()
	used, err := treeUsage(c.process.PID())
	if err != nil {
		return err
	}
	lost, doubled := c.sink.Check(c.ids)
	out.RSS, out.Lost, out.Doubled = used.peak, len(lost), len(doubled)
	if err := res.put("churn", out); err != nil {
		return err
	}
	if out.Lost+out.Doubled > 0 {
		return errors.New("a message was lost or doubled")
	}
	if out.growth() > maxChurn {
		return errors.New("the data grow with what has gone")
	}
	return nil
}

var errPatience = errors.New("it took too long")

// until asks again and again.
func until(ctx context.Context, patience time.Duration, done func() (bool, error)) error {
	end := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return errPatience
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// kept gives the octets of the data directory without those of the trace.
func (s *sesame) kept() (int64, error) {
	all, err := size(s.data())
	if err != nil {
		return 0, err
	}
	trace, err := size(filepath.Join(s.data(), "trace"))
	return all - trace, err
}

// size gives the octets on disk below a folder; what goes meanwhile does not count.
func size(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		if i, err := e.Info(); err == nil {
			n += i.Size()
		}
		return nil
	})
	return n, err
}
