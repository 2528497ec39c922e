package submission

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	accepted prometheus.Counter
	octets   prometheus.Counter
	refused  *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		accepted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_submission_accepted_total", Help: "Messages accepted, on stable storage."}),
		octets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_submission_octets_total", Help: "Octets of content accepted."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_submission_refused_total", Help: "Messages refused, by the rule that did it."},
			[]string{"reason"}),
	}
	if r != nil {
		r.MustRegister(m.accepted, m.octets, m.refused)
	}
	return m
}
