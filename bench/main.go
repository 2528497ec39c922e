// Command bench measures how many messages a second a server takes and passes
// on, durably. Its parts are a load generator (bench/load), a sink that counts
// (bench/sink), a comparison of sesame with Debian's Postfix, Exim and OpenSMTPD,
// and looks at what a long queue, idling, growth, distance, a week's churn, a
// webhook that hangs, a suppression list of a million addresses, mail by the HTTP
// API and many large messages at once cost:
//
//	go run ./bench compare -rows short
//	go run ./bench deferred -messages 1000000
//	go run ./bench report
//	go run ./bench hanging-webhook -sesame bin/sesame
//	go run ./bench suppression -sesame bin/sesame
//	go run ./bench api -sesame bin/sesame
//	go run ./bench large -sesame bin/sesame
//	go run ./bench load -addr 127.0.0.1:2525 -connections 20 -duration 10s
//	go run ./bench sink -addr 127.0.0.1:2626
//
// It imports no room of sesame: it sees the program as anyone else does.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	raiseFiles()
	commands := []struct {
		name string
		run  func(context.Context, []string) error
	}{
		{"compare", runCompare}, {"report", runReport},
		{"deferred", runDeferred}, {"idle", runIdle}, {"grow", runGrow}, {"latency", runLatency}, {"churn", runChurn},
		{"hanging-webhook", runHangingWebhook}, {"suppression", runSuppression}, {"api", runAPI}, {"large", runLarge},
		{"load", runLoad}, {"sink", runSink},
	}
	var names []string
	for _, c := range commands {
		if len(args) > 0 && args[0] == c.name {
			return c.run(ctx, args[1:])
		}
		names = append(names, c.name)
	}
	return fmt.Errorf("one of %s is needed", strings.Join(names, ", "))
}

func runLoad(ctx context.Context, args []string) error {
	var o load.Options
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.StringVar(&o.Addr, "addr", "127.0.0.1:2525", "server to send to")
	f.IntVar(&o.Connections, "connections", 20, "connections at once")
	f.IntVar(&o.PerConnection, "per-connection", 0, "messages on one connection, 0 for any number")
	f.Int64Var(&o.Messages, "messages", 0, "messages in all, 0 until -duration is over")
	f.DurationVar(&o.Duration, "duration", 0, "how long to send, 0 until -messages are sent")
	f.IntVar(&o.Size, "size", 2048, "octets of a message")
	f.IntVar(&o.Recipients, "recipients", 1, "recipients of a message")
	f.StringVar(&o.From, "from", "bench@example.com", "sender")
	f.StringVar(&o.Domain, "domain", "example.net", "domain of the recipients")
	f.StringVar(&o.User, "user", "", "user for AUTH PLAIN")
	f.StringVar(&o.Password, "password", "", "password for AUTH PLAIN")
	f.BoolVar(&o.Pipelining, "pipelining", true, "send MAIL, RCPT and DATA at once")
	f.BoolVar(&o.Chunking, "chunking", false, "send the content by BDAT")
	mode := f.String("tls", "none", "none, starttls or implicit")
	if err := f.Parse(args); err != nil {
		return err
	}
	modes := map[string]load.TLSMode{"none": load.Clear, "starttls": load.StartTLS, "implicit": load.Implicit}
	if o.TLS = modes[*mode]; o.TLS == 0 {
		return fmt.Errorf("-tls %s: want none, starttls or implicit", *mode)
	}
	res, err := load.Run(ctx, o)
	if res != nil {
		fmt.Printf("accepted %d (%.0f/s), refused %d, p50 %s, p99 %s, max %s\n", res.Accepted,
			float64(res.Accepted)/res.Elapsed.Seconds(), res.Refused, res.P50, res.P99, res.Max)
		if res.LastRefusal != "" {
			fmt.Println("last refusal:", res.LastRefusal)
		}
	}
	return err
}

func runSink(ctx context.Context, args []string) error {
	var o sink.Options
	f := flag.NewFlagSet("sink", flag.ContinueOnError)
	addr := f.String("addr", "127.0.0.1:2626", "where to listen")
	f.BoolVar(&o.Pipelining, "pipelining", true, "offer PIPELINING")
	f.BoolVar(&o.Chunking, "chunking", true, "offer CHUNKING")
	f.DurationVar(&o.Latency, "latency", 0, "wait before the reply to the content")
	f.IntVar(&o.Defer, "defer", 0, "percentage of messages that get 451")
	if err := f.Parse(args); err != nil {
		return err
	}
	s, err := sink.Listen(*addr, o)
	if err != nil {
		return err
	}
	fmt.Println("listening on", s.Addr())
	<-ctx.Done()
	if err := s.Close(); err != nil {
		return err
	}
	_, doubled := s.Check(nil)
	fmt.Println("doubled", len(doubled))
	return json.NewEncoder(os.Stdout).Encode(s.Count())
}
