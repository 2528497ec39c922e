package counters_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/counters"
	"github.com/sesame-mta/sesame/mail"
)

// counted makes a destination of the set main.
func counted(name string, dimensions ...destination.Dimension) destination.Destination {
	return destination.Destination{Owner: destination.Owner{Account: "000000000001", Set: "main"}, Name: name, Kind: destination.Metrics,
		Events: destination.Words(), Created: time.Unix(1e9, 0), Dimensions: dimensions}
}

func tag(name string) destination.Dimension {
	return destination.Dimension{Name: name, Source: destination.MessageTag, Default: "none"}
}

func object(t testing.TB, tags map[string][]string, headers ...event.Header) []byte {
	t.Helper()
	text, err := json.Marshal(event.Mail{Tags: tags, Headers: headers})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// set is what destinations there are.
type set struct {
	list []destination.Destination
	log  bytes.Buffer
	reg  *prometheus.Registry
	*counters.Counters
}

func open(list ...destination.Destination) *set {
	s := &set{list: list, reg: prometheus.NewRegistry()}
	s.Counters = counters.New(counters.Options{All: func() []destination.Destination { return s.list },
		Log: slog.New(slog.NewTextHandler(&s.log, nil)), Metrics: s.reg})
	return s
}

func (s *set) count(word string, n int, object []byte) {
	s.Count(s.list, word, n, func() (*event.Mail, error) { return event.ReadMail(mail.ID{}, "", object) })
}

func (s *set) wants(t *testing.T, lines ...string) {
	t.Helper()
	text := "# HELP sesame_event_counts_total Recipients of events under a configuration set, by the dimensions of its destination.\n" +
		"# TYPE sesame_event_counts_total counter\n" + strings.Join(lines, "\n") + "\n"
	if len(lines) == 0 {
		text = ""
	}
	if err := testutil.GatherAndCompare(s.reg, strings.NewReader(text), counters.Name); err != nil {
		t.Error(err)
	}
}

func ExampleCounters() {
	list := []destination.Destination{counted("graphs", tag("campaign"))}
	c := counters.New(counters.Options{All: func() []destination.Destination { return list }})
	c.Count(list, "send", 2, func() (*event.Mail, error) {
		return &event.Mail{Tags: map[string][]string{"campaign": {"spring"}}}, nil
	})
	fmt.Println(testutil.ToFloat64(c))
	// Output: 2
}

func TestDimensionsComeFromTagsAndHeaderFields(t *testing.T) {
	header := destination.Dimension{Name: "X-Team", Source: destination.EmailHeader, Default: "nobody"}
	link := destination.Dimension{Name: "button", Source: destination.LinkTag, Default: "top"}
	s := open(counted("graphs", tag("campaign"), tag("ses:source-ip"), header, link), counted("plain"))
	s.list[1].Events = []string{"send"}
	s.count("send", 2, object(t, map[string][]string{"campaign": {"spring"}, "ses:source-ip": {"192.0.2.7"}}, event.Header{Name: "x-team", Value: " blue "}))
	s.count("bounce", 1, object(t, map[string][]string{"campaign": {"not a value"}}, event.Header{Name: "X-Team", Value: "\xff"}))
	s.count("send", 1, nil)
	const labels = `sesame_event_counts_total{account="000000000001",configuration_set="main",destination=`
	s.wants(t,
		labels+`"graphs",dimension_X_Team="blue",dimension_button="top",dimension_campaign="spring",dimension_ses_source_ip="192.0.2.7",event="send"} 2`,
		labels+`"graphs",dimension_X_Team="nobody",dimension_button="top",dimension_campaign="none",dimension_ses_source_ip="none",event="bounce"} 1`,
		labels+`"graphs",dimension_X_Team="nobody",dimension_button="top",dimension_campaign="none",dimension_ses_source_ip="none",event="send"} 1`,
		labels+`"plain",event="send"} 3`)
}

func TestOnlyCountersThatLiveAndWantItCount(t *testing.T) {
	hook, off, other := counted("hook"), counted("off"), counted("other")
	hook.Kind, off.Disabled, other.Events = destination.Webhook, true, []string{"bounce"}
	s := open(hook, off, other)
	s.count("send", 1, nil)
	s.wants(t)
}

func TestTheNumberOfSeriesIsBounded(t *testing.T) {
	s := open(counted("graphs", tag("campaign")))
	for i := range 3 * counters.MostSeries {
		s.count("send", 1, object(t, map[string][]string{"campaign": {fmt.Sprint(i)}}))
	}
	s.count("bounce", 1, object(t, map[string][]string{"campaign": {"new"}}))
	s.count("send", 1, object(t, map[string][]string{"campaign": {"1"}}))
	sum, count, other := 0.0, 0, 0.0
	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch {
			case f.GetName() == "sesame_event_counts_over_total":
				if got := m.GetCounter().GetValue(); got != 2*counters.MostSeries+1 {
					t.Errorf("%v over", got)
				}
			case strings.Contains(m.String(), `"other"`):
				other += m.GetCounter().GetValue()
				fallthrough
			default:
				count++
				sum += m.GetCounter().GetValue()
			}
		}
	}
	if want := 3*counters.MostSeries + 2; int(sum) != want || count > counters.MostSeries+8 || int(other) != 2*counters.MostSeries+1 {
		t.Errorf("%d series hold %v of %d, other %v", count, sum, want, other)
	}
	if n := strings.Count(s.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings", n)
	}
}

func TestManyDestinationsHaveABoundTogether(t *testing.T) {
	s := open()
	for i := range 30 {
		s.list = append(s.list, counted(fmt.Sprint("graphs", i), tag("campaign")))
	}
	for i := range 900 {
		s.count("send", 1, object(t, map[string][]string{"campaign": {fmt.Sprint(i)}}))
	}
	if n := testutil.CollectAndCount(s.Counters); n > counters.MostAllSeries+30 {
		t.Errorf("%d series", n)
	}
	s.list = s.list[:1] // the others are deleted
	if n := testutil.CollectAndCount(s.Counters); n > counters.MostSeries {
		t.Errorf("%d series of one", n)
	}
	s.list[0].Created = time.Unix(2e9, 0) // made anew under its name
	s.count("send", 5, nil)
	s.wants(t, `sesame_event_counts_total{account="000000000001",configuration_set="main",destination="graphs0",dimension_campaign="none",event="send"} 5`)
}

func TestCountingIsSafeFromManySides(t *testing.T) {
	s := open(counted("graphs", tag("campaign")))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				s.count("send", 1, object(t, map[string][]string{"campaign": {fmt.Sprint(i % 3)}}))
				_, _ = s.reg.Gather()
			}
		})
	}
	wg.Wait()
	if n := testutil.CollectAndCount(s.Counters); n != 3 {
		t.Errorf("%d series", n)
	}
}
