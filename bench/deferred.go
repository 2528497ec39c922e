package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
	"github.com/sesame-mta/sesame/internal/testdns"
)

// What a long queue may cost.
const (
	maxDeferredRSS  = 250 << 20
	maxDeferredLoss = 0.10 // of the accept rate
)

// deferredZone sends example.net to the sink and example.org to an address on
// which nobody listens.
const deferredZone = `
example.net    MX 10 mx.example.net
mx.example.net A 127.0.0.1
example.org    MX 10 mx.example.org
mx.example.org A 127.0.0.2
`

// runDeferred fills the queue of one server with messages for a domain that is
// down, and measures its memory, its accept rate for another domain in turns
// with a server whose queue is empty, and the time of a restart.
func runDeferred(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("deferred", flag.ContinueOnError)
	binary := f.String("sesame", "bin/sesame", "the program to measure")
	messages := f.Int64("messages", 100_000, "messages in the queue")
	duration := f.Duration("duration", 4*time.Second, "how long each run sends")
	runs := f.Int("runs", 5, "runs on each queue; the medians are shown")
	if err := f.Parse(args); err != nil {
		return err
	}
	fmt.Printf("machine: %s\n", machine())
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true})
	if err != nil {
		return err
	}
	defer sk.Close()
	_, port, err := net.SplitHostPort(sk.Addr())
	if err != nil {
		return err
	}
	dns, err := testdns.Start(deferredZone)
	if err != nil {
		return err
	}
	defer dns.Close()
	var servers [2]*sesame // the empty queue, the long one
	for i := range servers {
		s, err := newSesame(ctx, *binary, fmt.Sprintf("port = %s\n\n[dns]\nresolvers = [%q]", port, dns.Addr))
		if err != nil {
			return err
		}
		defer s.remove()
		servers[i] = s
	}
	long := servers[1]

	o := load.Options{Connections: 50, Pipelining: true}
	o.Addr, o.Domain, o.Messages = long.addr, "example.org", *messages
	res, err := load.Run(ctx, o)
	if err != nil {
		return err
	}
	if res.Accepted != *messages {
		return fmt.Errorf("accepted %d of %d, last refusal %q", res.Accepted, *messages, res.LastRefusal)
	}
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
	long.stop()
	started := time.Now()
	if err := long.start(ctx); err != nil {
		return err
	}
	restart := time.Since(started)

	empty, full := middle(rates[0]), middle(rates[1])
	loss := 1 - full/empty
	fmt.Printf("%d deferred: RSS %d MB, accept rate %.0f/s against %.0f/s on an empty queue (%.1f %% less), restart %d ms\n",
		*messages, used.rss>>20, full, empty, loss*100, restart.Milliseconds())
	if used.rss > maxDeferredRSS || loss > maxDeferredLoss {
		return errors.New("a long queue costs more than 250 MB or a tenth of the accept rate")
	}
	return nil
}

// acceptRate makes one run and waits until its messages are delivered.
func acceptRate(ctx context.Context, sk *sink.Sink, o load.Options) (float64, error) {
	before := sk.Count().Recipients
	res, err := load.Run(ctx, o)
	if err != nil {
		return 0, err
	}
	if err := waitDrained(ctx, sk, before+res.Accepted); err != nil {
		return 0, err
	}
	return float64(res.Accepted) / res.Elapsed.Seconds(), nil
}

func middle(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
