package delivery

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/mail"
)

// Bounds of one attempt: a domain with a hundred hosts gets no more of our time
// than one with five.
const (
	maxHosts     = 5
	maxAddresses = 2 // of each family
)

// maxText is how much of a reply's text is kept with an outcome.
const maxText = 4096

// attempt is one Carry.
type attempt struct {
	s     *SMTP
	r     *route.Route
	j     *Job
	out   []mail.Outcome
	left  []int    // recipients without an outcome
	asked []string // hosts that have had their say
	tried int      // how many of them there was anything to ask of

	// standing is what those left are told if no other host takes them.
	standing mail.Outcome
	rank     rank
}

// rank orders what may stand at the end: while any host may still take the mail
// later the failure is temporary, and a host's own words tell more than ours.
type rank int

const (
	permanent rank = iota + 1
	temporary
	temporaryRemote
)

func newAttempt(s *SMTP, r *route.Route, j *Job) *attempt {
	a := &attempt{s: s, r: r, j: j, out: make([]mail.Outcome, len(j.To)), left: make([]int, len(j.To))}
	for i := range a.left {
		a.left[i] = i
	}
	return a
}

func (a *attempt) run(ctx context.Context) {
	v4, v6 := a.s.sources.Pick(a.j.Pool, a.r.Site)
	if a.kept(ctx, v4) || a.kept(ctx, v6) {
		return
	}
	for _, h := range a.r.Order(nil) {
		if len(a.left) == 0 || a.tried >= maxHosts || ctx.Err() != nil {
			break
		}
		// No host is asked again within an attempt.
		if slices.Contains(a.asked, h.Name) {
			continue
		}
		a.asked = append(a.asked, h.Name)
		if c := a.reach(ctx, h, v4, v6); c != nil {
			a.send(ctx, c)
			a.release(c)
		}
	}
	if len(a.left) == 0 {
		return
	}
	if a.rank == 0 {
		a.standing.Reply = unreachable(ctx.Err())
	}
	for _, i := range a.left {
		a.out[i] = a.standing
		a.out[i].Result = resultOf(a.standing.Reply)
	}
	a.left = nil
}

// kept sends over a connection kept from an earlier attempt, and reports whether
// all is done. A connection that turns out to be dead is as if it had not been
// there; another is not tried, since its fate is likely the same.
func (a *attempt) kept(ctx context.Context, src *egress.Source) bool {
	if src == nil {
		return false
	}
	c := a.s.pool.take(a.key(src), a.fits)
	if c == nil {
		return false
	}
	a.s.metrics.reused.Inc()
	c.client.Trace(a.j.Trace)
	if a.j.Trace != nil {
		a.j.Trace(smtpc.TraceNote, "connection kept from before: "+c.host+" ["+c.addr+"], source "+
			cmp.Or(c.source.Name, anySource)+", "+cmp.Or(c.tls, "in clear text"))
	}
	if a.send(ctx, c); c.client.Stale() && ctx.Err() == nil {
		a.standing, a.rank = mail.Outcome{}, 0
		return false
	}
	a.release(c)
	a.asked = append(a.asked, c.host)
	a.tried++
	return len(a.left) == 0
}

func (a *attempt) key(src *egress.Source) poolKey {
	return poolKey{site: a.r.Site, source: src.Name, trusted: a.r.Trusted}
}

// fits reports whether a kept connection may carry this job.
func (a *attempt) fits(c *conn) bool {
	if a.j.RequireTLS && c.tls == "" || slices.Contains(a.asked, c.host) {
		return false
	}
	return slices.ContainsFunc(a.r.Hosts, func(h route.Host) bool { return h.Name == c.host })
}

// release keeps a connection that can be used again.
func (a *attempt) release(c *conn) {
	c.client.Trace(nil)
	switch {
	case !c.client.Usable():
		c.client.Close()
	case c.uses >= a.s.o.MessagesPerConnection:
		a.s.retire(c)
	default:
		a.s.pool.put(c)
	}
}

