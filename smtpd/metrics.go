package smtpd

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/mail"
)

// metrics are the room's. All label values are from closed sets.
type metrics struct {
	connections prometheus.Counter
	turnedAway  prometheus.Counter
	sessions    prometheus.Gauge
	messages    *prometheus.CounterVec
	strangers   *prometheus.CounterVec
	auths       *prometheus.CounterVec
	submit      prometheus.Histogram
	limited     *prometheus.CounterVec
	unwritten   prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		connections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_smtpd_connections_total", Help: "Connections that were served.",
		}),
		turnedAway: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_smtpd_connections_refused_total", Help: "Connections over the limits.",
		}),
		sessions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sesame_smtpd_sessions", Help: "Connections that are open.",
		}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_smtpd_messages_total", Help: "Messages, by what the client was told: accepted, refused, deferred; or aborted by it.",
		}, []string{"result"}),
		strangers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_smtpd_inbound_total", Help: "Messages of strangers, by what they were told: accepted, refused, deferred; or aborted by them.",
		}, []string{"result"}),
		auths: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_smtpd_auth_total", Help: "Attempts to authenticate: success, invalid, malformed, temporary.",
		}, []string{"result"}),
		submit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sesame_smtpd_submit_seconds", Help: "From the start of the content to the verdict.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_smtpd_limited_total", Help: "Clients refused or slowed down, by the limit that did it.",
		}, []string{"limit"}),
		unwritten: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_smtpd_refusals_unwritten_total", Help: "Refusals that are neither in the log nor in the trace, since there were too many.",
		}),
	}
	for _, name := range mail.DoorLimits() {
		m.limited.WithLabelValues(string(name))
	}
	if r != nil {
		r.MustRegister(m.connections, m.turnedAway, m.sessions, m.messages, m.strangers, m.auths, m.submit, m.limited, m.unwritten)
	}
	return m
}

func (m *metrics) message(result string) { m.messages.WithLabelValues(result).Inc() }

func (m *metrics) inbound(result string) { m.strangers.WithLabelValues(result).Inc() }

func (m *metrics) auth(result string) { m.auths.WithLabelValues(result).Inc() }

// reply counts a message by the desk's reply.
func (m *metrics) reply(r *mail.Reply) {
	if r.Temporary() {
		m.message("deferred")
	} else {
		m.message("refused")
	}
}

// limit counts a limit; nil is none.
func (m *metrics) limit(l *mail.Limit) {
	if l != nil {
		m.limited.WithLabelValues(string(l.Name)).Inc()
	}
}
