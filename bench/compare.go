package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

type comparison struct {
	sesame      string
	servers     string
	runs        int
	duration    time.Duration
	postfixMain string
}

func runCompare(ctx context.Context, args []string) error {
	var c comparison
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	names := f.String("rows", "short", "names of rows, separated by commas; short, long, peers or all")
	list := f.Bool("list", false, "list the rows and end")
	file := f.String("json", "", "file for all figures of all runs; what others wrote there is kept")
	f.StringVar(&c.sesame, "sesame", "bin/sesame", "the program to measure")
	f.StringVar(&c.servers, "servers", "sesame,postfix", "which to measure, in turns: sesame, postfix, exim, opensmtpd")
	f.IntVar(&c.runs, "runs", 0, "runs per row, whose medians are shown; 0 is as the row and the server have it")
	f.DurationVar(&c.duration, "duration", 0, "how long each run sends; 0 likewise")
	f.StringVar(&c.postfixMain, "postfix-main", "", "further settings for Postfix, separated by commas")
	if err := f.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*names)
	if err != nil {
		return err
	}
	if *list {
		for _, r := range chosen {
			fmt.Printf("%-16s %d connections, %d octets: %s\n", r.name, r.connections, r.size, r.title)
		}
		return nil
	}
	res, err := openResults(*file)
	if err != nil {
		return err
	}
	if err := res.look(); err != nil {
		return err
	}
	fmt.Println("machine:", res.Machine)
	measured, failed := c.measure(ctx, chosen, res)
	if err := res.save(); err != nil {
		return errors.Join(failed, err)
	}
	table(os.Stdout, measured)
	return errors.Join(failed, verdict(os.Stdout, measured))
}

// measure alternates between the servers, so that a change of the machine's mood
// meets all of them. A run that fails is told, and the rest goes on.
func (c *comparison) measure(ctx context.Context, chosen []row, res *results) (all []sample, err error) {
	shared, err := newShared()
	if err != nil {
		return nil, err
	}
	defer shared.remove()
	var failures []error
	const most = 5 // runs
	for _, r := range chosen {
		res.forget(r.name, c.servers)
		out := map[string]bool{}
		for i := range cmp.Or(c.runs, most) {
			for name := range strings.SplitSeq(c.servers, ",") {
				runs, duration := r.rounds(name)
				if out[name] || i >= cmp.Or(c.runs, runs) {
					continue
				}
				s := setup{row: r, binary: c.sesame, shared: shared, more: strings.ReplaceAll(c.postfixMain, ",", "\n")}
				got, settings, err := measure(ctx, name, s, cmp.Or(c.duration, duration))
				switch {
				case ctx.Err() != nil:
					return all, ctx.Err()
				case err != nil && missing(err) && name != "sesame":
					fmt.Printf("%s: %s: %v\n", r.name, name, err)
					res.LeftOut[r.name+" "+name] = err.Error()
					out[name] = true
				case err != nil:
					failures = append(failures, fmt.Errorf("%s, %s, run %d: %w", r.name, name, i+1, err))
					fmt.Println(failures[len(failures)-1])
				default:
					all = append(all, *got)
					res.Settings[name+" "+r.name] = settings
				}
			}
		}
		res.Samples = append(res.Samples, of(all, r.name, "")...)
		// What takes so long should not be lost at its end.
		if err := res.save(); err != nil {
			return all, err
		}
	}
	return all, errors.Join(failures...)
}

// of gives the samples of a row, and of a server if it is named.
func of(samples []sample, row, server string) []sample {
	var some []sample
	for _, s := range samples {
		if s.Row == row && (server == "" || s.Server == server) {
			some = append(some, s)
		}
	}
	return some
}

// line is the medians of a row and server.
type line struct {
	sample
	title string
	ratio float64 // of delivered, or accepted, to Postfix; 0 without one
}

