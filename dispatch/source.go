package dispatch

import (
	"context"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	reading "github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/trace"
)

// maxSources is how many sources one attempt may come from. A host that refuses
// five of a network's addresses in a minute thinks of the network, and each more
// is one more reason for that.
const maxSources = 5

// carry makes an attempt with a lease. Recipients whose host refuses the source it
// came from are tried once more at once from another of the message's pool, for as
// long as there is one that does not rest at that site: the refusal, permanent or
// not, is of our address and not of the message. The last word of the host stands.
// The signal is what the first of the attempts tells about the site.
func (d *Dispatcher) carry(ctx context.Context, r *route.Route, lease *queue.Lease, g *trace.Dialogue) ([]mail.Outcome, egress.Signal) {
	outcomes, signal := d.once(ctx, r, lease, g)
	again := d.elsewhere(lease.Message, r.Site, outcomes)
	for n := 1; n < maxSources && len(again) > 0 && ctx.Err() == nil; n++ {
		if g != nil {
			g.Add('*', "source "+outcomes[again[0]].Source+" is refused here: once more from another")
		}
		part := *lease
		part.Entries = make([]queue.Entry, len(again))
		for i, k := range again {
			part.Entries[i] = lease.Entries[k]
		}
		more, reached := d.once(ctx, r, &part, g)
		for i, k := range again {
			if reached == egress.Unreachable {
				// This source may be what is broken: they take turns, as if none rested.
				d.o.Sources.Return(r.Site, outcomes[k].Source)
			}
			outcomes[k] = more[i]
		}
		next := d.elsewhere(lease.Message, r.Site, more)
		for i, k := range next {
			next[i] = again[k]
		}
		again = next
	}
	return outcomes, signal
}

// once makes one attempt from one source.
func (d *Dispatcher) once(ctx context.Context, r *route.Route, lease *queue.Lease, g *trace.Dialogue) ([]mail.Outcome, egress.Signal) {
	d.metrics.inFlight.Inc()
	outcomes := d.attempt(ctx, r, lease, g)
	d.metrics.inFlight.Dec()
	d.metrics.attempts.Inc()
	busy := soften(outcomes)
	signal := delivery.SignalOf(outcomes)
	if busy && signal == egress.Success {
		signal = egress.Busy
	}
	return outcomes, signal
}

// elsewhere tells the sources how an attempt went, and gives the recipients that are
// to be tried from another.
func (d *Dispatcher) elsewhere(m *queue.Message, site string, outcomes []mail.Outcome) (again []int) {
	if d.o.Sources == nil {
		return nil
	}
	took := ""
	for i := range outcomes {
		if o := &outcomes[i]; o.Result == mail.Delivered && o.Source != took {
			took = o.Source
			d.o.Sources.Return(site, took)
		}
	}
	for i := range outcomes {
		o := &outcomes[i]
		// A host that took mail for others has nothing against the source.
		if o.Result == mail.Delivered || !o.Remote || o.Source == "" || o.Source == took || read(o).Action != reading.OtherSource {
			continue
		}
		rest, began, other := d.o.Sources.Refused(m.Pool, site, o.Source)
		if began {
			d.rested(m, o, rest)
		}
		if other {
			again = append(again, i)
		}
	}
	return again
}

// rested tells that a source is not used at a site for a while.
func (d *Dispatcher) rested(m *queue.Message, o *mail.Outcome, r egress.Rest) {
	d.metrics.full(mail.LimitSourceRest)
	d.log.Warn("source rests", "id", m.ID, "mx", r.Site, "source", r.Source, "code", o.Reply.Code, "status", o.Reply.Status.String(),
		"text", o.Reply.Text, "err", sourceRest(r))
}

func sourceRest(r egress.Rest) *mail.Limit {
	return &mail.Limit{Name: mail.LimitSourceRest, Whose: "source " + r.Source + " at site " + r.Site, Frees: r.Until}
}

// resting gives the sources that rest.
func (d *Dispatcher) resting() []egress.Rest {
	if d.o.Sources == nil {
		return nil
	}
	return d.o.Sources.Resting()
}
