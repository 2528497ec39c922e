package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// maxWebhookLoss is what a webhook that hangs may cost of the throughput.
const maxWebhookLoss = 0.05

// webhookResult is what webhooks cost, in messages delivered a second.
type webhookResult struct {
	Signed  bool    `json:"signed"`
	None    float64 `json:"delivered_per_second"`
	Answers float64 `json:"webhook_answers_per_second"`
	Hangs   float64 `json:"webhook_hangs_per_second"`
	Loss    float64 `json:"loss"`
}

// runHangingWebhook measures what mail under a configuration set costs whose webhook
// takes each request and never answers, beside a set whose webhook answers at once,
// a set without destinations, and no set. The last is to deliver as much as the
// first, but for a twentieth. Mail is signed, as it is when an identity is added and
// nothing more is said, or bare.
func runHangingWebhook(ctx context.Context, args []string) error {
	var t turns
	f := flag.NewFlagSet("hanging-webhook", flag.ContinueOnError)
	f.StringVar(&t.binary, "sesame", "bin/sesame", "the program to measure")
	f.IntVar(&t.runs, "runs", 9, "runs of each; the medians are shown")
	f.DurationVar(&t.duration, "duration", 4*time.Second, "how long each run sends")
	f.IntVar(&t.connections, "connections", 20, "connections at once")
	bare := f.Bool("bare", false, "sign nothing, so that what events cost weighs most")
	file := f.String("json", "", "file to put the figures into")
	if err := f.Parse(args); err != nil {
		return err
	}
	res, err := openResults(*file)
	if err != nil {
		return err
	}
	fmt.Printf("machine: %s\n", machine())
	hooks, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var answered atomic.Int64
	end := make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what it says is of no interest
		if r.URL.Path != "/hangs" {
			answered.Add(1)
			return
		}
		select {
		case <-end:
		case <-r.Context().Done():
		}
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(hooks) // until it is closed
	}()
	defer func() {
		close(end)
		_ = server.Close() // nothing waits for it
		<-served
	}()
	var all []*contender
	defer func() {
		for _, c := range all {
			c.leave()
		}
	}()
	for _, name := range []string{"no set", "set, nobody told", "webhook answers", "webhook hangs"} {
		o := sesameOptions{binary: t.binary, delivery: "\n[events]\nallow_networks = [\"127.0.0.0/8\"]\n"}
		if !*bare {
			o.identity = []string{} // with the key that it makes by itself
		}
		c, err := enterAs(ctx, name, o)
		if err != nil {
			return err
		}
		all = append(all, c)
		if name == "webhook answers" {
			c.rest = func(ctx context.Context) error { // Send and Delivery of each
				return until(ctx, time.Minute, func() (bool, error) { return answered.Load() >= 2*c.taken, nil })
			}
		}
		if name == "no set" {
			continue
		}
		commands := [][]string{{"configset", "create", "main"}, {"identity", "set", "example.com", "--configuration-set", "main"}}
		path := map[string]string{"webhook answers": "/answers", "webhook hangs": "/hangs"}[name]
		if path != "" {
			commands = append(commands, []string{"destination", "create", "--configuration-set", "main", "--name", "hook",
				"--webhook", "http://" + hooks.Addr().String() + path})
		}
		for _, args := range commands {
			if _, err := c.command(ctx, "", args...); err != nil {
				return err
			}
		}
	}
	loss, err := versus(ctx, all, t.options(), t.runs)
	if err != nil {
		return err
	}
	out := webhookResult{Signed: !*bare, None: middle(all[0].rates), Answers: middle(all[2].rates), Hangs: middle(all[3].rates), Loss: loss}
	name := "hanging-webhook"
	if *bare {
		name += "-bare"
	}
	if err := res.put(name, out); err != nil {
		return err
	}
	if loss > maxWebhookLoss {
		return errors.New("a webhook that hangs costs more than a twentieth of the throughput")
	}
	return nil
}
