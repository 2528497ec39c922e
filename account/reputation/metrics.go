package reputation

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// maxSeries bounds the accounts and sets that have metrics: those with the most
// mail. Names of sets are of letters, digits, hyphen and underscore.
const maxSeries = 500

func newChanged() *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sesame_account_reputation_changes_total",
		Help: "New states of accounts, identities and configuration sets.",
	}, []string{"state"})
	for s := Healthy; s <= Paused; s++ {
		c.WithLabelValues(s.String())
	}
	return c
}

// collector shows the ratings of accounts and configuration sets.
type collector struct{ *Book }

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("sesame_account_"+name, help+" The set is empty for the account as a whole.", []string{"account", "set"}, nil)
}

func bounceDesc() *prometheus.Desc {
	return describe("bounce_rate", "Hard bounces as a part of the mail that counts.")
}

func complaintDesc() *prometheus.Desc {
	return describe("complaint_rate", "Complaints as a part of the mail that counts.")
}

func stateDesc() *prometheus.Desc {
	return describe("reputation", "1 is healthy, 2 review, 3 severe, 4 paused.")
}

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	out <- bounceDesc()
	out <- complaintDesc()
	out <- stateDesc()
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	list := c.list(func(s Subject) bool { return s.Kind != Identity })
	slices.SortStableFunc(list, func(x, y Rating) int { return cmp.Compare(y.Bounces.Mails, x.Bounces.Mails) })
	for _, r := range list[:min(len(list), maxSeries)] {
		for desc, v := range map[*prometheus.Desc]float64{
			bounceDesc(): r.Bounces.Share(), complaintDesc(): r.Complaints.Share(), stateDesc(): float64(r.State),
		} {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, r.Account, r.Name)
		}
	}
}
