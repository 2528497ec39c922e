package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	calls *prometheus.CounterVec
	took  prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_api_calls_total",
			Help: "Calls of the HTTP API, by version (1, 2 or sns) and class of status.",
		}, []string{"version", "class"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "sesame_api_call_seconds",
			Help:    "Time from the header of a call to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
	}
	if r != nil {
		r.MustRegister(m.calls, m.took)
	}
	return m
}

func (m metrics) call(version string, status int, took time.Duration) {
	m.calls.WithLabelValues(version, strconv.Itoa(status/100)+"xx").Inc()
	m.took.Observe(took.Seconds())
}
