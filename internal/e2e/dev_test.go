//go:build e2e

package e2e_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
)

// What a newcomer does: start sesame dev, paste the lines that it prints, and
// see the messages.
func TestDev(t *testing.T) {
	need(t, "swaks")
	state := t.TempDir()
	started := time.Now()
	r, w := io.Pipe()
	cmd := exec.Command(binary(t), "dev", "--state", state, "--port-offset", devOffset(t))
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	p, err := mta.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(25 * time.Second) })

	lines := make(chan string, 100)
	go func() { // ends with the process
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	next := func() string {
		select {
		case line := <-lines:
			return line
		case <-time.After(20 * time.Second):
			t.Fatal("sesame dev does not print what to paste")
			return ""
		}
	}
	next()
	if d := time.Since(started); d > 2*time.Second {
		t.Errorf("first line after %s, want less than 2s", d)
	}
	paste := map[string]string{}
	for len(paste) < 2 {
		line := strings.TrimSpace(next())
		for _, program := range []string{"swaks --", "python3 -c"} {
			if strings.HasPrefix(line, program) {
				paste[program] = line
			}
		}
	}
	program(t, "", nil, nil, "sh", "-c", paste["swaks --"])
	program(t, "", nil, nil, "sh", "-c", paste["python3 -c"])

	out := program(t, "", nil, nil, binary(t), "dev", "inbox", "--json", "--state", state)
	dec := json.NewDecoder(strings.NewReader(out))
	n := 0
	for dec.More() {
		var m map[string]any
		if err := dec.Decode(&m); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		n++
		if m["subject"] != "hello" {
			t.Errorf("inbox shows %v, want the subject hello", m)
		}
	}
	if n != 2 {
		t.Errorf("inbox shows %d messages, want both in\n%s", n, out)
	}
}

// devOffset gives a number for --port-offset with which the ports are free.
func devOffset(t *testing.T) string {
	t.Helper()
	for offset := 20000; offset < 60000; offset += 100 {
		if free(offset+2587) && free(offset+2465) {
			return strconv.Itoa(offset)
		}
	}
	t.Fatal("no free ports")
	return ""
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
