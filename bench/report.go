package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

const reportHead = `# Performance

<!-- Made by go run ./bench report from the figures of make figures. -->

sesame beside the mail servers of Debian, each durable as shipped, in one run on one machine, in turns: medians of the runs of each row. Load, server and
sink share the machine. [bench/README.md](../bench/README.md) says what is measured and how; ` + "`make bench`" + ` takes the short table again.

- Machine: %s.
- Taken: %s.
- One data sync of 4 KB: %.2f ms. CPU of one signature by Go's library, on all processors at once: RSA-2048 %.2f ms, Ed25519 %.3f ms.

## What is aimed at

| | aim | measured | |
| --- | --- | --- | --- |
`

const reportTable = `
## Side by side

Rates are of messages, from the first octet sent to the last acknowledgement, or to the last message in the sink. CPU is user and system time of all processes of a
server; of Exim's, octets written leave out what processes wrote that nobody waited for, and RSS those that had ended. RSS is the most at any time, summed over
processes, so memory that they share counts in each. "Postfix = 1" compares what was delivered, or accepted where nothing is.

| row | server | connections | accepted/s | delivered/s | p50 ms | p99 ms | CPU s per 1,000 | octets written per message | syncs per message | RSS MB | Postfix = 1 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
`

// reportWhy says what is known of the aims that are hard to reach (ADR 0014 and 0016).
const reportWhy = `
Why, where it is not reached:

- *One connection.* From the last octet to the reply it takes half as long as Postfix: the sync, 37 µs from the content to the journal, 57 µs from the sync to the reply. The rest is
  the round trips of MAIL, RCPT and DATA, 40 to 50 µs each of which a sixth is ours, and longer for MAIL, since the message before is delivered then on the same two processors: server, client and sink need some 0.6 ms of one of them
  for a message. Without a delivery (row ` + "`accept-1`" + `) the rate is the bound of the dialogue itself.
- *RSA.* Signing takes 1.05 times a bare signature: beside it there are hashes and canonical form (13 µs) and what a processor's cache loses to the dialogue. The rest is syncs: at the pace of signatures fewer messages share one.
  Go's RSA takes 1.0 ms where OpenSSL's takes 0.25; why that is not linked in is in ADR 0014.
- *A webhook that hangs.* With mail signed as shipped it costs nothing that can be measured (` + "`hanging-webhook`" + ` below). Bare, at five times that pace, two events a message are a tenth of the machine: 0.9 KB more to keep for each
  message, 24 µs of CPU, and checkpoints of what piles up. Nothing waits for the webhook.
`

// runReport writes docs/performance.md.
func runReport(_ context.Context, args []string) error {
	f := flag.NewFlagSet("report", flag.ContinueOnError)
	file := f.String("json", "dist/bench.json", "file with the figures")
	out := f.String("out", "docs/performance.md", "file to write; - is standard output")
	if err := f.Parse(args); err != nil {
		return err
	}
	r, err := readResults(*file)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := write(&b, r); err != nil {
		return err
	}
	if *out == "-" {
		_, err := os.Stdout.WriteString(b.String())
		return err
	}
	return os.WriteFile(*out, []byte(b.String()), 0o644)
}

func write(w io.Writer, r *results) error {
	fmt.Fprintf(w, reportHead, r.Machine, r.Taken.Format("2 January 2006"), r.Sync, r.RSA, r.Ed25519)
	line := 0
	for _, t := range judge(r) {
		number := ""
		if t.line != line {
			line, number = t.line, fmt.Sprint(t.line)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", number, t.aim, t.measured, t.result)
	}
	fmt.Fprint(w, reportWhy, reportTable)
	row := ""
	for _, l := range lines(r.Samples) {
		cells := l.cells()
		if l.Row == row {
			cells[0] = ""
		} else {
			row = l.Row
			cells[0] = fmt.Sprintf("%s (`%s`)", l.title, l.Row)
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
	runs, lost, doubled, torn, refused, broken := 0, 0, 0, int64(0), int64(0), int64(0)
	for _, s := range r.Samples {
		runs++
		lost, doubled, torn, refused, broken = lost+s.Lost, doubled+s.Doubled, torn+s.Torn, refused+s.Refused, broken+s.Broken
	}
	fmt.Fprintf(w, "\nOf %d runs: ids lost %d, doubled %d; messages torn %d, refused %d; connections broken %d.\n", runs, lost, doubled, torn, refused, broken)
	if len(r.LeftOut) > 0 {
		fmt.Fprint(w, "\nLeft out:\n\n")
		for _, name := range slices.Sorted(maps.Keys(r.LeftOut)) {
			row, server, _ := strings.Cut(name, " ")
			fmt.Fprintf(w, "- `%s`, %s: %s\n", row, server, strings.TrimPrefix(r.LeftOut[name], errLeftOut.Error()+": "))
		}
	}
	fmt.Fprint(w, "\n## What takes longer\n")
	for _, name := range slices.Sorted(maps.Keys(r.Named)) {
		items, err := figures(r.Named[name])
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n`%s`:\n\n", name)
		for _, item := range items {
			fmt.Fprintf(w, "- %s\n", item)
		}
	}
	fmt.Fprint(w, "\n## Settings\n\nThose of the row `e2e-20`; others differ in what they measure (`bench/*.go`). The rest is as shipped.\n")
	for _, name := range []string{"sesame", "postfix", "exim", "opensmtpd"} {
		if text, ok := r.Settings[name+" e2e-20"]; ok {
			fmt.Fprintf(w, "\n### %s\n\n```\n%s\n```\n", name, strings.TrimSpace(text))
		}
	}
	return nil
}
