package dispatch

import (
	"cmp"
	"context"
	"time"

	"github.com/sesame-mta/sesame/delivery/route"
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
	case e.Due.After(now) && stoppedSender(e) != "":
		return site, senderStopped(senderKey{cmp.Or(site, "of "+e.Line.Domain), e.Line.Account, stoppedSender(e)}, e.Due)
	case e.Due.After(now) && e.Attempts == 0:
		return site, &mail.Limit{Name: mail.LimitQueueOnThrottle, Whose: "account " + e.Line.Account, Frees: e.Due}
	case e.Due.After(now):
		return site, schedule(e.Attempts, e.Due)
	case site == "":
		return site, nil
	}
	return site, inLine(slots)
}

// InForce gives what sources and senders wait for, the soonest to end first, at most
// most of each.
func (d *Dispatcher) InForce(most int) []*mail.Limit {
	var list []*mail.Limit
	rests := d.resting()
	for _, r := range rests[:min(len(rests), most)] {
		list = append(list, sourceRest(r))
	}
	stops := d.senders.all(d.o.Queue.Now())
	return append(list, stops[:min(len(stops), most)]...)
}

// Retry makes all queued entries that match due now, and ends what their sources
// and senders wait for: an operator who says so has mended something. It is for
// operators, in the place of Queue.Retry.
func (d *Dispatcher) Retry(ctx context.Context, f queue.Filter) (int, error) {
	if err := d.lift(ctx, f); err != nil {
		return 0, err
	}
	return d.o.Queue.Retry(ctx, f)
}

// liftTime is for finding the sites of what is retried, which are mostly known.
const liftTime = 10 * time.Second

// lift ends the pauses that hold what a filter matches. Those of sources are the
// server's, so an account alone does not end them.
func (d *Dispatcher) lift(ctx context.Context, f queue.Filter) error {
	ctx, cancel := context.WithTimeout(ctx, liftTime)
	defer cancel()
	if f.ID.IsZero() && f.Domain == "" {
		d.senders.lift("", f.Account)
		if f.Account == "" && d.o.Sources != nil {
			d.o.Sources.Wake("")
		}
		return nil
	}
	domains := map[string]string{f.Domain: f.Account}
	if one := f; !one.ID.IsZero() {
		one.Limit = 1000 // more recipients than a message has
		found, err := d.o.Queue.Find(ctx, one)
		if err != nil {
			return err
		}
		domains = make(map[string]string)
		for _, e := range found {
			domains[e.Line.Domain] = e.Line.Account
		}
	}
	for domain, account := range domains {
		r := d.known(ctx, domain)
		if r == nil {
			continue // there is no site to be refused by
		}
		d.senders.lift(place(r), account)
		if d.o.Sources != nil {
			d.o.Sources.Wake(r.Site)
		}
	}
	return nil
}

// known gives the route of a domain, looked up if need be; nil if there is none.
func (d *Dispatcher) known(ctx context.Context, domain string) *route.Route {
	d.mu.Lock()
	t := d.targets[domain]
	d.mu.Unlock()
	if t != nil && t.route != nil {
		return t.route
	}
	return d.resolve(ctx, domain).route
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
