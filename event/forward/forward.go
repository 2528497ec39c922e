package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/report"
)

// Consumer is the name under which the outbox keeps events for this package.
const Consumer = "forward"

// group is how long failures of one message wait for each other, so that they
// share a DSN (decisions, "Queue, content, DSNs").
const group = time.Minute

// readLimit bounds the events held in memory; more wait in the outbox.
const readLimit = 5000

// earlyLimit is the most groups that are looked at before their minute is over.
const earlyLimit = 200

// atOnce is the most DSNs that are made at a time.
const atOnce = 32

// again is when a short list looks once more whether the last recipient of a message
// has become final.
const again = 2 * time.Second

// breath is the least time between two passes, putOff that after one that failed.
const (
	breath = 100 * time.Millisecond
	putOff = 10 * time.Second
)

// What a Messages may answer beside errors of its own.
var (
	ErrGone = errors.New("message is gone") // not kept any more
	// ErrDamaged: it cannot be read, so that nobody can be told. Its events stay.
	ErrDamaged = errors.New("message is damaged")
)

// Original is what a DSN quotes of the message that failed.
type Original struct {
	From      mail.ReversePath
	Header    []byte // header section as it left; nil when it is lost
	MessageID string // value of its Message-ID field
	Accepted  time.Time
	// Waiting counts recipients that are not final yet: none can join the group
	// when it is 0.
	Waiting int
	Notice  bool
}

// Messages gives originals.
type Messages interface {
	Original(ctx context.Context, id mail.ID) (Original, error)
}

// Options is what a Forwarder needs. All but Log and Metrics must be set.
type Options struct {
	Hostname string // Reporting-MTA
	Domain   string // of MAILER-DAEMON
	Outbox   event.Outbox
	Messages Messages
	Submit   event.Submitter
	Minter   *mail.Minter
	Keys     func() []string // DKIM keys of Domain
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// Forwarder makes DSNs from Bounce events.
type Forwarder struct {
	o    Options
	made prometheus.Counter
}

// New makes a forwarder.
func New(o Options) *Forwarder {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Forwarder{o: o, made: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sesame_event_dsn_total", Help: "Delivery status notifications made."})}
	if o.Metrics != nil {
		o.Metrics.MustRegister(f.made)
	}
	return f
}

// Interest says which events this destination asks for.
func Interest(t event.Type) bool { return t == event.Bounce }

// Run works until ctx is cancelled. What cannot be done now is tried again; an
// event is acknowledged only after its DSN is on stable storage.
func (f *Forwarder) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.o.Outbox.Changed(Consumer):
		case <-timer.C:
		}
		wait, err := f.pass(ctx)
		rest := breath
		if err != nil && ctx.Err() == nil {
			f.o.Log.Warn("bounce mail put off", "err", err)
			wait, rest = putOff, putOff
		}
		timer.Reset(wait)
		if !pause(ctx, rest) {
			return nil
		}
	}
}

// pause waits, and gives false when ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// pass makes every DSN that is ready and gives the time until the next may be.
// What fails for one message holds up no other; the first error is returned.
func (f *Forwarder) pass(ctx context.Context) (time.Duration, error) {
	records, err := f.o.Outbox.Read(ctx, Consumer, 0, readLimit)
	if err != nil {
		return 0, fmt.Errorf("read outbox: %w", err)
	}
	gs := groups(records)
	// A short list looks at each message whether its last recipient is final and
	// the DSN may go at once; a long one would load too much, and waits.
	early := len(gs) <= earlyLimit
	p := progress{wait: group}
	var work errgroup.Group
	work.SetLimit(atOnce) // their Appends share syncs
	for _, g := range gs {
		if left := remaining(g); left > 0 && !early {
			p.note(nil, left, nil)
			continue
		}
		work.Go(func() error {
			left, err := f.try(ctx, g)
			p.note(g, min(left, again), err)
			return nil
		})
	}
	_ = work.Wait() // p has the errors
	if len(p.told) > 0 {
		if err := f.o.Outbox.Ack(ctx, Consumer, p.told...); err != nil {
			return 0, fmt.Errorf("acknowledge: %w", err)
		}
	}
	if len(records) == readLimit && p.wait > time.Second {
		p.wait = time.Second
	}
	return p.wait, p.err
}

