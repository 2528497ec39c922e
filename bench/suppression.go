package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// What a suppression list may cost.
const (
	maxImport          = time.Minute
	maxSuppressionLoss = 0.05 // of the throughput
)

// runSuppression fills the suppression list of an account, and measures how long
// that takes, and the throughput of mail to recipients that are not on it beside
// that of a server with an empty list.
func runSuppression(ctx context.Context, args []string) error {
	var t turns
	f := flag.NewFlagSet("suppression", flag.ContinueOnError)
	f.StringVar(&t.binary, "sesame", "bin/sesame", "the program to measure")
	f.IntVar(&t.runs, "runs", 9, "runs of each; the medians are shown")
	f.DurationVar(&t.duration, "duration", 4*time.Second, "how long each run sends")
	f.IntVar(&t.connections, "connections", 20, "connections at once")
	entries := f.Int("entries", 1_000_000, "addresses on the list")
	if err := f.Parse(args); err != nil {
		return err
	}
	fmt.Printf("machine: %s\n", machine())
	var all []*contender
	defer func() {
		for _, c := range all {
			c.leave()
		}
	}()
	for _, name := range []string{"empty list", fmt.Sprintf("list of %d", *entries)} {
		c, err := enter(ctx, name, t.binary, "")
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	long := all[1]
	file := filepath.Join(long.dir, "list.csv")
	if err := writeList(file, *entries); err != nil {
		return err
	}
	start := time.Now()
	if _, err := long.command(ctx, "", "suppression", "import", file); err != nil {
		return err
	}
	took := time.Since(start)
	used, err := treeUsage(long.process.PID())
	if err != nil {
		return err
	}
	fmt.Printf("%d addresses imported in %.1f s, RSS %d MB\n", *entries, took.Seconds(), used.rss>>20)
	o := t.options()
	o.Spread = int64(*entries)
	loss, err := versus(ctx, all, o, t.runs)
	if err != nil {
		return err
	}
	if took > maxImport || loss > maxSuppressionLoss {
		return errors.New("a long list takes more than a minute to import or a twentieth of the throughput")
	}
	return nil
}

// writeList writes addresses to which nothing is sent, of the domain to which it is.
func writeList(name string, n int) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	for i := range n {
		fmt.Fprintf(w, "u%d@example.net,BOUNCE\n", i)
	}
	return errors.Join(w.Flush(), file.Close())
}
