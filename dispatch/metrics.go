package dispatch

import (
	"github.com/prometheus/client_golang/prometheus"

	reading "github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
)

type metrics struct {
	attempts   prometheus.Counter
	results    *prometheus.CounterVec
	failures   *prometheus.CounterVec
	expired    prometheus.Counter
	uncertain  prometheus.Counter
	retried    prometheus.Counter
	inFlight   prometheus.Gauge
	wait       prometheus.Histogram
	scans      *prometheus.CounterVec
	suppressed prometheus.Counter
	feedback   *prometheus.CounterVec
	limited    map[mail.LimitName]prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		attempts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_dispatch_attempts_total",
			Help: "Attempts: one message carried to one site, for one or more recipients.",
		}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_dispatch_outcomes_total",
			Help: "Outcomes of recipients, by result.",
		}, []string{"result"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_dispatch_failures_total",
			Help: "Failures of recipients, transient and permanent, by what the reply was about.",
		}, []string{"class"}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_dispatch_expired_total",
			Help: "Recipients given up because the message was too old.",
		}),
		uncertain: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_dispatch_uncertain_total",
			Help: "Recipients whose host hung up after the whole message, before its reply: sent again, and perhaps delivered twice.",
		}),
		retried: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_dispatch_commit_retries_total",
			Help: "Settlements that the spool did not take at once.",
		}),
		suppressed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sesame_dispatch_suppressed_total",
			Help: "Recipients not sent to because they are on a suppression list.",
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sesame_dispatch_in_flight",
			Help: "Attempts under way.",
		}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "sesame_dispatch_delivery_seconds",
			Help:    "Time from acceptance to delivery, by recipient.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30, 60, 300, 1800, 3600, 14400, 86400, 345600},
		}),
		scans: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_dispatch_scans_total",
			Help: "Messages shown to the scanner, by what it found; unknown is no answer.",
		}, []string{"verdict"}),
		feedback: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_dispatch_feedback_total",
			Help: "What came back for messages that had left, by the type of its event.",
		}, []string{"type"}),
	}
	for _, t := range []event.Type{event.Bounce, event.Complaint, event.Subscription} {
		m.feedback.WithLabelValues(t.String())
	}
	for _, result := range []mail.Result{mail.Delivered, mail.Deferred, mail.Failed} {
		m.results.WithLabelValues(result.String())
	}
	for _, class := range reading.Classes() {
		m.failures.WithLabelValues(class.String())
	}
	limited := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sesame_dispatch_limited_total",
		Help: "Recipients put off, and times that a site found no place for an attempt, by the limit that did it.",
	}, []string{"limit"})
	m.limited = make(map[mail.LimitName]prometheus.Counter)
	for _, name := range mail.ExitLimits() {
		m.limited[name] = limited.WithLabelValues(string(name))
	}
	if r != nil {
		r.MustRegister(m.attempts, m.results, m.failures, m.expired, m.uncertain, m.retried, m.inFlight, m.wait, m.scans, m.suppressed,
			m.feedback, limited)
	}
	return m
}

// limit counts a limit; nil is none.
func (m *metrics) limit(l *mail.Limit) {
	if l != nil {
		m.full(l.Name)
	}
}

// full counts a limit by its name.
func (m *metrics) full(name mail.LimitName) {
	if c := m.limited[name]; c != nil {
		c.Inc()
	}
}

// inForce registers how many pauses of sources and senders run.
func (m *metrics) inForce(r prometheus.Registerer, d *Dispatcher) {
	if r == nil {
		return
	}
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sesame_dispatch_sources_resting",
		Help: "Pairs of a source and a site that refused it, while it is not used there.",
	}, func() float64 { return float64(len(d.resting())) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sesame_dispatch_senders_stopped",
		Help: "Pairs of an identity and a site that refused it, while its mail waits for it.",
	}, func() float64 { return float64(len(d.senders.all(d.o.Queue.Now()))) }))
}
