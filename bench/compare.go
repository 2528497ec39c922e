package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
	"github.com/sesame-mta/sesame/internal/mta"
)

// sample is one run of one server.
type sample struct {
	Server      string  `json:"server"`
	Connections int     `json:"connections"`
	Size        int     `json:"size"`
	Messages    int64   `json:"messages"`
	Refused     int64   `json:"refused"`
	Accepted    float64 `json:"accepted_per_second"`
	Delivered   float64 `json:"delivered_per_second"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	CPU         float64 `json:"cpu_seconds_per_1000"`
	Written     float64 `json:"written_bytes_per_message"`
	RSS         int64   `json:"rss_bytes"`
	Lost        int     `json:"lost"`
	Doubled     int     `json:"doubled"`
}

type comparison struct {
	sesame      string
	servers     string
	connections string
	size        int
	runs        int
	duration    time.Duration
	json        string
	postfixMain string
}

func runCompare(ctx context.Context, args []string) error {
	var c comparison
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.StringVar(&c.sesame, "sesame", "bin/sesame", "the program to measure")
	f.StringVar(&c.servers, "servers", "sesame,postfix", "which to measure, in turns")
	f.StringVar(&c.connections, "connections", "20,100", "connections at once, one table row each")
	f.IntVar(&c.size, "size", 2048, "octets of a message")
	f.IntVar(&c.runs, "runs", 5, "runs per row; the medians are shown")
	f.DurationVar(&c.duration, "duration", 4*time.Second, "how long each run sends")
	f.StringVar(&c.postfixMain, "postfix-main", "", "further settings for Postfix, separated by commas")
	f.StringVar(&c.json, "json", "", "file for all figures of all runs")
	if err := f.Parse(args); err != nil {
		return err
	}
	fmt.Printf("machine: %s\n", machine())
	samples, err := c.measure(ctx)
	if err != nil {
		return err
	}
	if c.json != "" {
		b, err := json.MarshalIndent(map[string]any{"machine": machine(), "samples": samples}, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.json, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	return c.report(os.Stdout, samples)
}

// measure alternates between the servers, so that a change of the machine's
// mood meets all of them.
func (c *comparison) measure(ctx context.Context) ([]sample, error) {
	var samples []sample
	for field := range strings.SplitSeq(c.connections, ",") {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("-connections %s: %w", c.connections, err)
		}
		for i := range c.runs {
			for name := range strings.SplitSeq(c.servers, ",") {
				s, err := c.one(ctx, name, n)
				if errors.Is(err, mta.ErrMissing) && name != "sesame" {
					fmt.Printf("%s left out: %v\n", name, err)
					continue
				}
				if err != nil {
					return nil, fmt.Errorf("%s, %d connections, run %d: %w", name, n, i+1, err)
				}
				samples = append(samples, *s)
			}
		}
	}
	return samples, nil
}

// one starts a server on an empty queue, warms it up and measures one run, from
// the first octet sent to the last message in the sink.
func (c *comparison) one(ctx context.Context, name string, connections int) (*sample, error) {
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true})
	if err != nil {
		return nil, err
	}
	defer sk.Close()
	srv, err := c.start(ctx, name, sk.Addr())
	if err != nil {
		return nil, err
	}
	defer srv.stop()

	o := load.Options{Addr: srv.addr, Connections: connections, Messages: int64(10 * connections), Size: c.size, Pipelining: true}
	warm, err := load.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := waitDrained(ctx, sk, warm.Accepted); err != nil {
		return nil, fmt.Errorf("warm-up: %w", err)
	}
	before, err := treeUsage(srv.pid)
	if err != nil {
		return nil, err
	}
	o.Messages, o.Duration = 0, c.duration
	res, err := load.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := waitDrained(ctx, sk, warm.Accepted+res.Accepted); err != nil {
		return nil, err
	}
	last := sk.Count().Last
	after, err := treeUsage(srv.pid)
	if err != nil {
		return nil, err
	}
	used := after.sub(before)
	lost, doubled := sk.Check(append(warm.Acknowledged, res.Acknowledged...))
	n := float64(res.Accepted)
	return &sample{
		Server: name, Connections: connections, Size: c.size,
		Messages: res.Accepted, Refused: warm.Refused + res.Refused,
		Accepted:  n / res.Elapsed.Seconds(),
		Delivered: n / last.Sub(res.Start).Seconds(),
		P50:       ms(res.P50), P99: ms(res.P99),
		CPU:     used.cpu.Seconds() / n * 1000,
		Written: float64(used.written) / n,
		RSS:     used.rss,
		Lost:    len(lost), Doubled: len(doubled),
	}, nil
}

func (c *comparison) start(ctx context.Context, name, sinkAddr string) (*server, error) {
	switch name {
	case "sesame":
		s, err := newSesame(ctx, c.sesame, fmt.Sprintf("smarthost = %q", sinkAddr))
		if err != nil {
			return nil, err
		}
		return &server{name: name, addr: s.addr, pid: s.process.PID(), stop: s.remove}, nil
	case "postfix":
		return startPostfix(ctx, sinkAddr, strings.ReplaceAll(c.postfixMain, ",", "\n"))
	}
	return nil, fmt.Errorf("-servers: unknown %q", name)
}

// waitDrained gives a server two minutes to pass on what it took. What is lost
// then is counted by the ids, so it is no error to wait in vain for a few.
func waitDrained(ctx context.Context, sk *sink.Sink, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return sk.WaitFor(ctx, n)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// report prints the medians, then the sums of what must be zero. It is an error
// when they are not.
func (c *comparison) report(w io.Writer, samples []sample) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "server\tconns\tsize\taccepted/s\tdelivered/s\tp50 ms\tp99 ms\tCPU s/1000\twritten B/msg\tRSS MB\t")
	type row struct {
		connections int
		server      string
	}
	rows := map[row][]sample{}
	var order []row
	lost, doubled, refused := 0, 0, int64(0)
	for _, s := range samples {
		k := row{s.Connections, s.Server}
		if rows[k] == nil {
			order = append(order, k)
		}
		rows[k] = append(rows[k], s)
		lost, doubled, refused = lost+s.Lost, doubled+s.Doubled, refused+s.Refused
	}
	for _, k := range order {
		r := rows[k]
		fmt.Fprintf(t, "%s\t%d\t%d\t%.0f\t%.0f\t%.2f\t%.2f\t%.3f\t%.0f\t%d\t\n", k.server, k.connections, c.size,
			median(r, func(s sample) float64 { return s.Accepted }),
			median(r, func(s sample) float64 { return s.Delivered }),
			median(r, func(s sample) float64 { return s.P50 }),
			median(r, func(s sample) float64 { return s.P99 }),
			median(r, func(s sample) float64 { return s.CPU }),
			median(r, func(s sample) float64 { return s.Written }),
			median(r, func(s sample) int64 { return s.RSS })>>20)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, k := range order {
		if k.server != "sesame" || rows[row{k.connections, "postfix"}] == nil {
			continue
		}
		delivered := func(s sample) float64 { return s.Delivered }
		fmt.Fprintf(w, "%d connections: sesame delivers %.1f times as many a second as Postfix\n", k.connections,
			median(rows[k], delivered)/median(rows[row{k.connections, "postfix"}], delivered))
	}
	fmt.Fprintf(w, "ids lost %d doubled %d, messages refused %d\n", lost, doubled, refused)
	if lost+doubled > 0 {
		return errors.New("a message was lost or doubled")
	}
	return nil
}

func median[T cmp.Ordered](samples []sample, of func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// machine describes where the figures come from: processors, memory, and the
// file system of the queues.
func machine() string {
	model, cores := "unknown processor", 0
	b, _ := os.ReadFile("/proc/cpuinfo") // the description is then shorter
	for line := range strings.Lines(string(b)) {
		if k, v, _ := strings.Cut(line, ":"); strings.TrimSpace(k) == "model name" {
			model = strings.TrimSpace(v)
			cores++
		}
	}
	memory := "unknown memory"
	b, _ = os.ReadFile("/proc/meminfo") // likewise
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			memory = strings.TrimSpace(v)
		}
	}
	fs := "unknown"
	var st syscall.Statfs_t
	if syscall.Statfs(os.TempDir(), &st) == nil {
		names := map[int64]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x01021994: "tmpfs", 0x794c7630: "overlay"}
		if fs = names[int64(st.Type)]; fs == "" {
			fs = fmt.Sprintf("%#x", st.Type)
		}
	}
	return fmt.Sprintf("%s, %d threads, %s, queues on %s", model, cores, memory, fs)
}
