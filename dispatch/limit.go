package dispatch

import (
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Holding tells, for operators, which site an entry's mail goes to, as far as it is
// known, and which limit holds it; nil if it is under way, or has only to be looked
// up.
func (d *Dispatcher) Holding(e queue.Entry) (site string, l *mail.Limit) {
	now := d.o.Queue.Now()
	d.mu.Lock()
	if t := d.targets[e.Line.Domain]; t != nil && t.route != nil {
		site = t.site
	}
	inLine := d.inLine(site)
	d.mu.Unlock()
	slots, wait := 0, time.Duration(0)
	if site != "" {
		slots, wait = d.o.Limiter.Allow(site, now)
	}
	down := site != "" && slots == 0 && now.Add(wait).After(e.Due)
	switch {
	case e.State == queue.Held:
		return site, &mail.Limit{Name: mail.LimitHeld, Whose: "operator"}
	case d.o.Queue.Leased(e):
		return site, nil
	case down:
		return site, siteDown(site, now.Add(wait))
	case e.Due.After(now) && e.Attempts == 0:
		return site, &mail.Limit{Name: mail.LimitQueueOnThrottle, Whose: "account " + e.Line.Account, Frees: e.Due}
	case e.Due.After(now):
		return site, schedule(e.Attempts, e.Due)
	case site == "":
		return site, nil
	}
	return site, inLine(slots)
}

// inLine gives what keeps a site from beginning one more attempt, for the number of
// those that it may have. The lock is held, but not when that is called.
func (d *Dispatcher) inLine(name string) func(slots int) *mail.Limit {
	s := d.sites[name]
	if s == nil {
		return func(int) *mail.Limit { return nil }
	}
	of := func(name mail.LimitName, whose string, used, limit int) *mail.Limit {
		return &mail.Limit{Name: name, Whose: whose, Used: float64(used), Max: float64(limit), Unit: "attempts at once"}
	}
	at := *s
	free, others, most := d.free, d.others, d.o.Concurrency
	return func(slots int) *mail.Limit {
		switch {
		case at.workers >= slots:
			return of(mail.LimitSiteConcurrency, "site "+at.name, at.workers, slots)
		case at.waiting && free <= 0:
			return of(mail.LimitConcurrency, "server", most, most)
		case at.waiting && !at.proven:
			return of(mail.LimitUnprovenSites, "server", others, most-most/reserved)
		}
		return nil
	}
}

func siteDown(site string, until time.Time) *mail.Limit {
	return &mail.Limit{Name: mail.LimitSiteDown, Whose: "site " + site, Frees: until}
}

// schedule is the pause that follows an attempt.
func schedule(attempts int, due time.Time) *mail.Limit {
	return &mail.Limit{Name: mail.LimitRetry, Whose: "recipient", Used: float64(attempts), Unit: "attempts", Frees: due}
}

// limit gives what puts a deferred recipient off: what its reply names, else the
// schedule; nil for others.
func (v *verdict) limit() *mail.Limit {
	if v.settled.Result != mail.Deferred {
		return nil
	}
	named := mail.LimitOf(v.outcome.Reply.Cause)
	if named == nil {
		return schedule(v.settled.Attempts, v.settled.Due)
	}
	l := *named
	l.Frees = v.settled.Due
	return &l
}