// rate is what counts in a row.
func (s sample) rate() float64 { return cmp.Or(s.Delivered, s.Accepted) }

// lines gives the medians, in the order of the rows.
func lines(samples []sample) []line {
	var all []line
	for _, r := range rows() {
		at := len(all)
		var servers []string
		for _, s := range of(samples, r.name, "") {
			if !slices.Contains(servers, s.Server) {
				servers = append(servers, s.Server)
			}
		}
		var beside float64
		for _, server := range servers {
			m := medians(of(samples, r.name, server))
			if server == "postfix" {
				beside = m.rate()
			}
			all = append(all, line{sample: m, title: r.title})
		}
		for i := at; i < len(all) && beside > 0; i++ {
			all[i].ratio = all[i].rate() / beside
		}
	}
	return all
}

// medians makes one sample of many; of what must be zero it gives the sum.
func medians(s []sample) sample {
	m := s[0]
	for _, f := range []func(*sample) *float64{
		func(s *sample) *float64 { return &s.Accepted }, func(s *sample) *float64 { return &s.Delivered },
		func(s *sample) *float64 { return &s.P50 }, func(s *sample) *float64 { return &s.P99 },
		func(s *sample) *float64 { return &s.CPU }, func(s *sample) *float64 { return &s.Written },
		func(s *sample) *float64 { return &s.Syncs }, func(s *sample) *float64 { return &s.Signatures },
	} {
		var values []float64
		for i := range s {
			values = append(values, *f(&s[i]))
		}
		*f(&m) = middle(values)
	}
	m.Messages, m.Refused, m.Lost, m.Doubled, m.Torn, m.RSS = 0, 0, 0, 0, 0, 0
	for _, s := range s {
		m.Messages, m.Refused, m.Torn = m.Messages+s.Messages, m.Refused+s.Refused, m.Torn+s.Torn
		m.Lost, m.Doubled, m.RSS = m.Lost+s.Lost, m.Doubled+s.Doubled, max(m.RSS, s.RSS)
	}
	return m
}

func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// table prints the medians.
func table(w io.Writer, samples []sample) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "row\tserver\tconns\taccepted/s\tdelivered/s\tp50 ms\tp99 ms\tCPU s/1000\twritten B/msg\tsyncs/msg\tRSS MB\tPostfix = 1\t")
	for _, l := range lines(samples) {
		fmt.Fprintln(t, strings.Join(l.cells(), "\t")+"\t")
	}
	_ = t.Flush() // it is the terminal
}

// cells are the columns of the table.
func (l line) cells() []string {
	number := func(format string, v float64, known bool) string {
		if !known {
			return "-"
		}
		return fmt.Sprintf(format, v)
	}
	return []string{
		l.Row, l.Server, fmt.Sprint(l.Connections),
		fmt.Sprintf("%.0f", l.Accepted), number("%.0f", l.Delivered, l.Delivered > 0),
		fmt.Sprintf("%.2f", l.P50), fmt.Sprintf("%.2f", l.P99), fmt.Sprintf("%.3f", l.CPU),
		fmt.Sprintf("%.0f", l.Written), number("%.2f", l.Syncs, l.Syncs >= 0), fmt.Sprint(l.RSS >> 20),
		number("%.1f", l.ratio, l.ratio > 0),
	}
}

// verdict prints the sums of what must be zero. It is an error when they are not.
func verdict(w io.Writer, samples []sample) error {
	lost, doubled, torn, refused := 0, 0, int64(0), int64(0)
	for _, s := range samples {
		lost, doubled, torn, refused = lost+s.Lost, doubled+s.Doubled, torn+s.Torn, refused+s.Refused
	}
	fmt.Fprintf(w, "ids lost %d doubled %d, messages torn %d refused %d\n", lost, doubled, torn, refused)
	if int64(lost+doubled)+torn > 0 {
		return errors.New("a message was lost, doubled or torn")
	}
	return nil
}
