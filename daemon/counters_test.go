package daemon_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/internal/testmx"
)

func TestEventsOfASetAreCountedByItsDimensions(t *testing.T) {
	r := newRelay(t, testmx.Options{Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Rcpt && strings.Contains(e.Line, "nobody@") {
			return testmx.Action{Text: "550 5.1.1 no such user"}
		}
		return testmx.Action{}
	}}, withEvents(t.TempDir()))
	r.createSet("main", admin.SetChange{})
	r.createDestination(admin.NewDestination{DestinationName: named("graphs"), Kind: "metrics", Dimensions: []destination.Dimension{
		{Name: "campaign", Source: destination.MessageTag, Default: "none"}, {Name: "X-Team", Source: destination.EmailHeader, Default: "nobody"}}})
	const set = "X-SES-CONFIGURATION-SET: main"
	r.mustSend("bob@example.net", letter(set, "X-SES-MESSAGE-TAGS: campaign=spring", "X-Team: blue"))
	r.mustSend("nobody@example.net", letter(set))
	r.mustSend("bob@example.net", letter()) // of no set
	r.empty()
	const begin = `sesame_event_counts_total{account="000000000001",configuration_set="main",destination="graphs",`
	for _, want := range []string{
		begin + `dimension_X_Team="blue",dimension_campaign="spring",event="send"} 1`,
		begin + `dimension_X_Team="blue",dimension_campaign="spring",event="delivery"} 1`,
		begin + `dimension_X_Team="nobody",dimension_campaign="none",event="bounce"} 1`,
	} {
		r.until("the metrics have "+want, func() bool { return strings.Contains(r.metrics(), want+"\n") })
	}
	if n := strings.Count(r.metrics(), begin); n != 4 {
		t.Errorf("%d series", n)
	}
}

// A webhook that takes each request and never answers holds up nothing: not the mail
// under its own set, nor another destination of it.
func TestAHangingWebhookHoldsUpNothing(t *testing.T) {
	dir := t.TempDir()
	r := newRelay(t, testmx.Options{}, withEvents(dir))
	r.createSet("main", admin.SetChange{})
	end, asked := make(chan struct{}), make(chan struct{}, 100)
	h := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		asked <- struct{}{}
		select {
		case <-end:
		case <-req.Context().Done():
		}
	}))
	t.Cleanup(h.Close)
	t.Cleanup(func() { close(end) })
	r.createDestination(admin.NewDestination{DestinationName: named("hangs"), Kind: "webhook", Target: h.URL})
	r.createDestination(admin.NewDestination{DestinationName: named("log"), Kind: "file", Target: "log.jsonl"})
	const n = 30
	for range n {
		r.mustSend("bob@example.net", letter("X-SES-CONFIGURATION-SET: main"))
	}
	<-asked
	r.arrived(n)
	r.empty()
	fileLines(t, filepath.Join(dir, "log.jsonl"), 2*n)
	if !strings.Contains(r.metrics(), `sesame_event_lag_seconds{kind="webhook"} `) {
		t.Error("the lag of the webhook is not shown")
	}
}
