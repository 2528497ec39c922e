package trace

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	records prometheus.Counter
	dropped prometheus.Counter
	octets  prometheus.Counter
	failed  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "sesame", Subsystem: "trace", Name: name, Help: help})
	}
	m := metrics{
		records: counter("records_total", "Records kept."),
		dropped: counter("dropped_total", "Records lost, under pressure or for want of a disk."),
		octets:  counter("octets_total", "Octets written."),
		failed:  counter("write_failures_total", "Blocks that could not be written."),
	}
	if reg != nil {
		reg.MustRegister(m.records, m.dropped, m.octets, m.failed)
	}
	return m
}
