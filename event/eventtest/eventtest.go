// Package eventtest is what every destination of events must pass, and events to
// try it with. It is a branch of event and for tests only.
package eventtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
)

// Got is one event as the destination has it.
type Got struct {
	Seq  uint64
	JSON []byte
}

// Bench is a destination under test.
type Bench struct {
	// Open makes the sink; after Close it is made anew.
	Open func(t *testing.T) event.Sink
	// Got gives all that has arrived, in order.
	Got func(t *testing.T) []Got
	// Break makes the destination refuse everything, or heals it.
	Break func(t *testing.T, broken bool)
}

// Message gives the id of the n-th message.
func Message(t testing.TB, n int) mail.ID {
	t.Helper()
	m, err := mail.NewMinter(make([]byte, 32), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m.New(time.UnixMilli(1_770_000_000_000 + int64(n)))
}

// Records gives events of so many messages, a Send and a Delivery each, those of
// the messages mixed; seq is the number of the first.
func Records(t testing.TB, seq uint64, messages int) []event.Record {
	t.Helper()
	to, err := mail.ParseForwardPath("ann@example.net")
	if err != nil {
		t.Fatal(err)
	}
	var records []event.Record
	for _, kind := range []event.Type{event.Send, event.Delivery} {
		for n := range messages {
			e := event.Event{Type: kind, Message: Message(t, n), Account: "000000000001", Time: Message(t, n).Time(),
				Recipients: []event.Recipient{{To: to, Reply: mail.Reply{Code: 250, Text: fmt.Sprint("ok ", n)}}}}
			records = append(records, event.Record{Seq: seq + uint64(len(records)), Event: e})
		}
	}
	return records
}

// Run runs the contract. make is called for each test.
func Run(t *testing.T, make func(t *testing.T) Bench) {
	for name, f := range map[string]func(*testing.T, Bench){
		"all arrive, those of a message in order":    testAll,
		"a repeat is told by its number":             testRepeat,
		"what is refused is not said to be told":     testRefused,
		"what cannot be written holds up nothing":    testUnreadable,
		"a cancelled context ends it":                testCancelled,
		"it goes on where it was after being closed": testReopened,
	} {
		t.Run(name, func(t *testing.T) { f(t, make(t)) })
	}
}

func tell(t *testing.T, s event.Sink, records []event.Record) {
	t.Helper()
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	told, err := s.Tell(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(told)
	if !slices.Equal(told, numbers(records)) {
		t.Fatalf("told %v of %v", told, numbers(records))
	}
}

func numbers(records []event.Record) (seqs []uint64) {
	for _, r := range records {
		seqs = append(seqs, r.Seq)
	}
	return seqs
}

func shut(t *testing.T, s event.Sink) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func testAll(t *testing.T, b Bench) {
	s := b.Open(t)
	defer shut(t, s)
	records := Records(t, 1, 20)
	tell(t, s, records)
	got := b.Got(t)
	if len(got) != len(records) {
		t.Fatalf("%d arrived of %d", len(got), len(records))
	}
	last := map[string]string{}
	for _, g := range got {
		var e struct {
			EventType string
			Mail      struct{ MessageID string }
		}
		if err := json.Unmarshal(g.JSON, &e); err != nil {
			t.Fatalf("%v: %s", err, g.JSON)
		}
		r := records[g.Seq-1]
		if e.EventType != r.Event.Type.String() || e.Mail.MessageID != r.Event.Message.String() {
			t.Errorf("number %d came with %s", g.Seq, g.JSON)
		}
		if e.EventType == "Delivery" && last[e.Mail.MessageID] != "Send" {
			t.Errorf("the delivery of %s came after %q", e.Mail.MessageID, last[e.Mail.MessageID])
		}
		last[e.Mail.MessageID] = e.EventType
	}
}

func testRepeat(t *testing.T, b Bench) {
	s := b.Open(t)
	defer shut(t, s)
	records := Records(t, 7, 1)[:1]
	tell(t, s, records)
	tell(t, s, records)
	got := b.Got(t)
	if len(got) != 2 || got[0].Seq != 7 || got[1].Seq != 7 || string(got[0].JSON) != string(got[1].JSON) {
		t.Errorf("got %v", got)
	}
}

func testRefused(t *testing.T, b Bench) {
	b.Break(t, true)
	s := b.Open(t)
	defer shut(t, s)
	records := Records(t, 1, 3)
	if told, err := s.Tell(t.Context(), records); err == nil || len(told) > 0 {
		t.Errorf("told %v, %v", told, err)
	}
	b.Break(t, false)
	tell(t, s, records)
}

func testUnreadable(t *testing.T, b Bench) {
	s := b.Open(t)
	defer shut(t, s)
	records := Records(t, 1, 3)
	records[1].Event.Mail = []byte("{")
	records[2].Event.Type = 99
	tell(t, s, records)
	got := b.Got(t)
	if len(got) != len(records) {
		t.Fatalf("%d arrived of %d", len(got), len(records))
	}
	for _, g := range got {
		var e struct {
			EventType string
			Mail      struct {
				MessageID   string
				Destination []string
			}
			Unreadable struct{ EventType string }
		}
		if err := json.Unmarshal(g.JSON, &e); err != nil {
			t.Fatalf("%v: %s", err, g.JSON)
		}
		r := records[g.Seq-1]
		kind, was := r.Event.Type.String(), ""
		if g.Seq == 2 || g.Seq == 3 {
			kind, was = "Unreadable", kind
		}
		if e.EventType != kind || e.Unreadable.EventType != was || e.Mail.MessageID != r.Event.Message.String() ||
			!slices.Equal(e.Mail.Destination, []string{"ann@example.net"}) {
			t.Errorf("number %d came with %s", g.Seq, g.JSON)
		}
	}
}

func testCancelled(t *testing.T, b Bench) {
	s := b.Open(t)
	defer shut(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if told, err := s.Tell(ctx, Records(t, 1, 1)); err == nil || len(told) > 0 {
		t.Errorf("told %v, %v", told, err)
	}
}

func testReopened(t *testing.T, b Bench) {
	s := b.Open(t)
	tell(t, s, Records(t, 1, 1))
	shut(t, s)
	s = b.Open(t)
	defer shut(t, s)
	tell(t, s, Records(t, 3, 1))
	var seqs []uint64
	for _, g := range b.Got(t) {
		seqs = append(seqs, g.Seq)
	}
	if !slices.Equal(seqs, []uint64{1, 2, 3, 4}) {
		t.Errorf("got %v", seqs)
	}
}
