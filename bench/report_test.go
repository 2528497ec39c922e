package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// figures are two runs of one server, one of another, and a command's.
const figures = `{"machine": "a machine", "sync_ms": 0.2,
 "samples": [
  {"row": "e2e-20", "server": "sesame", "connections": 20, "accepted_per_second": 6000, "delivered_per_second": 5000, "cpu_seconds_per_1000": 0.2, "syncs_per_message": -1},
  {"row": "e2e-20", "server": "sesame", "connections": 20, "accepted_per_second": 6000, "delivered_per_second": 6000, "cpu_seconds_per_1000": 0.2, "syncs_per_message": -1},
  {"row": "e2e-20", "server": "postfix", "connections": 20, "accepted_per_second": 900, "delivered_per_second": 500, "cpu_seconds_per_1000": 1.0, "syncs_per_message": 1}],
 "left_out": {"rsa opensmtpd": "left out: it does not"},
 "named": {"latency": {"delivered_per_second": 1500.12345, "latency_ms": 200}}}`

func TestTheReportJudgesTheFigures(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.json"), filepath.Join(dir, "out.md")
	if err := os.WriteFile(in, []byte(figures), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("go", "run", ".", "report", "-json", in, "-out", out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 1 | 2 KB end to end at 20 connections: at least 10 times the rate of Postfix | 12.0 times | reached |",
		"at most a tenth of its CPU for a message | 0.200 of it | **100 % over** |",
		"| 6 | 200 ms to 25 sites over 500 connections: at least 2,000 messages a second | 1500 | **25 % short** |",
		"| - | not measured |",
		"|  | postfix | 20 | 900 | 500 | 0.00 | 0.00 | 1.000 | 0 | 1.00 | 0 | 1.0 |",
		"- `rsa`, opensmtpd: it does not",
		"- delivered per second 1.5e+03, latency ms 200",
		"Of 3 runs: ids lost 0",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the report has no %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", b)
	}
}
