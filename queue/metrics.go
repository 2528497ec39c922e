package queue

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// register puts the queue's gauges on a registry; nil is none. They are read
// from the queue when they are asked for.
func (q *Queue) register(r prometheus.Registerer) {
	if r == nil {
		return
	}
	depth := func(state string, count func(Depth) int64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "sesame_queue_depth",
			Help:        "Recipients in the queue, by state.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(count(q.spool.Depth())) }))
	}
	depth("queued", func(d Depth) int64 { return d.Recipients - d.Held })
	depth("held", func(d Depth) int64 { return d.Held })
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sesame_queue_messages",
			Help: "Messages in the queue.",
		}, func() float64 { return float64(q.spool.Depth().Messages) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sesame_queue_oldest_seconds",
			Help: "How long the oldest due entry has waited for its attempt.",
		}, func() float64 { return q.Oldest().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sesame_queue_lines",
			Help: "Lines (account and domain) with something to deliver.",
		}, func() float64 {
			q.mu.Lock()
			defer q.mu.Unlock()
			return float64(len(q.lines))
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sesame_queue_loaded",
			Help: "Due entries kept in memory.",
		}, func() float64 {
			q.mu.Lock()
			defer q.mu.Unlock()
			return float64(q.loaded)
		}),
	)
}

// Oldest gives how long the oldest due entry that is not on lease has waited.
func (q *Queue) Oldest() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.Now()
	first := now
	for _, l := range q.lines {
		if len(l.units) > 0 {
			first = earlier(first, l.units[0].entries[0].Due)
		}
		if !l.disk.IsZero() {
			first = earlier(first, l.disk)
		}
	}
	return now.Sub(first)
}
