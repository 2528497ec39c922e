package delivery

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/mail"
)

// metrics counts what the carrier does.
type metrics struct {
	outcomes  *prometheus.CounterVec
	sessions  *prometheus.CounterVec
	opened    prometheus.Counter
	reused    prometheus.Counter
	failed    prometheus.Counter
	fallbacks prometheus.Counter
	dur       prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "sesame", Subsystem: "delivery", Name: name, Help: help,
		})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sesame", Subsystem: "delivery", Name: name, Help: help,
		}, []string{label})
	}
	m := &metrics{
		outcomes:  vec("outcomes_total", "Recipients by what an attempt came to.", "result"),
		sessions:  vec("sessions_total", "Sessions that got as far as mail, by TLS version.", "tls"),
		opened:    counter("connections_opened_total", "Connections made to remote hosts."),
		reused:    counter("connections_reused_total", "Attempts made over a kept connection."),
		failed:    counter("hosts_unreached_total", "Hosts of which no address answered."),
		fallbacks: counter("tls_fallbacks_total", "Hosts tried again in clear text after TLS failed."),
		dur: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "sesame", Subsystem: "delivery", Name: "attempt_seconds",
			Help:    "How long attempts took.",
			Buckets: prometheus.ExponentialBuckets(0.005, 4, 10),
		}),
	}
	if reg != nil {
		reg.MustRegister(m.outcomes, m.sessions, m.opened, m.reused, m.failed, m.fallbacks, m.dur)
	}
	return m
}

func (m *metrics) outcome(r mail.Result) { m.outcomes.WithLabelValues(r.String()).Inc() }

func (m *metrics) session(tls string) {
	if tls == "" {
		tls = "none"
	}
	m.sessions.WithLabelValues(tls).Inc()
}
