package dispatch

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/trace"
)

// What we say of our own failures.
func internalError() mail.Reply {
	return *mail.Refuse(451, 3, 0, "Internal error, will be tried again")
}

func unsignable(account string, err error) mail.Reply {
	return *mail.Refuse(451, 7, 5, "Message could not be signed").WithCause(
		&mail.Limit{Name: mail.LimitSigning, Whose: "account " + account, Err: err})
}

func unreadable() mail.Reply {
	return *mail.Refuse(451, 3, 0, "Message could not be read from the spool")
}

// try makes one attempt with a lease and settles it.
func (d *Dispatcher) try(ctx context.Context, s *site, lease *queue.Lease) {
	t := d.target(lease.Line.Domain, s)
	if t == nil {
		d.release(lease)
		return
	}
	if d.suppress(ctx, lease) {
		return
	}
	if t.route == nil {
		o := mail.Outcome{Result: mail.Failed, Reply: t.reply}
		if t.reply.Temporary() {
			o.Result = mail.Deferred
		}
		d.settle(ctx, lease, same(o, len(lease.Entries)))
		return
	}
	if d.stopped(ctx, t.route, lease) {
		return
	}
	if !d.pass(ctx, lease) {
		return
	}
	g := d.dialogue()
	outcomes, signal := d.carry(ctx, t.route, lease, g)
	if signal != 0 && ctx.Err() == nil {
		now := d.o.Queue.Now()
		d.o.Limiter.Report(s.name, now, signal)
		d.prove(s, now, signal != egress.Unreachable)
	}
	d.heard(t.route, lease, outcomes)
	d.settleAttempt(ctx, lease, outcomes, d.attempted(g, s, t.route, lease.Line.Domain))
	if signal == egress.Unreachable {
		if slots, wait := d.allow(s); slots == 0 {
			d.log.Info("site left alone", "mx", s.name, "dur", wait, "err", siteDown(s.name, d.o.Queue.Now().Add(wait)))
			d.expire(ctx, s, outcomes[0].Reply)
		}
	}
}

// attempt opens, signs and carries a message. It gives one outcome for each
// entry, whatever happens.
func (d *Dispatcher) attempt(ctx context.Context, r *route.Route, lease *queue.Lease, g *trace.Dialogue) (outcomes []mail.Outcome) {
	n := len(lease.Entries)
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("attempt panicked", "id", lease.Message.ID, "domain", lease.Line.Domain,
				"err", fmt.Errorf("panic: %v", p), "text", string(debug.Stack()))
			outcomes = ours(internalError(), n)
		}
	}()
	m := lease.Message
	content, err := d.o.Spool.Open(ctx, m.ID)
	if err != nil {
		d.failed(ctx, "open content", lease, err)
		return ours(unreadable(), n)
	}
	defer func() {
		if err := content.Close(); err != nil {
			d.failed(ctx, "close content", lease, err)
		}
	}()
	header, reply := d.header(ctx, lease, content)
	if reply != nil {
		return ours(*reply, n)
	}
	job := &delivery.Job{
		ID:         m.ID,
		Account:    m.Account,
		From:       returnPath(m),
		To:         make([]mail.ForwardPath, n),
		EightBit:   m.EightBit,
		RequireTLS: m.RequireTLS,
		Pool:       m.Pool,
		Header:     header,
		Content:    content,
		BodyAt:     m.HeaderSize,
		Size:       content.Size(),
	}
	if g != nil {
		job.Trace = g.Add
	}
	for i, e := range lease.Entries {
		job.To[i] = e.To
	}
	outcomes = d.o.Carrier.Carry(ctx, r, job)
	if len(outcomes) != n {
		panic(fmt.Sprintf("%d outcomes for %d recipients", len(outcomes), n))
	}
	return outcomes
}

// returnPath is the reverse-path that remote hosts see.
func returnPath(m *queue.Message) mail.ReversePath {
	if m.Return.IsZero() {
		return m.From
	}
	return mail.ReversePath{Address: m.Return}
}

// header gives the header section that leaves: signatures, what was put before
// it at acceptance, and what is left of the client's.
func (d *Dispatcher) header(ctx context.Context, lease *queue.Lease, content queue.Content) ([]byte, *mail.Reply) {
	m := lease.Message
	header := make([]byte, m.HeaderSize)
	if n, err := content.ReadAt(header, 0); n < len(header) {
		d.failed(ctx, "read content", lease, err)
		reply := unreadable()
		return nil, &reply
	}
	if len(m.Edit.Prefix) > 0 || len(m.Edit.Drop) > 0 {
		header = m.Edit.Apply(header)
	}
	if len(m.Keys) == 0 {
		return header, nil
	}
	body := io.NewSectionReader(content, m.HeaderSize, content.Size()-m.HeaderSize)
	signatures, err := d.o.Signer.Sign(ctx, m.Account, m.Keys, header, body, m.Accepted)
	if err != nil {
		d.failed(ctx, "sign", lease, err)
		reply := unsignable(m.Account, err)
		return nil, &reply
	}
	return append(signatures[:len(signatures):len(signatures)], header...), nil
}

// failed logs a failure of our own, unless it is the end of the run.
func (d *Dispatcher) failed(ctx context.Context, doing string, lease *queue.Lease, err error) {
	if ctx.Err() == nil {
		d.log.Error("attempt failed", "id", lease.Message.ID, "account", lease.Message.Account,
			"domain", lease.Line.Domain, "text", doing, "err", err)
	}
}

// ours gives the same transient outcome to n recipients.
func ours(r mail.Reply, n int) []mail.Outcome {
	return same(mail.Outcome{Result: mail.Deferred, Reply: r}, n)
}

func same(o mail.Outcome, n int) []mail.Outcome {
	out := make([]mail.Outcome, n)
	for i := range out {
		out[i] = o
	}
	return out
}
