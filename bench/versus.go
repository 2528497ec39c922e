package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
)

// contender is one sesame of several that are measured in turns, with a sink of
// its own.
type contender struct {
	name  string
	sink  *sink.Sink
	rates []float64 // delivered a second
	ids   []string
	taken int64
	// rest waits until it has nothing to do that the next one's run would suffer from;
	// nil: it has not when all is delivered.
	rest func(ctx context.Context) error
	*sesame
}

// enter starts a contender, with more lines for the end of [delivery]. Its mail is not
// signed.
func enter(ctx context.Context, name, binary, more string) (*contender, error) {
	return enterAs(ctx, name, sesameOptions{binary: binary, delivery: more})
}

// enterAs starts one with options of its own, and a sink as its smarthost.
func enterAs(ctx context.Context, name string, o sesameOptions) (*contender, error) {
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true})
	if err != nil {
		return nil, err
	}
	o.delivery = fmt.Sprintf("smarthost = %q\n%s", sk.Addr(), o.delivery)
	s, err := newSesame(ctx, o)
	if err != nil {
		_ = sk.Close() // nothing came
		return nil, err
	}
	return &contender{name: name, sink: sk, sesame: s}, nil
}

// leave stops it.
func (c *contender) leave() {
	c.remove()
	_ = c.sink.Close() // what it counted was read
}

// run makes one run, to the last message in the sink.
func (c *contender) run(ctx context.Context, o load.Options) error {
	o.Addr = c.addr
	res, err := load.Run(ctx, o)
	if err != nil {
		return err
	}
	c.taken += res.Accepted
	c.ids = append(c.ids, res.Acknowledged...)
	if err := drain(ctx, c.sink, c.taken); err != nil {
		return err
	}
	c.rates = append(c.rates, float64(res.Accepted)/c.sink.Count().Last.Sub(res.Start).Seconds())
	if c.rest != nil {
		return c.rest(ctx)
	}
	return nil
}

// versus measures contenders in turns, after a run that does not count, and prints
// the medians beside that of the first. It gives the loss of the last, and an error
// when a message was lost or doubled.
func versus(ctx context.Context, all []*contender, o load.Options, runs int) (loss float64, err error) {
	warm := o
	warm.Duration, warm.Messages = 0, int64(20*o.Connections)
	for _, c := range all {
		if err := c.run(ctx, warm); err != nil {
			return 0, fmt.Errorf("%s: %w", c.name, err)
		}
		c.rates = nil
	}
	for i := range runs {
		for j := range all {
			c := all[(i+j)%len(all)] // nobody is always the first
			if err := c.run(ctx, o); err != nil {
				return 0, fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "server\tdelivered/s\tslowest\tfastest\tloss\t")
	first, lost, doubled := middle(all[0].rates), 0, 0
	for _, c := range all {
		rate := middle(c.rates)
		loss = 1 - rate/first
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\t%.1f %%\t\n", c.name, rate, slices.Min(c.rates), slices.Max(c.rates), loss*100)
		l, d := c.sink.Check(c.ids)
		lost, doubled = lost+len(l), doubled+len(d)
	}
	if err := t.Flush(); err != nil {
		return 0, err
	}
	fmt.Printf("ids lost %d doubled %d\n", lost, doubled)
	if lost+doubled > 0 {
		return loss, errors.New("a message was lost or doubled")
	}
	return loss, nil
}

// turns are the flags of commands that compare by versus.
type turns struct {
	binary      string
	runs        int
	duration    time.Duration
	connections int
}

func (t *turns) options() load.Options {
	return load.Options{Connections: t.connections, Duration: t.duration, Pipelining: true}
}
