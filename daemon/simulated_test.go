package daemon_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/trace"
)

// saidBySimulator is what is looked at of the events of spec section 9.
type saidBySimulator struct {
	EventType string `json:"eventType"`
	Mail      struct {
		Timestamp time.Time `json:"timestamp"`
	} `json:"mail"`
	Delivery struct {
		Timestamp  time.Time `json:"timestamp"`
		Recipients []string  `json:"recipients"`
	} `json:"delivery"`
	Bounce    map[string]any `json:"bounce"`
	Complaint map[string]any `json:"complaint"`
}

// eventsOf reads a file of events and gives their types and, by type, the events.
func eventsOf(t *testing.T, lines [][]byte) (types []string, by map[string]saidBySimulator) {
	t.Helper()
	by = make(map[string]saidBySimulator)
	for _, line := range lines {
		var e saidBySimulator
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		types = append(types, e.EventType)
		by[e.EventType] = e
	}
	return types, by
}

func TestTheSimulatorTellsTheEventsOfItsMailboxes(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, unwanted(), withEvents(dir))
	r.createSet("main", admin.SetChange{})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "a.jsonl"})
	name, n := filepath.Join(dir, "a.jsonl"), 0
	for _, test := range []struct {
		local string
		types []string
		code  string
	}{
		{"success", []string{"Send", "Delivery"}, ""},
		{"bounce+case7", []string{"Send", "Bounce"}, "smtp; 550 5.1.1 user unknown"},
		{"ooto", []string{"Send", "Delivery"}, ""},
		{"suppressionlist", []string{"Send", "Bounce"}, "smtp; 550 5.1.1 As requested: user unknown (suppressed address: suppressionlist@simulator.amazonses.com)"},
		{"nobody", []string{"Send", "Bounce"}, "smtp; 550 5.1.1 user unknown"},
		{"complaint+x", []string{"Send", "Delivery", "Complaint"}, ""},
	} {
		to := test.local + "@simulator.amazonses.com"
		r.mustSend(to, letter("X-SES-CONFIGURATION-SET: main"))
		types, by := eventsOf(t, fileLines(t, name, n+len(test.types))[n:])
		n += len(test.types)
		if !slices.Equal(types, test.types) {
			t.Errorf("%s: events %v, want %v", to, types, test.types)
			continue
		}
		if b := by["Bounce"].Bounce; b != nil {
			want := []any{map[string]any{"emailAddress": to, "action": "failed", "status": "5.1.1", "diagnosticCode": test.code}}
			if diff := cmp.Diff(want, b["bouncedRecipients"]); diff != "" || b["bounceType"] != "Permanent" || b["bounceSubType"] != "General" {
				t.Errorf("%s: %v\n%s", to, b, diff)
			}
		}
		c := by["Complaint"].Complaint
		if c == nil {
			continue
		}
		if id, _ := c["feedbackId"].(string); !idForm.MatchString("Ok " + id) {
			t.Errorf("feedbackId %v", c["feedbackId"])
		}
		delivered := by["Delivery"].Delivery
		after := delivered.Timestamp.Add(4 * time.Second).UTC().Format("2006-01-02T15:04:05.000Z")
		delete(c, "feedbackId")
		want := map[string]any{
			"complainedRecipients": []any{map[string]any{"emailAddress": to}}, "timestamp": after, "arrivalDate": after,
			"complaintSubType": nil, "userAgent": "sesame Mailbox Simulator", "complaintFeedbackType": "abuse",
		}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("complaint (-want +got):\n%s", diff)
		}
	}
	r.empty()
	if lines := fileLines(t, name, n); len(lines) != n {
		t.Errorf("%d events more", len(lines)-n)
	}
	// Later ones than these have been looked at when this one is on the list.
	r.mail("gone@example.net")
	r.until("a real one is suppressed", func() bool { return r.listed("default", "gone@example.net") })
	for _, local := range []string{"bounce+case7", "complaint+x", "nobody"} {
		if address := local + "@simulator.amazonses.com"; r.listed("default", address) || r.listed("", address) {
			t.Errorf("%s joined a suppression list", address)
		}
	}
	lines, text := r.life(admin.TraceQuery{To: "complaint+x@simulator.amazonses.com"})
	if last := lines[len(lines)-2]; last.Kind != trace.Returned || last.Text != "abuse by sesame Mailbox Simulator" ||
		last.Outcomes[0].Result != "Complaint" {
		t.Errorf("the trace does not end with the complaint and the mail that tells of it: %s", text)
	}
	if !strings.Contains(r.metrics(), `sesame_dispatch_feedback_total{type="Complaint"} 1`) {
		t.Error("the complaint is not counted")
	}
}

func TestASimulatedComplaintOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, testmx.Options{}, withEvents(dir))
	r.createSet("main", admin.SetChange{})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "a.jsonl"})
	r.mustSend("complaint@simulator.amazonses.com", letter("X-SES-CONFIGURATION-SET: main"))
	name := filepath.Join(dir, "a.jsonl")
	fileLines(t, name, 2)
	r.stop()
	if types, _ := eventsOf(t, fileLines(t, name, 2)); !slices.Equal(types, []string{"Send", "Delivery"}) {
		t.Fatalf("before the restart: %v", types)
	}
	r.start()
	if types, _ := eventsOf(t, fileLines(t, name, 3)); !slices.Equal(types, []string{"Send", "Delivery", "Complaint"}) {
		t.Errorf("events %v", types)
	}
	r.arrived(1) // the complaint by mail
	r.empty()
}