// progress is what came of the groups of a pass.
type progress struct {
	mu   sync.Mutex
	wait time.Duration // the least that a group still waits
	told []uint64      // events to acknowledge
	err  error         // the first
}

func (p *progress) note(g []event.Record, left time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		if p.err == nil {
			p.err = err
		}
	case left > 0:
		p.wait = min(p.wait, left)
	default:
		for _, r := range g {
			p.told = append(p.told, r.Seq)
		}
	}
}

// remaining gives how long a group waits for more failures. Its first lies far
// in the future when the clock was set back: then nothing tells how long.
func remaining(g []event.Record) time.Duration {
	left := time.Until(g[0].Event.Time.Add(group))
	if left > 2*group {
		return 0
	}
	return left
}

// groups parts records by message and then by time: a group holds the failures
// within a minute of its first.
func groups(records []event.Record) [][]event.Record {
	var out [][]event.Record
	at := make(map[mail.ID]int)
	for _, r := range records {
		i, ok := at[r.Event.Message]
		if ok && r.Event.Time.Before(out[i][0].Event.Time.Add(group)) {
			out[i] = append(out[i], r)
			continue
		}
		at[r.Event.Message] = len(out)
		out = append(out, []event.Record{r})
	}
	return out
}

// try makes the DSN of a group when it is ready; else it gives the time still to
// wait. Neither error nor time means that the group is told of.
func (f *Forwarder) try(ctx context.Context, g []event.Record) (time.Duration, error) {
	first := g[0].Event
	orig, err := f.o.Messages.Original(ctx, first.Message)
	switch {
	case errors.Is(err, ErrGone):
		f.o.Log.Warn("bounce of an unknown message dropped", "id", first.Message)
		return 0, nil
	case errors.Is(err, ErrDamaged):
		return group, nil
	case err != nil:
		return 0, fmt.Errorf("load %s: %w", first.Message, err)
	}
	// A null reverse-path is never answered (RFC 5321 section 4.5.5, RFC 3464
	// section 2), nor is a notice of ours.
	if orig.From.Null() || orig.Notice {
		return 0, nil
	}
	if left := remaining(g); left > 0 && orig.Waiting > 0 {
		return left, nil
	}
	return 0, f.submit(ctx, g, orig)
}

func (f *Forwarder) submit(ctx context.Context, g []event.Record, orig Original) error {
	first := g[0].Event
	var rcpts []report.Recipient
	// The id names all recipients of the group: should a crash let a group grow
	// before it is acknowledged, the grown one is another mail, and nobody is lost.
	var label strings.Builder
	label.WriteString("dsn")
	for _, r := range g {
		for _, rc := range r.Event.Recipients {
			fmt.Fprintf(&label, " %d", rc.N)
			rcpts = append(rcpts, recipient(rc))
		}
	}
	id := f.o.Minter.Derive(first.Message, first.Time, label.String())
	to := mail.ForwardPath{Address: orig.From.Address}
	d := report.DSN{
		ID: id, Date: first.Time, Domain: f.o.Domain, ReportingMTA: f.o.Hostname, To: to,
		Failed: first.Message, Arrival: orig.Accepted, MessageID: orig.MessageID,
		Header: orig.Header, Recipients: rcpts,
	}
	header, body := d.Compose()
	n := event.Notice{ID: id, About: first.Message, Account: first.Account, To: to, Header: header, Body: body}
	if f.o.Keys != nil {
		n.Keys = f.o.Keys()
	}
	if err := f.o.Submit.SubmitNotice(ctx, n); err != nil {
		return fmt.Errorf("submit bounce mail: %w", err)
	}
	f.made.Inc()
	return nil
}

func recipient(rc event.Recipient) report.Recipient {
	return report.Recipient{To: rc.To, Reply: rc.Reply, Remote: rc.Remote, Host: rc.Host}
}
