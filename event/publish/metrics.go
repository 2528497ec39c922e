package publish

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/account/destination"
)

// metrics count by kind of destination.
type metrics struct {
	told, failures, parked, skipped, unreadable *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, p *Publisher) metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"kind"})
	}
	m := metrics{
		told:     counter("sesame_event_told_total", "Events that a destination took."),
		failures: counter("sesame_event_failures_total", "Times that a destination refused events or could not be reached."),
		parked:   counter("sesame_event_parked_total", "Destinations parked since they took nothing for too long."),
		skipped:  counter("sesame_event_skipped_total", "Events not kept for a destination, since it was parked."),
		unreadable: counter("sesame_event_unreadable_total",
			"Events that could not be written in the form of a destination, which was told of their numbers alone; each try counts."),
	}
	if r != nil {
		r.MustRegister(m.told, m.failures, m.parked, m.skipped, m.unreadable, &lag{p: p, desc: prometheus.NewDesc(
			"sesame_event_lag_seconds", "Age of the oldest event that waits for a destination, parked ones left out.", []string{"kind"}, nil)})
	}
	return m
}

// lag tells, when it is asked, the age of the oldest event of each kind.
type lag struct {
	p    *Publisher
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (l *lag) Describe(ch chan<- *prometheus.Desc) { ch <- l.desc }

// Collect implements prometheus.Collector.
func (l *lag) Collect(ch chan<- prometheus.Metric) {
	ages := map[destination.Kind]float64{}
	l.p.mu.Lock()
	for _, w := range l.p.workers {
		age := 0.0
		if at := w.oldest.Load(); at != 0 {
			age = max(0, time.Since(time.UnixMilli(at)).Seconds())
		}
		ages[w.d.Kind] = max(ages[w.d.Kind], age)
	}
	l.p.mu.Unlock()
	for kind, age := range ages {
		ch <- prometheus.MustNewConstMetric(l.desc, prometheus.GaugeValue, age, string(kind))
	}
}