// send asks one host, in as many transactions as it takes.
func (a *attempt) send(ctx context.Context, c *conn) {
	var elsewhere []int
	for len(a.left) > 0 {
		batch := a.left[:min(len(a.left), smtpc.MaxRecipients)]
		rest := a.left[len(batch):]
		c.uses++
		answers := c.client.Send(ctx, a.message(c, batch))
		var again []int
		for n, ans := range answers {
			i := batch[n]
			if c.bare && wantsTLS(ans) {
				said := ans.Reply
				ans = smtpc.Answer{Verdict: smtpc.Elsewhere, Reply: *errOnlyTLS.WithCause(&said)}
				c.client.Close() // the next message may have more luck with TLS
			}
			o := c.outcome(ans)
			switch ans.Verdict {
			case smtpc.Accepted:
				o.Result = mail.Delivered
			case smtpc.Settled:
				o.Result = resultOf(ans.Reply)
			case smtpc.Lost:
				o.Result, o.Uncertain = mail.Deferred, true
				if c.client.Extensions().Chunking {
					a.s.wary.add(c.host)
				}
			case smtpc.Again:
				again = append(again, i)
				a.stand(o)
				continue
			case smtpc.Elsewhere:
				elsewhere = append(elsewhere, i)
				a.stand(o)
				continue
			}
			a.out[i] = o
		}
		a.left = append(again, rest...)
		if len(elsewhere) > 0 || !c.client.Usable() {
			break
		}
	}
	a.left = append(elsewhere, a.left...)
}

var errOnlyTLS = mail.Refuse(454, 7, 5, "TLS handshake failed, and the remote host takes no mail without TLS")

// wantsTLS reports whether a refusal is for the want of TLS: 530 (RFC 3207 section
// 4) or X.7.10 (RFC 5248). After a handshake that failed it is no more permanent
// than that.
func wantsTLS(ans smtpc.Answer) bool {
	r := &ans.Reply
	return ans.Verdict == smtpc.Settled && ans.Remote && (r.Code == 530 || r.Status == mail.Status{Class: 5, Subject: 7, Detail: 10})
}

func (a *attempt) message(c *conn, to []int) *smtpc.Message {
	m := &smtpc.Message{
		From: a.j.From, To: a.j.To, EightBit: a.j.EightBit,
		Header: slices.Concat(outgoing(c.local, time.Now()), a.j.Header), Body: a.j.Content, BodyAt: a.j.BodyAt, Size: a.j.Size,
	}
	if len(to) < len(a.j.To) {
		m.To = make([]mail.ForwardPath, len(to))
		for n, i := range to {
			m.To[n] = a.j.To[i]
		}
	}
	return m
}

// outgoing is the field that says from which address an attempt was made (spec
// section 3.3). It differs from attempt to attempt, and so is signed by nobody.
func outgoing(from netip.Addr, now time.Time) []byte {
	if !from.IsValid() {
		return nil
	}
	return []byte("X-SES-Outgoing: " + now.UTC().Format("2006.01.02") + "-" + from.String() + "\r\n")
}

// stand keeps what is told if no other host does better.
func (a *attempt) stand(o mail.Outcome) {
	r := temporary
	switch {
	case !o.Reply.Temporary():
		r = permanent
	case o.Remote:
		r = temporaryRemote
	}
	if r >= a.rank {
		a.standing, a.rank = o, r
	}
}

// note tells the trace what was done or found.
func (a *attempt) note(format string, args ...any) {
	if a.j.Trace != nil {
		a.j.Trace(smtpc.TraceNote, fmt.Sprintf(format, args...))
	}
}

// settle gives all that are left our own reply.
func (a *attempt) settle(reply mail.Reply) {
	for _, i := range a.left {
		a.out[i] = mail.Outcome{Result: resultOf(reply), Reply: reply}
	}
	a.left = nil
}

// outcome is what is known of an answer but for its result.
func (c *conn) outcome(ans smtpc.Answer) mail.Outcome {
	return mail.Outcome{
		Reply: trim(ans.Reply), Remote: ans.Remote,
		Host: c.host, Addr: c.addr, Source: c.source.Name, Local: text(c.local), TLS: c.tls,
	}
}

// text gives an address, if there is one.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func resultOf(r mail.Reply) mail.Result {
	if r.Temporary() {
		return mail.Deferred
	}
	return mail.Failed
}

// trim cuts a long reply at the end of a line.
func trim(r mail.Reply) mail.Reply {
	if len(r.Text) > maxText {
		r.Text = r.Text[:maxText]
		if i := strings.LastIndexByte(r.Text, '\n'); i > 0 {
			r.Text = r.Text[:i]
		}
	}
	return r
}
