package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// target is one thing to reach.
type target struct {
	line     int
	aim      string
	measured string
	result   string
}

// most and least judge a figure by its bound: at most it, or at least.
func (t target) most(v, bound float64, format string) target {
	return t.judge(v <= bound, v/bound-1, "over", v, format)
}

func (t target) least(v, bound float64, format string) target {
	return t.judge(v >= bound, 1-v/bound, "short", v, format)
}

func (t target) judge(reached bool, by float64, word string, v float64, format string) target {
	t.measured = fmt.Sprintf(format, v)
	t.result = "reached"
	if !reached {
		t.result = fmt.Sprintf("**%.0f %% %s**", by*100, word)
	}
	return t
}

// judge looks at all targets. What was not measured says so.
func judge(r *results) []target {
	var all []target
	add := func(line int, aim string, known bool, f func(target) target) {
		t := target{line: line, aim: aim, measured: "-", result: "not measured"}
		if known {
			t = f(t)
		}
		all = append(all, t)
	}
	ours, theirs := r.medians("sesame"), r.medians("postfix")
	ratio := func(line int, row string, least float64, what string) {
		s, known := ours[row]
		p, beside := theirs[row]
		add(line, fmt.Sprintf("%s: at least %.0f times the rate of Postfix", what, least), known && beside, func(t target) target {
			return t.least(s.rate()/p.rate(), least, "%.1f times")
		})
	}
	// of compares two rows of ours.
	of := func(line int, aim, row, base string, f func(t target, s, b sample) target) {
		s, known := ours[row]
		b, beside := ours[base]
		add(line, aim, known && beside, func(t target) target { return f(t, s, b) })
	}
	own := func(line int, aim, row string, f func(t target, s sample) target) {
		of(line, aim, row, row, func(t target, s, _ sample) target { return f(t, s) })
	}

	ratio(1, "e2e-20", 10, "2 KB end to end at 20 connections")
	ratio(1, "e2e-100", 12, "at 100")
	for _, row := range []string{"e2e-20", "e2e-100"} {
		p, beside := theirs[row]
		own(1, row+": at most a tenth of its CPU for a message", row, func(t target, s sample) target {
			if !beside {
				return t
			}
			return t.most(s.CPU/p.CPU, 0.1, "%.3f of it")
		})
	}
	ratio(2, "one", 3, "one connection, one message at a time")
	own(2, fmt.Sprintf("p50 of the final reply under two syncs (%.2f ms each here) and 0.3 ms", r.Sync), "one",
		func(t target, s sample) target { return t.most(s.P50, 2*r.Sync+0.3, "%.2f ms") })
	ratio(3, "accept-100", 10, "accept only at 100 connections")
	of(3, "with 2 ms more a sync at least 60 % of that", "accept-100-slow", "accept-100",
		func(t target, s, b sample) target { return t.least(100*s.Accepted/b.Accepted, 60, "%.0f %%") })
	own(3, "p99 of the final reply under 20 ms at 100 connections", "accept-100",
		func(t target, s sample) target { return t.most(s.P99, 20, "%.1f ms") })
	ratio(4, "100k", 5, "100 KB end to end")
	own(4, "at most 1.3 octets written for each of 100 KB accepted", "100k",
		func(t target, s sample) target { return t.most(s.Written/float64(s.Size), 1.3, "%.2f") })
	ratio(4, "5m", 2, "5 MB end to end")
	of(4, "memory: what 2 KB take, and 256 KB for each connection, in and out", "5m", "e2e-20", func(t target, s, b sample) target {
		return t.most(float64(s.RSS>>20), float64(b.RSS>>20)+float64(s.Connections+100)/4, "%.0f MB")
	})
	ratio(5, "rsa", 3, "DKIM RSA-2048, beside opendkim")
	of(5, fmt.Sprintf("its CPU at most 1.1 times a bare signature (%.2f ms then)", ours["rsa"].Signatures), "rsa", "e2e-20",
		func(t target, s, b sample) target { return t.most((s.CPU-b.CPU)/s.Signatures, 1.1, "%.2f times") })
	of(5, fmt.Sprintf("that of Ed25519 at most a bare signature (%.3f ms then) and 0.04 ms", ours["ed25519"].Signatures), "ed25519", "e2e-20",
		func(t target, s, b sample) target { return t.most(s.CPU-b.CPU, s.Signatures+0.04, "%.3f ms") })
	ratio(5, "rcpt-50", 10, "50 recipients in one domain")
	var far latencyResult
	add(6, "200 ms to 25 sites over 500 connections: at least 2,000 messages a second", r.get("latency", &far),
		func(t target) target { return t.least(far.Delivered, minLatency, "%.0f") })
	of(7, "STARTTLS and AUTH on kept connections: at least 80 % of the rate in clear", "tls", "e2e-20",
		func(t target, s, b sample) target { return t.least(100*s.Delivered/b.Delivered, 80, "%.0f %%") })
	ratio(7, "tls-once", 2, "one message for each connection with STARTTLS and AUTH")
	var long deferredResult
	known := r.get("deferred-1000000", &long)
	add(8, "1,000,000 deferred: memory under 300 MB", known, func(t target) target { return t.most(float64(long.RSS>>20), 300, "%.0f MB") })
	add(8, "ready within 5 s after a stop", known, func(t target) target { return t.most(long.Ready/1000, 5, "%.2f s") })
	add(8, "ready within 5 s after a kill", known, func(t target) target { return t.most(long.Recovered/1000, 5, "%.2f s") })
	add(8, "accept rate within 10 % of that of an empty queue", known, func(t target) target { return t.most(100*long.Loss, 10, "%.1f %% less") })
	add(8, "`queue list` in constant memory (32 MB more at most)", known && long.Listed >= long.Messages,
		func(t target) target { return t.most(float64(long.ListServer>>20), 32, "%.0f MB more") })
	var churn churnResult
	known = r.get("churn", &churn) && churn.growth() > 0
	add(8, "the data on the last day of a week's churn at most a quarter more than on its first", known, func(t target) target {
		return t.most(churn.growth(), maxChurn, "%.2f times")
	})
	for _, kind := range []string{"connections", "domains", "accounts"} {
		var steps []growStep
		known := r.get("grow-"+kind, &steps) && len(steps) > 1
		add(9, kind+": no step tenfold more than doubles CPU for a message", known, func(t target) target {
			worst := 0.0
			for _, s := range steps {
				worst = max(worst, s.Growth)
			}
			return t.most(worst, maxGrowth, fmt.Sprintf("%%.2f times at most, to %d", steps[len(steps)-1].N))
		})
	}
	var idle idleResult
	known = r.get("idle", &idle)
	add(10, "idle: under 40 MB", known, func(t target) target { return t.most(float64(idle.RSS>>20), 40, "%.0f MB") })
	add(10, "no more than a few wake-ups a second", known, func(t target) target { return t.most(idle.WakeUps, maxIdleWakeUps, "%.1f") })
	add(10, "10,000 idle TLS connections under 500 MB", known && idle.Connections >= 10_000,
		func(t target) target { return t.most(float64(idle.WithPeak>>20), 500, "%.0f MB") })
	return all
}

// medians gives those of a server, by row.
func (r *results) medians(server string) map[string]sample {
	all := map[string]sample{}
	for _, l := range lines(r.Samples) {
		if l.Server == server {
			all[l.Row] = l.sample
		}
	}
	return all
}

// fraction is a number with more digits behind its point than mean something.
var fraction = regexp.MustCompile(`\d+\.\d{3,}`)

// figures shows what a named command found: a line for it, or for each of its
// steps.
func figures(raw json.RawMessage) ([]string, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, err
	}
	text := fraction.ReplaceAllStringFunc(b.String(), func(s string) string {
		v, _ := strconv.ParseFloat(s, 64) // it looks like one
		return fmt.Sprintf("%.3g", v)
	})
	var all []string
	for item := range strings.SplitSeq(strings.Trim(text, "[]"), "},{") {
		item = strings.NewReplacer("{", "", "}", "", `"`, "", "_", " ", ":", " ", "[", "", "]", "", ",", ", ").Replace(item)
		all = append(all, item)
	}
	return all, nil
}
