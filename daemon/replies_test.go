package daemon_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

func TestWordsOfAHostReachTheEvents(t *testing.T) {
	dir := t.TempDir()
	var came atomic.Bool
	r := newRelay(t, testmx.Options{Script: func(e testmx.Event) testmx.Action {
		switch {
		case e.Stage != testmx.Rcpt:
		case strings.Contains(e.Line, "grey@") && !came.Swap(true):
			return testmx.Action{Text: "554 5.7.1 Greylisted, please try again in 1 second"}
		case strings.Contains(e.Line, "full@"):
			return testmx.Action{Text: "552 5.2.2 <full@example.net>: user is over quota"}
		}
		return testmx.Action{}
	}}, withEvents(dir), func(c *config.Config) { c.Delivery.Retry = []time.Duration{50 * time.Millisecond} })
	r.createSet("main", admin.SetChange{})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "log.jsonl", Events: []string{"bounce", "delivery", "delivery_delay"}})

	const set = "X-SES-CONFIGURATION-SET: main"
	r.mustSend("grey@example.net", letter(set))
	fileLines(t, filepath.Join(dir, "log.jsonl"), 2) // it waited, and was delivered
	r.mustSend("full@example.net", letter(set))
	var got []string
	for _, line := range fileLines(t, filepath.Join(dir, "log.jsonl"), 3) {
		var e struct {
			EventType string `json:"eventType"`
			Delay     struct {
				Type       string `json:"delayType"`
				Recipients []struct {
					Diagnostic string `json:"diagnosticCode"`
				} `json:"delayedRecipients"`
			} `json:"deliveryDelay"`
			Bounce struct {
				Type    string `json:"bounceType"`
				SubType string `json:"bounceSubType"`
			} `json:"bounce"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		said := e.EventType + " " + e.Delay.Type + e.Bounce.Type + e.Bounce.SubType
		for _, rcpt := range e.Delay.Recipients {
			said += " " + rcpt.Diagnostic
		}
		got = append(got, strings.TrimSpace(said))
	}
	want := []string{
		"DeliveryDelay General smtp; 554 5.7.1 Greylisted, please try again in 1 second",
		"Delivery",
		"Bounce TransientMailboxFull",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events:\n%s", strings.Join(got, "\n"))
	}
}
