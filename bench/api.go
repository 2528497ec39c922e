package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/sesame-mta/sesame/bench/load"
)

// minShare is the part of the rate of SMTP that the API must reach.
const minShare = 0.5

// runAPI measures how many messages a second one server accepts by SMTP and by
// version 2 of the HTTP API (SendEmail with a raw message), over kept connections,
// as many at once, in turns. Between two runs all is delivered.
func runAPI(ctx context.Context, args []string) error {
	var t turns
	f := flag.NewFlagSet("api", flag.ContinueOnError)
	f.StringVar(&t.binary, "sesame", "bin/sesame", "the program to measure")
	f.IntVar(&t.runs, "runs", 9, "runs of each; the medians are shown")
	f.DurationVar(&t.duration, "duration", 4e9, "how long each run sends")
	f.IntVar(&t.connections, "connections", 20, "connections at once")
	size := f.Int("size", 2048, "octets of a message")
	if err := f.Parse(args); err != nil {
		return err
	}
	fmt.Printf("machine: %s\n", machine())
	c, err := enter(ctx, "sesame", t.binary, "")
	if err != nil {
		return err
	}
	defer c.leave()
	key, err := c.keys(ctx)
	if err != nil {
		return err
	}
	smtp := t.options()
	smtp.Addr, smtp.Size, smtp.Chunking = c.addr, *size, false
	api := smtp
	api.Addr, api.API = c.api, key
	doors := []*door{{name: "SMTP", o: smtp}, {name: "API", o: api}}
	for i := range t.runs + 1 {
		for j := range doors {
			d := doors[(i+j)%len(doors)] // nobody is always the first
			o := d.o
			if i == 0 { // does not count
				o.Duration, o.Messages = 0, int64(20*o.Connections)
			}
			if err := d.run(ctx, c, o, i > 0); err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "door\taccepted/s\tslowest\tfastest\tp50 ms\tCPU s/1000\t")
	for _, d := range doors {
		rate := middle(d.rates) // and they are in order now
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.3f\t\n", d.name, rate, d.rates[0], d.rates[len(d.rates)-1], middle(d.p50), middle(d.cpu))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	share := middle(doors[1].rates) / middle(doors[0].rates)
	lost, doubled := c.sink.Check(c.ids)
	fmt.Printf("API %.0f %% of SMTP; ids lost %d doubled %d\n", share*100, len(lost), len(doubled))
	switch {
	case len(lost)+len(doubled) > 0:
		return errors.New("a message was lost or doubled")
	case share < minShare:
		return fmt.Errorf("the API reaches %.0f %% of the rate of SMTP, less than %.0f", share*100, minShare*100)
	}
	return nil
}

// door is one way in.
type door struct {
	name            string
	o               load.Options
	rates, p50, cpu []float64
}

// run makes one run, and waits until all of it is delivered.
func (d *door) run(ctx context.Context, c *contender, o load.Options, counts bool) error {
	before, err := treeUsage(c.process.PID())
	if err != nil {
		return err
	}
	res, err := load.Run(ctx, o)
	if err != nil {
		return err
	}
	if res.Refused > 0 {
		return fmt.Errorf("%d refused, the last with %s", res.Refused, res.LastRefusal)
	}
	c.taken += res.Accepted
	c.ids = append(c.ids, res.Acknowledged...)
	if err := drain(ctx, c.sink, c.taken); err != nil {
		return err
	}
	after, err := treeUsage(c.process.PID())
	if err != nil || !counts {
		return err
	}
	d.rates = append(d.rates, float64(res.Accepted)/res.Elapsed.Seconds())
	d.p50 = append(d.p50, ms(res.P50))
	d.cpu = append(d.cpu, (after.cpu-before.cpu).Seconds()*1000/float64(res.Accepted))
	return nil
}

// keys makes keys for the API.
func (s *sesame) keys(ctx context.Context) (*load.API, error) {
	login, err := s.credential(ctx, "default")
	return &load.API{Region: region, KeyID: login.KeyID, Secret: login.Secret}, err
}

// region is that of the configuration file, as shipped.
const region = "local-1"
