//go:build e2e

package e2e_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
)

// kills is how often TestKill kills; make crash sets it.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SESAME_KILLS")
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The server is killed at random moments while small and large messages come
// and go. Whatever it acknowledged is delivered in the end, and whole; what was
// in flight may come twice.
func TestKill(t *testing.T) {
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true, Defer: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer sk.Close()
	s := newSesame(t, settings{
		port:     portOf(t, sk.Addr()),
		listen:   `trusted_networks = ["127.0.0.0/8"]`,
		delivery: "per_destination = 50",
	})
	s.verify("example.com")

	n := kills(t)
	var acknowledged []string
	for i := range n {
		acknowledged = append(acknowledged, loadAndEnd(t, s, i, s.process.Kill)...)
		s.start()
	}
	t.Logf("%d kills, %d messages acknowledged", n, len(acknowledged))
	if len(acknowledged) < n {
		t.Fatalf("only %d messages acknowledged in %d rounds: nothing was tested", len(acknowledged), n)
	}

	lost, doubled := settled(t, sk, acknowledged)
	if len(lost) > 0 {
		t.Errorf("%d of %d acknowledged messages lost, such as %s", len(lost), len(acknowledged), lost[0])
	}
	if torn := sk.Count().Torn; torn > 0 {
		t.Errorf("%d messages torn", torn)
	}
	t.Logf("%d came twice or more", len(doubled))

	s.process.Stop(25 * time.Second)
	if _, err := s.command("check", "--data-dir", s.data); err != nil {
		t.Errorf("invariants: %v", err)
	}
}

// A clean stop under load loses nothing and repeats nothing.
func TestStop(t *testing.T) {
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true, Defer: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer sk.Close()
	s := newSesame(t, settings{port: portOf(t, sk.Addr()), listen: `trusted_networks = ["127.0.0.0/8"]`})
	s.verify("example.com")
	var acknowledged []string
	for i := range 3 {
		acknowledged = append(acknowledged, loadAndEnd(t, s, i, func() { s.process.Stop(25 * time.Second) })...)
		if err := s.process.Err; err != nil {
			t.Errorf("the server ended with %v, want success", err)
		}
		s.start()
	}
	lost, doubled := settled(t, sk, acknowledged)
	if len(lost)+len(doubled) > 0 || len(acknowledged) < 3 {
		t.Errorf("%d acknowledged, %d lost, %d doubled", len(acknowledged), len(lost), len(doubled))
	}
}

// settled waits until all that was acknowledged has come.
func settled(t *testing.T, sk *sink.Sink, acknowledged []string) (lost, doubled []string) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	lost, doubled = sk.Check(acknowledged)
	for len(lost) > 0 && time.Now().Before(deadline) {
		tick(t, 50*time.Millisecond)
		lost, doubled = sk.Check(acknowledged)
	}
	return lost, doubled
}

// loadAndEnd sends for some time, ends the server under the load and gives what
// had been acknowledged.
func loadAndEnd(t *testing.T, s *sesame, round int, end func()) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	options := []load.Options{
		{Connections: 10, Size: 2048, Recipients: 2, Pipelining: true},
		{Connections: 2, Size: 300_000, Pipelining: true, Chunking: true},
		{Connections: 2, Size: 20_000, PerConnection: 3},
	}
	results := make([]*load.Result, len(options))
	var wg sync.WaitGroup
	for i, o := range options {
		o.Addr = s.addr
		o.Run = "k" + strconv.Itoa(round) + "-" + strconv.Itoa(i)
		o.Duration = 30 * time.Second
		o.Reconnect = true
		wg.Go(func() {
			// Broken connections are what these tests are about.
			results[i], _ = load.Run(ctx, o)
		})
	}
	tick(t, time.Duration(100+rand.IntN(900))*time.Millisecond)
	end()
	cancel()
	wg.Wait()
	var all []string
	for _, r := range results {
		all = append(all, r.Acknowledged...)
	}
	return all
}

// tick lets time pass, as long as the test lasts.
func tick(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
