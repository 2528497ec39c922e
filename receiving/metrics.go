package receiving

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/mail/report"
)

// metrics are the room's. All label values are from closed sets.
type metrics struct {
	kinds     *prometheus.CounterVec
	results   *prometheus.CounterVec
	forwarded prometheus.Counter
}

var kinds = map[report.Kind]string{
	report.Bounced: "bounce", report.Complaint: "complaint", report.AutoReply: "auto_reply", report.Other: "other",
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		kinds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_receiving_messages_total", Help: "Mail that came to us, by what it is.",
		}, []string{"kind"}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_receiving_results_total",
			Help: "What came of it: told as a bounce or a complaint, taken back (not_spam), passed on (answer, role), not for too many of them (flood), unsigned, unmatched, unknown, dropped.",
		}, []string{"result"}),
		forwarded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_receiving_forwarded_total", Help: "Mails to senders about what came back.",
		}),
	}
	for _, k := range kinds {
		m.kinds.WithLabelValues(k)
	}
	for _, result := range []string{"bounce", "complaint", "not_spam", "answer", "role", "flood", "unsigned", "unmatched", "unknown", "dropped"} {
		m.results.WithLabelValues(result)
	}
	if r != nil {
		r.MustRegister(m.kinds, m.results, m.forwarded)
	}
	return m
}

func (m *metrics) received(k report.Kind) { m.kinds.WithLabelValues(kinds[k]).Inc() }

func (m *metrics) done(result string) { m.results.WithLabelValues(result).Inc() }
