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

// runDeferred fills the queue with messages for a domain that is down, and
// measures memory, the accept rate for another domain, and the time of a
// restart, each beside the same on an empty queue.
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
	s, err := newSesame(ctx, *binary, fmt.Sprintf("port = %s\n\n[dns]\nresolvers = [%q]", port, dns.Addr))
	if err != nil {
		return err
	}
	defer s.remove()

	d := deferred{sk: sk, s: s, o: load.Options{Addr: s.addr, Connections: 50, Pipelining: true, Duration: *duration}}
	empty, err := d.rate(ctx, *runs)
	if err != nil {
		return err
	}
	o := d.o
	o.Domain, o.Duration, o.Messages = "example.org", 0, *messages
	res, err := load.Run(ctx, o)
	if err != nil {
		return err
	}
	if res.Accepted != *messages {
		return fmt.Errorf("accepted %d of %d, last refusal %q", res.Accepted, *messages, res.LastRefusal)
	}
	full, err := d.rate(ctx, *runs)
	if err != nil {
		return err
	}
	used, err := treeUsage(s.process.PID())
	if err != nil {
		return err
	}
	s.stop()
	started := time.Now()
	if err := s.start(ctx); err != nil {
		return err
	}
	restart := time.Since(started)
	loss := 1 - full/empty
	fmt.Printf("%d deferred: RSS %d MB, accept rate %.0f/s against %.0f/s on an empty queue (%.1f %% less), restart %d ms\n",
		*messages, used.rss>>20, full, empty, loss*100, restart.Milliseconds())
	if used.rss > maxDeferredRSS || loss > maxDeferredLoss {
		return errors.New("a long queue costs more than 250 MB or a tenth of the accept rate")
	}
	return nil
}

type deferred struct {
	sk *sink.Sink
	s  *sesame
	o  load.Options
}

// rate gives the median accept rate for the domain that is up, each run with its
// deliveries done.
func (d *deferred) rate(ctx context.Context, runs int) (float64, error) {
	var rates []float64
	for range runs {
		before := d.sk.Count().Recipients
		res, err := load.Run(ctx, d.o)
		if err != nil {
			return 0, err
		}
		if err := waitDrained(ctx, d.sk, before+res.Accepted); err != nil {
			return 0, err
		}
		rates = append(rates, float64(res.Accepted)/res.Elapsed.Seconds())
	}
	slices.Sort(rates)
	return rates[len(rates)/2], nil
}
