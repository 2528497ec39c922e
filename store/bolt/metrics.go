package bolt

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/queue"
)

// metrics are what the store counts. Names and labels are closed sets.
type metrics struct {
	reg     prometheus.Registerer
	all     []prometheus.Collector
	commits prometheus.Histogram
	units   prometheus.Histogram
	appends *prometheus.CounterVec
	points  prometheus.Histogram
}

func newMetrics(s *Spool) *metrics {
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	m := &metrics{
		reg: s.opts.Metrics,
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sesame_store_commit_seconds", Help: "How long a group commit took, its sync included.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		units: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sesame_store_commit_units", Help: "How many calls shared a group commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}),
		appends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_store_appends_total", Help: "Appends by what came of them.",
		}, []string{"result"}),
	}
	m.points = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "sesame_store_checkpoint_seconds", Help: "How long it took to write the journal's changes into the database.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
	})
	m.all = []prometheus.Collector{
		m.commits, m.units, m.appends, m.points,
		gauge("sesame_store_free_bytes", "Room on disk that an append may still use.",
			func() float64 { return float64(s.room.free()) }),
		gauge("sesame_store_damaged_records", "Damaged records that were met since the start and passed over, 1000 at most.",
			func() float64 { return float64(s.damage.count()) }),
		gauge("sesame_store_kept_messages", "Records of final messages that are kept for what may come back.",
			func() float64 { return float64(s.kept().messages) }),
		gauge("sesame_store_kept_bytes", "Octets of the records of final messages that are kept.",
			func() float64 { return float64(s.kept().octets) }),
		gauge("sesame_store_reusable_bytes", "Room inside the database file.",
			func() float64 { return float64(s.room.pages()) }),
	}
	if m.reg != nil {
		for _, c := range m.all {
			if err := m.reg.Register(c); err != nil {
				s.log.Warn("metric not registered", "err", err)
			}
		}
	}
	return m
}

func (m *metrics) batch(units int, took time.Duration) {
	m.commits.Observe(took.Seconds())
	m.units.Observe(float64(units))
}

func (m *metrics) checkpointed(took time.Duration) { m.points.Observe(took.Seconds()) }

func (m *metrics) appended(err error) {
	result := "error"
	switch {
	case err == nil:
		result = "ok"
	case errors.Is(err, queue.ErrQuota):
		result = "quota"
	case errors.Is(err, queue.ErrFull):
		result = "full"
	}
	m.appends.WithLabelValues(result).Inc()
}

func (m *metrics) unregister() {
	if m.reg != nil {
		for _, c := range m.all {
			m.reg.Unregister(c)
		}
	}
}
