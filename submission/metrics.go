package submission

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/mail"
)

type metrics struct {
	accepted prometheus.Counter
	repeated prometheus.Counter
	octets   prometheus.Counter
	// unrendered are those that are no mail.
	unrendered prometheus.Counter
	refused    *prometheus.CounterVec
	limited    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		accepted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_submission_accepted_total", Help: "Messages accepted, on stable storage."}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_submission_repeated_total", Help: "Messages that were here before, by the key of their client."}),
		octets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_submission_octets_total", Help: "Octets of content accepted."}),
		unrendered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_submission_unrendered_total", Help: "Messages accepted whose template could not be filled, so that there is no mail."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_submission_refused_total", Help: "Messages refused, by the rule that did it."},
			[]string{"reason"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_submission_limited_total", Help: "Messages refused for now or put off, by the limit that did it."},
			[]string{"limit"}),
	}
	for _, name := range mail.EntryLimits() {
		m.limited.WithLabelValues(string(name))
	}
	if r != nil {
		r.MustRegister(m.accepted, m.repeated, m.octets, m.unrendered, m.refused, m.limited)
	}
	return m
}

// limit counts a limit; nil is none.
func (m *metrics) limit(l *mail.Limit) {
	if l != nil {
		m.limited.WithLabelValues(string(l.Name)).Inc()
	}
}
