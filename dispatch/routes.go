package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
)

// target is where the mail of a domain goes, or why it goes nowhere.
type target struct {
	site    string
	route   *route.Route // nil: reply says why
	reply   mail.Reply
	until   time.Time
	pending bool // a new answer is on its way
}

// Times of routes.
const (
	// maxAskers is high: most wait for name servers that do not answer, and
	// the others must not wait behind them.
	maxAskers = 256
	// askTime is for one resolution with all its lookups.
	askTime = time.Minute
	// shortLife and longLife bound how long an answer is used, failureLife is
	// for one that is no route.
	shortLife   = 5 * time.Second
	longLife    = time.Hour
	failureLife = 30 * time.Second
	// grace is how long an old route serves while the new one is looked up.
	grace = time.Minute
)

// Unrouted finds the site of a domain with work. It is the queue's
// Options.Unrouted.
func (d *Dispatcher) Unrouted(domain string) {
	d.mu.Lock()
	t := d.targets[domain]
	if t == nil || !d.o.Queue.Now().Before(t.until) {
		d.lookUp(domain)
		d.mu.Unlock()
		return
	}
	name := t.site
	d.mu.Unlock()
	d.o.Queue.Assign(domain, name)
}

// lookUp has a domain resolved, once at a time. The lock is held.
func (d *Dispatcher) lookUp(domain string) {
	t := d.targets[domain]
	if t == nil {
		t = &target{}
		d.targets[domain] = t
	}
	if t.pending {
		return
	}
	t.pending = true
	d.asked = append(d.asked, domain)
	d.startAskers(1)
}

// startAskers begins resolvers for n more domains: those that run may be busy
// for as long as a name server is silent. The lock is held.
func (d *Dispatcher) startAskers(n int) {
	for ; n > 0 && d.ask != nil && d.askers < maxAskers; n-- {
		d.askers++
		d.ask()
	}
}

// resolveAll resolves the domains that were asked for until none is left.
func (d *Dispatcher) resolveAll(ctx context.Context) {
	for {
		d.mu.Lock()
		if len(d.asked) == 0 || ctx.Err() != nil {
			d.askers--
			d.mu.Unlock()
			return
		}
		domain := d.asked[0]
		d.asked = d.asked[1:]
		d.mu.Unlock()

		t := d.resolve(ctx, domain)
		if ctx.Err() != nil {
			continue // the answer may be no more than the end of the run
		}
		d.mu.Lock()
		d.targets[domain] = t
		d.mu.Unlock()
		d.o.Queue.Assign(domain, t.site)
	}
}

func (d *Dispatcher) resolve(ctx context.Context, domain string) *target {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, err := d.route(ctx, domain)
	now := d.o.Queue.Now()
	if err == nil {
		until := r.Expires
		if low := now.Add(shortLife); until.Before(low) {
			until = low
		}
		if high := now.Add(longLife); until.After(high) {
			until = high
		}
		return &target{site: r.Site, route: r, until: until}
	}
	t := &target{site: closed + domain, until: now.Add(failureLife)}
	if reply, ok := errors.AsType[*mail.Reply](err); ok {
		t.reply = *reply
	} else {
		t.reply = *mail.Refuse(421, 4, 3, "Unable to find a route").WithCause(err)
	}
	d.log.Debug("domain has no route", "domain", domain, "err", err)
	return t
}

// route asks the router; a bug in reading some domain's records must not take
// the others down.
func (d *Dispatcher) route(ctx context.Context, domain string) (r *route.Route, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			d.log.Error("routing panicked", "domain", domain, "err", err, "text", string(debug.Stack()))
		}
	}()
	return d.o.Router.Route(ctx, domain)
}

// target gives where a domain's mail goes now, for a lease taken at a site. It
// gives nil when that is not known any more, or not that site: then the queue
// has been told, and the lease is to go back.
func (d *Dispatcher) target(domain string, s *site) *target {
	d.mu.Lock()
	now := d.o.Queue.Now()
	t := d.targets[domain]
	name := ""
	if t != nil && (now.Before(t.until) || t.route != nil && now.Before(t.until.Add(grace))) {
		if name = t.site; !now.Before(t.until) {
			d.lookUp(domain)
		}
	}
	d.mu.Unlock()
	if name == s.name {
		return t
	}
	d.o.Queue.Assign(domain, name)
	return nil
}

// sweep forgets routes and answers that are of no use any more.
func (d *Dispatcher) sweep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.o.Queue.Now()
	for domain, t := range d.targets {
		if !t.pending && now.After(t.until.Add(grace)) {
			delete(d.targets, domain)
		}
	}
	for name, last := range d.proven {
		if now.Sub(last) > provenFor {
			delete(d.proven, name)
		}
	}
}
