package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os/exec"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
	"github.com/sesame-mta/sesame/internal/testdns"
)

// What a long queue may cost.
const (
	maxDeferredRSS   = 300 << 20
	maxDeferredLoss  = 0.10 // of the accept rate
	maxDeferredReady = 5 * time.Second
)

// deferredZone sends example.net to the sink and example.org to an address on
// which nobody listens.
const deferredZone = `
example.net    MX 10 mx.example.net
mx.example.net A 127.0.0.1
example.org    MX 10 mx.example.org
mx.example.org A 127.0.0.2
`

// deferredResult is what a long queue costs.
type deferredResult struct {
	Messages  int64   `json:"messages"`
	Filled    float64 `json:"filled_per_second"`
	RSS       int64   `json:"rss_peak_bytes"`
	Accepted  float64 `json:"accepted_per_second"`
	Empty     float64 `json:"accepted_per_second_on_an_empty_queue"`
	Loss      float64 `json:"loss"`
	Ready     float64 `json:"ready_ms"` // from the start after a stop to the greeting
	Recovered float64 `json:"ready_after_kill_ms"`
	After     int64   `json:"rss_after_start_bytes"`
	// Listed entries of queue list, how long that took, and how much memory it
	// took at most: of the command, and of the server more than before. Pages of
	// the file, which the kernel takes back as it likes, are not counted there.
	Listed     int64   `json:"listed"`
	ListTime   float64 `json:"list_seconds"`
	ListRSS    int64   `json:"list_rss_bytes"`
	ListServer int64   `json:"list_server_growth_bytes"`
	Files      int64   `json:"data_bytes"`
}

// runDeferred fills the queue of one server with messages for a domain that is
// down, and measures its memory, its accept rate for another domain in turns
// with a server whose queue is empty, the time of a restart and queue list.
func runDeferred(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("deferred", flag.ContinueOnError)
	binary := f.String("sesame", "bin/sesame", "the program to measure")
	messages := f.Int64("messages", 100_000, "messages in the queue")
	duration := f.Duration("duration", 4*time.Second, "how long each run sends")
	runs := f.Int("runs", 5, "runs on each queue; the medians are shown")
	file := f.String("json", "", "file to put the figures into")
	if err := f.Parse(args); err != nil {
		return err
	}
	res, err := openResults(*file)
	if err != nil {
		return err
	}
	fmt.Println("machine:", res.Machine)
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true})
	if err != nil {
		return err
	}
	defer sk.Close()
	dns, err := testdns.Start(deferredZone)
	if err != nil {
		return err
	}
	defer dns.Close()
	_, port, _ := net.SplitHostPort(sk.Addr()) // a listener's
	var servers [2]*sesame                     // the empty queue, the long one
	for i := range servers {
		s, err := newSesame(ctx, sesameOptions{binary: *binary, delivery: fmt.Sprintf("port = %s\n\n[dns]\nresolvers = [%q]", port, dns.Addr)})
		if err != nil {
			return err
		}
		defer s.remove()
		servers[i] = s
	}
	long := servers[1]
	out := deferredResult{Messages: *messages}

	o := load.Options{Connections: 50, Pipelining: true, Addr: long.addr, Domain: "example.org", Messages: *messages}
	filled, err := load.Run(ctx, o)
	if err != nil {
		return err
	}
	if filled.Accepted != *messages {
		return fmt.Errorf("accepted %d of %d, last refusal %q", filled.Accepted, *messages, filled.LastRefusal)
	}
	out.Filled = float64(filled.Accepted) / filled.Elapsed.Seconds()
	o.Domain, o.Messages, o.Duration = "example.net", 0, *duration
	var rates [2][]float64
	for range *runs {
		for i, s := range servers {
			o.Addr = s.addr
			rate, err := acceptRate(ctx, sk, o)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], rate)
		}
	}
	used, err := treeUsage(long.process.PID())
	if err != nil {
		return err
	}
	out.RSS, out.Empty, out.Accepted = used.peak, middle(rates[0]), middle(rates[1])
	out.Loss = 1 - out.Accepted/out.Empty
	if err := long.pages(ctx, &out); err != nil {
		return err
	}
	long.stop()
	if out.Ready, err = long.again(ctx); err != nil {
		return err
	}
	long.process.Kill()
	if out.Recovered, err = long.again(ctx); err != nil {
		return err
	}
	if used, err = treeUsage(long.process.PID()); err != nil {
		return err
	}
	out.After = used.rss
	if out.Files, err = size(long.data()); err != nil {
		return err
	}
	if err := res.put(fmt.Sprintf("deferred-%d", *messages), out); err != nil {
		return err
	}
	if out.RSS > maxDeferredRSS || out.Loss > maxDeferredLoss || out.Ready > ms(maxDeferredReady) || out.Listed < *messages {
		return errors.New("a long queue costs more than 300 MB, a tenth of the accept rate or five seconds at the start, or is not listed whole")
	}
	return nil
}

// again starts a server that has ended and gives the milliseconds to its greeting.
func (s *sesame) again(ctx context.Context) (float64, error) {
	started := time.Now()
	err := s.start(ctx)
	return ms(time.Since(started)), err
}

// pages lists the queue and watches the memory of both ends.
func (s *sesame) pages(ctx context.Context, out *deferredResult) error {
	anonymous := func() int64 { return procValue(s.process.PID(), "status", "RssAnon:") << 10 }
	before := anonymous()
	cmd := exec.CommandContext(ctx, s.binary, "queue", "list", "--json", "--config", s.file)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		if out.Listed++; out.Listed%5000 == 0 {
			out.ListRSS = max(out.ListRSS, procValue(cmd.Process.Pid, "status", "VmHWM:")<<10)
			out.ListServer = max(out.ListServer, anonymous()-before)
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return fmt.Errorf("queue list: %w", err)
	}
	out.ListTime = time.Since(started).Seconds()
	return nil
}

// acceptRate makes one run and waits until its messages are delivered.
func acceptRate(ctx context.Context, sk *sink.Sink, o load.Options) (float64, error) {
	before := sk.Count().Recipients
	res, err := load.Run(ctx, o)
	if err != nil {
		return 0, err
	}
	if err := drain(ctx, sk, before+res.Accepted); err != nil {
		return 0, err
	}
	return float64(res.Accepted) / res.Elapsed.Seconds(), nil
}
