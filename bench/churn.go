package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
)

// churnResult is how the data directory grew while the queue filled and emptied.
type churnResult struct {
	Cycles   int   `json:"cycles"`
	Messages int64 `json:"messages_per_cycle"`
	// Full and Empty are the octets of spool.db after each filling and emptying.
	// Journal and Data are those of the journal, which has a bound of its own, and of
	// the whole data directory at the end.
	Full    []int64 `json:"spool_bytes_full"`
	Empty   []int64 `json:"spool_bytes_empty"`
	Journal int64   `json:"journal_bytes"`
	Data    int64   `json:"data_bytes"`
	Lost    int     `json:"lost"`
	Doubled int     `json:"doubled"`
	RSS     int64   `json:"rss_peak_bytes"`
	Seconds float64 `json:"seconds"`
}

// maxChurn is how much larger the data may be at the end than after the second
// cycle.
const maxChurn = 1.25

// maxJournal is the bound of ADR 0008 and the last group of messages.
const maxJournal = 160 << 20

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
		if err := until(ctx, 20*time.Second, func() (bool, error) { return c.sink.Count().Deferred >= deferred+got.Accepted, nil }); err != nil && !errors.Is(err, errPatience) {
			return err
		}
		n, err := size(filepath.Join(c.data(), "spool.db"))
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
		if n, err = size(filepath.Join(c.data(), "spool.db")); err != nil {
			return err
		}
		out.Empty = append(out.Empty, n)
		fmt.Printf("cycle %d: %d MB full, %d MB empty\n", i+1, out.Full[i]>>20, n>>20)
	}
	if out.Data, err = size(c.data()); err != nil {
		return err
	}
	if out.Journal, err = size(filepath.Join(c.data(), "journal")); err != nil {
		return err
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
	if out.Journal > maxJournal {
		return errors.New("the journal is longer than its bound")
	}
	if out.Cycles > 2 && float64(out.Full[out.Cycles-1]) > maxChurn*float64(out.Full[1]) {
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
