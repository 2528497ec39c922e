// Package counters counts the events of configuration sets for Prometheus, by
// dimensions that the owner of a set chooses: what CloudWatch is to SES. It is a
// branch of event. It owns the series, whose number is bounded, and begins with
// none at each start. It keeps nothing on disk and does not know who watches.
package counters

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/event"
)

// Bounds of the series: senders choose the values.
const (
	MostSeries    = 1000   // of one destination
	MostAllSeries = 20_000 // of all
	// Other is what all dimensions are beyond them.
	Other = "other"
)

// Name is that of the metric.
const Name = "sesame_event_counts_total"

// Options is what Counters need; Log and Metrics may be nil.
type Options struct {
	// All gives the destinations that there are, now.
	All     func() []destination.Destination
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Counters counts. It is safe for concurrent use.
type Counters struct {
	o    Options
	over prometheus.Counter

	mu    sync.Mutex
	of    map[key]*group
	total int
}

// key is one destination; one that was made anew under an old name is another.
type key struct {
	destination.Owner
	name    string
	created time.Time
}

// group is the series of one destination.
type group struct {
	desc   *prometheus.Desc
	series map[string]*series // by event and values
	full   bool
}

type series struct {
	labels []string
	n      float64
}

// New makes counters and registers them.
func New(o Options) *Counters {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Counters{o: o, of: make(map[key]*group), over: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sesame_event_counts_over_total",
		Help: "Events counted with the values \"other\", since there were too many values.",
	})}
	if o.Metrics != nil {
		o.Metrics.MustRegister(c, c.over)
	}
	return c
}

// Count counts an event about n recipients for those of the destinations that are
// counters and want it. Mail gives the mail object, and is called when a dimension
// needs it; of one that cannot be read all dimensions have their defaults.
func (c *Counters) Count(list []destination.Destination, word string, n int, mail func() (*event.Mail, error)) {
	var m *event.Mail
	for i := range list {
		d := &list[i]
		if d.Kind != destination.Metrics || !d.Wants(word) {
			continue
		}
		values := make([]string, len(d.Dimensions))
		for j, x := range d.Dimensions {
			if m == nil {
				var err error
				if m, err = mail(); err != nil {
					m = &event.Mail{}
				}
			}
			values[j] = value(m, x)
		}
		c.add(d, word, values, float64(n))
	}
}

// value is what a dimension has for a message.
func value(m *event.Mail, d destination.Dimension) string {
	value := ""
	switch d.Source {
	case destination.MessageTag:
		if list := m.Tags[d.Name]; len(list) > 0 {
			value = list[0]
		}
	case destination.EmailHeader:
		for _, h := range m.Headers {
			if strings.EqualFold(h.Name, d.Name) {
				value = strings.TrimSpace(h.Value)
				break
			}
		}
	case destination.LinkTag:
	}
	if !destination.IsDimensionValue(value) {
		return d.Default
	}
	return value
}

func (c *Counters) add(d *destination.Destination, word string, values []string, n float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := key{d.Owner, d.Name, d.Created}
	g := c.of[k]
	if g == nil {
		labels := []string{"account", "configuration_set", "destination", "event"}
		for _, x := range d.Dimensions {
			labels = append(labels, x.Label())
		}
		g = &group{series: make(map[string]*series), desc: prometheus.NewDesc(Name,
			"Recipients of events under a configuration set, by the dimensions of its destination.", labels, nil)}
		c.of[k] = g
	}
	s := g.series[name(word, values)]
	if s == nil && len(values) > 0 && (len(g.series) >= MostSeries || c.total >= MostAllSeries) {
		// The events are few, so that these always find room.
		c.over.Inc()
		if !g.full {
			g.full = true
			c.o.Log.Warn("too many values of dimensions, others are counted as other", "account", d.Account, "text", d.Owner.String()+"/"+d.Name)
		}
		for i := range values {
			values[i] = Other
		}
		s = g.series[name(word, values)]
	}
	if s == nil {
		s = &series{labels: append([]string{d.Account, d.Set, d.Name, word}, values...)}
		g.series[name(word, values)] = s
		c.total++
	}
	s.n += n
}

func name(word string, values []string) string { return word + "\n" + strings.Join(values, "\n") }

// Describe implements prometheus.Collector. It tells nothing, since destinations
// differ in their labels.
func (c *Counters) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. It forgets destinations that are gone.
func (c *Counters) Collect(ch chan<- prometheus.Metric) {
	there := make(map[key]bool)
	for _, d := range c.o.All() {
		there[key{d.Owner, d.Name, d.Created}] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, g := range c.of {
		if !there[k] {
			c.total -= len(g.series)
			delete(c.of, k)
			continue
		}
		for _, s := range g.series {
			ch <- prometheus.MustNewConstMetric(g.desc, prometheus.CounterValue, s.n, s.labels...)
		}
	}
}
