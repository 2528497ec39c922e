//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/bench/sink"
)

// ledger is what one destination was told.
type ledger struct {
	mu    sync.Mutex
	types map[string]map[string]bool // by key of the load: Send, Delivery, ...
	seqs  map[uint64]bool
	last  uint64
	torn  int
}

// enter takes one event in.
func (l *ledger) enter(text []byte, seq uint64) {
	var e struct {
		EventType string
		Sequence  uint64
		Mail      struct {
			Headers []struct{ Name, Value string }
		}
		Delivery struct{ Recipients []string }
		Bounce   struct {
			BouncedRecipients []struct{ EmailAddress string }
		}
		Complaint struct {
			ComplainedRecipients []struct{ EmailAddress string }
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if json.Unmarshal(text, &e) != nil {
		l.torn++
		return
	}
	id := ""
	for _, h := range e.Mail.Headers {
		if h.Name == sink.IDField {
			id = h.Value
		}
	}
	seq = max(seq, e.Sequence)
	l.seqs[seq], l.last = true, max(l.last, seq)
	var about []string
	about = append(about, e.Delivery.Recipients...)
	for _, r := range e.Bounce.BouncedRecipients {
		about = append(about, r.EmailAddress)
	}
	for _, r := range e.Complaint.ComplainedRecipients {
		about = append(about, r.EmailAddress)
	}
	keys := []string{id} // of a Send
	for _, to := range about {
		keys = append(keys, sink.Key(id, to))
	}
	for _, k := range keys {
		if l.types[k] == nil {
			l.types[k] = make(map[string]bool)
		}
		l.types[k][e.EventType] = true
	}
}

// missing names what was acknowledged and not told in full.
func (l *ledger) missing(acknowledged, complained []string) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range acknowledged {
		id, _, _ := strings.Cut(k, " ")
		if !l.types[id]["Send"] || !l.types[k]["Delivery"] && !l.types[k]["Bounce"] {
			list = append(list, k)
		}
	}
	for _, k := range complained {
		if !l.types[k]["Delivery"] || !l.types[k]["Complaint"] {
			list = append(list, k)
		}
	}
	for n := uint64(1); n <= l.last; n++ {
		if !l.seqs[n] {
			list = append(list, fmt.Sprintf("number %d", n))
		}
	}
	return list
}

func newLedger() *ledger {
	return &ledger{types: make(map[string]map[string]bool), seqs: make(map[uint64]bool)}
}

// readFiles reads all that a file destination wrote.
func readFiles(t *testing.T, pattern string) *ledger {
	t.Helper()
	l := newLedger()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			l.enter(lines.Bytes(), 0)
		}
	}
	return l
}

// complain sends mail to the complaining mailbox until the server is gone, and
// gives what was acknowledged.
func complain(s *sesame, round int) (acknowledged []string) {
	c, err := smtp.Dial(s.addr)
	if err != nil {
		return nil
	}
	defer c.Close()
	for i := range 200 {
		id, to := fmt.Sprintf("c%d-%d", round, i), "complaint@simulator.amazonses.com"
		if c.Mail("bench@example.com") != nil || c.Rcpt(to) != nil {
			return acknowledged
		}
		w, err := c.Data()
		if err != nil {
			return acknowledged
		}
		if _, err := io.WriteString(w, "From: <bench@example.com>\r\n"+sink.IDField+": "+id+"\r\n\r\nhi\r\n"); err != nil || w.Close() != nil {
			return acknowledged
		}
		acknowledged = append(acknowledged, sink.Key(id, to))
	}
	return acknowledged
}

// The server is killed at random moments while it tells a file and a webhook what
// becomes of mail. Of every acknowledged message both hear in the end: that it was
// taken, what became of each recipient, and a complaint that came seconds after the
// delivery; and their numbers have no gaps.
func TestKillLosesNoEvent(t *testing.T) {
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true, Defer: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer sk.Close()
	posted := newLedger()
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		seq, serr := strconv.ParseUint(r.Header.Get("sesame-sequence"), 10, 64)
		if err == nil && serr == nil {
			posted.enter(body, seq)
		}
	}))
	defer web.Close()
	dir := filepath.Join(t.TempDir(), "events")
	s := newSesame(t, settings{
		port:   portOf(t, sk.Addr()),
		listen: `trusted_networks = ["127.0.0.0/8"]`,
		delivery: "per_destination = 50\n[events]\nfile_dir = " + strconv.Quote(dir) +
			"\nfile_rotate_bytes = 2000000\nallow_networks = [\"127.0.0.0/8\"]",
	})
	s.verify("example.com")
	s.run(nil, "configset", "create", "main")
	s.run(nil, "identity", "set", "example.com", "--configuration-set", "main")
	s.run(nil, "destination", "create", "--configuration-set", "main", "--name", "log", "--file", "e.jsonl")
	s.run(nil, "destination", "create", "--configuration-set", "main", "--name", "app", "--webhook", web.URL)

	var acknowledged, complained []string
	for i := range min(kills(t), 20) {
		var wg sync.WaitGroup
		var more []string
		wg.Go(func() { more = complain(s, i) })
		acknowledged = append(acknowledged, loadAndEnd(t, s, i, s.process.Kill)...)
		wg.Wait()
		complained = append(complained, more...)
		s.start()
	}
	if len(acknowledged) == 0 || len(complained) == 0 {
		t.Fatalf("%d and %d messages acknowledged: nothing was tested", len(acknowledged), len(complained))
	}
	var written *ledger
	for deadline := time.Now().Add(90 * time.Second); ; tick(t, 500*time.Millisecond) {
		written = readFiles(t, filepath.Join(dir, "e.jsonl*"))
		left := append(written.missing(acknowledged, complained), posted.missing(acknowledged, complained)...)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d messages and %d complaints %d are missing, such as %q", len(acknowledged), len(complained), len(left), left[0])
		}
	}
	t.Logf("%d recipients and %d complaints, %d events in the file, %d posted", len(acknowledged), len(complained), written.last, posted.last)
	if written.torn > kills(t) {
		t.Errorf("%d torn lines", written.torn)
	}
	s.process.Stop(25 * time.Second)
	if _, err := s.command("check", "--data-dir", s.data); err != nil {
		t.Errorf("invariants: %v", err)
	}
}
