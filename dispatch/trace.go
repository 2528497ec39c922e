package dispatch

import (
	"strconv"
	"time"

	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/trace"
)

// dialogue begins to gather what an attempt does; nil when nobody records.
func (d *Dispatcher) dialogue() *trace.Dialogue {
	if !d.o.Trace.On() {
		return nil
	}
	return trace.Begin()
}

// attempted is what an attempt was, for the trace. It is asked for after the site's
// limiter has been told how it went.
func (d *Dispatcher) attempted(g *trace.Dialogue, s *site, r *route.Route, domain string) *trace.Attempt {
	if g == nil {
		return nil
	}
	a := &trace.Attempt{Domain: domain, Site: s.name}
	a.Hosts = make([]string, len(r.Hosts))
	for i, h := range r.Hosts {
		a.Hosts[i] = strconv.Itoa(int(h.Pref)) + " " + h.Name
	}
	g.Fill(a)
	if slots, wait := d.allow(s); slots == 0 {
		a.Until = d.o.Queue.Now().Add(wait).Unix()
	}
	return a
}

// trace records what became of recipients; at is nil where no host was asked.
func (d *Dispatcher) trace(m *queue.Message, verdicts []verdict, now time.Time, at *trace.Attempt) {
	if !d.o.Trace.On() || len(verdicts) == 0 {
		return
	}
	r := &trace.Record{Kind: trace.Settled, Time: now, ID: m.ID, Account: m.Account, From: m.From.String(), Attempt: at}
	if at != nil || verdicts[0].tried {
		r.Kind = trace.Attempted
	}
	r.To = make([]string, 0, len(verdicts))
	var said *mail.Reply
	var words string
	for i := range verdicts {
		v := &verdicts[i]
		if p := &v.outcome.Reply; said == nil || p.Code != said.Code || p.Status != said.Status || p.Text != said.Text {
			said, words = p, p.String()
		}
		o := trace.Outcome{
			To: v.entry.To.String(), Result: v.settled.Result.String(), Reply: words,
			Host: v.outcome.Host, Addr: v.outcome.Addr, Source: v.outcome.Source, TLS: v.outcome.TLS,
			Uncertain: v.outcome.Uncertain, Expired: v.expired, Attempt: v.entry.Attempts,
		}
		if v.expired {
			last := expiry(m, v.entry, &v.outcome.Reply)
			o.Reply = last.String()
		}
		if v.tried {
			o.Attempt++
		}
		if v.settled.Result != mail.Delivered {
			o.Class = v.read.Class.String()
		}
		if v.settled.Result == mail.Failed {
			said := v.recipient(m)
			o.Event, o.Type, o.SubType = v.event().String(), said.BounceType, said.BounceSubType
		}
		if v.settled.Result == mail.Deferred {
			o.Next = v.settled.Due.Unix()
			o.Limit = trace.LimitOf(v.limit())
		}
		if v.outcome.Reply.Cause != nil {
			o.Cause = v.outcome.Reply.Cause.Error()
		}
		r.Came(o)
	}
	d.o.Trace.Add(r)
}
