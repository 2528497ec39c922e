package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
	"github.com/sesame-mta/sesame/internal/testdns"
)

// latencyResult is how much goes out to sites that are far away.
type latencyResult struct {
	Sites       int     `json:"sites"`
	Connections int     `json:"connections"` // in all, as configured
	Sessions    int64   `json:"sessions"`    // that the sink saw
	Latency     float64 `json:"latency_ms"`
	Messages    int64   `json:"messages"`
	// Delivered a second, from the fifth of the messages on to four fifths: while
	// the first are on their way the number of connections still grows.
	Delivered float64 `json:"delivered_per_second"`
	Whole     float64 `json:"delivered_per_second_of_all"`
	Bound     float64 `json:"one_round_trip_each_per_second"`
	CPU       float64 `json:"cpu_seconds_per_1000"`
	RSS       int64   `json:"rss_peak_bytes"`
	Lost      int     `json:"lost"`
	Doubled   int     `json:"doubled"`
}

// minLatency is how many messages a second must go out.
const minLatency = 2000

// runLatency delivers to sites whose replies are a long time on their way.
func runLatency(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("latency", flag.ContinueOnError)
	binary := f.String("sesame", "bin/sesame", "the program to measure")
	var out latencyResult
	f.IntVar(&out.Sites, "sites", 25, "MX sites")
	f.IntVar(&out.Connections, "connections", 500, "connections to all of them together")
	f.Int64Var(&out.Messages, "messages", 60_000, "messages")
	wait := f.Duration("latency", 200*time.Millisecond, "how long replies are on their way")
	file := f.String("json", "", "file to put the figures into")
	if err := f.Parse(args); err != nil {
		return err
	}
	res, err := openResults(*file)
	if err != nil {
		return err
	}
	fmt.Println("machine:", res.Machine)
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true, Latency: *wait})
	if err != nil {
		return err
	}
	defer sk.Close()
	dns, err := testdns.Start(sites(out.Sites))
	if err != nil {
		return err
	}
	defer dns.Close()
	_, port, _ := net.SplitHostPort(sk.Addr()) // a listener's
	s, err := newSesame(ctx, sesameOptions{binary: *binary, perSite: out.Connections / out.Sites,
		delivery: fmt.Sprintf("concurrency = %d\nport = %s\n\n[dns]\nresolvers = [%q]\n", out.Connections, port, dns.Addr)})
	if err != nil {
		return err
	}
	defer s.remove()
	before, err := treeUsage(s.process.PID())
	if err != nil {
		return err
	}
	type done struct {
		res *load.Result
		err error
	}
	sent := make(chan done, 1)
	go func() {
		res, err := load.Run(ctx, load.Options{Addr: s.addr, Connections: 50, Messages: out.Messages, Domains: int64(out.Sites), Pipelining: true})
		sent <- done{res, err}
	}()
	var times [2]time.Time
	for i, n := range []int64{out.Messages / 5, out.Messages * 4 / 5} {
		if err := drain(ctx, sk, n); err != nil {
			return err
		}
		times[i] = time.Now()
	}
	d := <-sent
	if d.err != nil {
		return d.err
	}
	if err := drain(ctx, sk, d.res.Accepted); err != nil {
		return err
	}
	after, err := treeUsage(s.process.PID())
	if err != nil {
		return err
	}
	used := after.sub(before)
	lost, doubled := sk.Check(d.res.Acknowledged)
	out.Delivered = float64(out.Messages) * 0.6 / times[1].Sub(times[0]).Seconds()
	out.Whole = float64(d.res.Accepted) / sk.Count().Last.Sub(d.res.Start).Seconds()
	out.Latency, out.Bound = ms(*wait), float64(out.Connections)/wait.Seconds()
	out.Sessions = sk.Count().Sessions
	out.CPU, out.RSS = used.cpu.Seconds()/float64(d.res.Accepted)*1000, used.peak
	out.Lost, out.Doubled = len(lost), len(doubled)
	if err := res.put("latency", out); err != nil {
		return err
	}
	if out.Lost+out.Doubled > 0 {
		return errors.New("a message was lost or doubled")
	}
	if out.Delivered < minLatency {
		return fmt.Errorf("less than %d messages a second", minLatency)
	}
	return nil
}
