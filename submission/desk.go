package submission

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/unsubscribe"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission/admission"
	"github.com/sesame-mta/sesame/trace"
)

// Queue is where an accepted message goes; *queue.Queue.
type Queue interface {
	Append(ctx context.Context, s queue.Submission) (mail.ID, error)
}

// Spool is where content goes before; queue.Spool.
type Spool interface {
	Draft(ctx context.Context) (queue.Draft, error)
	Room(size int64) error
}

// Options is what a Desk needs. Spool, Queue, Minter and Rules must be set.
type Options struct {
	Hostname string // in Received
	Domain   string // of the Message-ID fields we make; empty is Hostname
	Region   string // in Feedback-ID
	// FeedbackKey makes the constant of an account in its Feedback-ID fields;
	// without one none are added.
	FeedbackKey []byte
	Spool       Spool
	Queue       Queue
	Minter      *mail.Minter
	Rules       []admission.Rule
	// Renew gives a principal as it is now, and refuses one that is good no more.
	// Nil takes it as it came, in production and without limits.
	Renew func(p *auth.Principal) (auth.Standing, error)
	// IsSimulated tells the domains whose recipients are not charged to the daily
	// quota; nil is none.
	IsSimulated func(domain string) bool
	// Sets finds configuration sets; nil: there are none.
	Sets Sets
	// IdentityDefaults gives the configuration set and the tags that an address of
	// the From field has for mail that does not say; nil: there are none.
	IdentityDefaults func(account string, from mail.Address) (set string, tags map[string]string)
	// Unsubscribe gives the address at which a recipient leaves a mailing list, of at
	// most rewrite.MaxURL octets; nil: nobody can.
	Unsubscribe func(unsubscribe.Link) string
	// Keys names the DKIM keys for the address of a From field, ServiceKeys those
	// of the service domain, which signs everything beside it; nil is none.
	Keys        func(account string, from mail.Address) []string
	ServiceKeys func() []string
	// Interest names the consumers that want an event about a message; nil is none.
	Interest func(t event.Type, m *queue.Message) []string
	// Observe is told of each message that is on stable storage, and what was sent
	// to whom: a Send, or a RenderingFailure in its stead. It must not wait, nor keep
	// what it is given. Nil is nobody.
	Observe func(m *queue.Message, t event.Type, rs []event.Recipient)
	// Published reports whether any event of a message will be told to a
	// destination, which needs its mail object; nil is never.
	Published func(m *queue.Message) bool
	// IdentityName gives the name of the identity that covers an address; nil: none.
	IdentityName func(account string, from mail.Address) string
	// Return gives the domain under which bounces of mail from an address come back
	// to us; empty, or nil: mail leaves under the client's own reverse-path.
	Return func(account string, from mail.Address) string
	// Now is the time of acceptance; nil is time.Now.
	Now func() time.Time
	// MessageBytes bounds the content in octets, MaxAge the time in the queue.
	MessageBytes int64
	MaxAge       time.Duration
	// ShowClient puts the client's network address into Received.
	ShowClient bool
	// Trace records what came and what was said to it; nil is nobody.
	Trace   *trace.Recorder
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Desk takes messages in. It is safe for concurrent use.
type Desk struct {
	o         Options
	metrics   metrics
	bufs      sync.Pool
	lists     sync.Pool           // of *[]event.Recipient, for the observer
	headers   *semaphore.Weighted // octets
	warned    unsigned
	constants sync.Map // of Feedback-ID, by account
	names     []string // of the rules, in order
}

// New makes a desk.
func New(o Options) *Desk {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Domain == "" {
		o.Domain = o.Hostname
	}
	if o.Renew == nil {
		o.Renew = unlimited
	}
	d := &Desk{o: o, metrics: newMetrics(o.Metrics), headers: semaphore.NewWeighted(maxHeaders)}
	d.bufs.New = func() any { return new([receiveBuf]byte) }
	for _, rule := range o.Rules {
		d.names = append(d.names, rule.Name)
	}
	return d
}

// unlimited takes a principal as it came.
func unlimited(p *auth.Principal) (auth.Standing, error) {
	return auth.Standing{Principal: p, Account: account.Account{ID: p.Account, Name: p.Name, Production: true}}, nil
}

// Room answers at MAIL: whether a message of size octets (0: not said) would
// find room. The error is a *mail.Reply.
func (d *Desk) Room(_ context.Context, _ mail.ReversePath, size int64) error {
	if size > d.o.MessageBytes {
		return d.refused("size", errTooLong)
	}
	if err := d.o.Spool.Room(size); err != nil {
		return d.refused("storage", storageReply(err))
	}
	return nil
}

// Submit takes one message in. On nil it is on stable storage, will be tried
// until it is delivered, refused or expired, and id names it. An error that is a
// *mail.Reply is the refusal; any other is that of the content's reader. After
// an error nothing of the message is kept.
func (d *Desk) Submit(ctx context.Context, r *Request) (mail.ID, error) {
	log := d.o.Log
	if log.Enabled(ctx, slog.LevelInfo) {
		log = log.With("account", r.Principal.Account, "from", r.From.String())
		if r.Origin.Client.IsValid() {
			log = log.With("source", r.Origin.Client.String())
		}
	}
	rec := d.entry(r)
	draft, err := d.o.Spool.Draft(ctx)
	if err != nil {
		return mail.ID{}, d.note(log, rec, "storage", storageReply(err))
	}
	defer draft.Discard()

	size, err := d.receive(draft, r.Content)
	if err != nil {
		return mail.ID{}, d.note(log, rec, "content", err)
	}
	header, done, err := d.header(ctx, draft, size)
	if err != nil {
		return mail.ID{}, d.note(log, rec, "storage", err)
	}
	defer done()
	facts := r.Content.Facts()
	section, err := admission.HeaderLimits().Scan(header)
	if err != nil {
		return mail.ID{}, d.note(log, rec, "header", malformed(err))
	}
	again, err := key(r, section)
	if err != nil {
		return mail.ID{}, d.note(log, rec, "header", err)
	}
	now := d.o.Now()
	standing, err := d.o.Renew(r.Principal)
	if err == nil && !standing.Credential.MayConnect(r.Origin.Client) {
		// Its networks were narrowed after AUTH.
		err = auth.ErrInvalid.WithCause(errNetwork)
	}
	if err != nil {
		return mail.ID{}, d.note(log, rec, "credential", err)
	}
	r = r.by(standing.Principal)
	c := &admission.Candidate{
		Principal: r.Principal, Account: standing.Account, Credential: standing.Credential,
		From: r.From, To: r.To, Header: section,
		Content: draft, Size: draft.Size(), HeaderSize: int64(len(header)),
	}
	from := author(section)
	defaults := d.defaults(r.Principal.Account, from)
	c.SetName, c.Set = d.set(r, section, defaults)
	content(rec, c)
	kept := false
	defer func() {
		if !kept {
			c.Refund()
		}
	}()
	for i, rule := range d.o.Rules {
		if err := rule.Check(ctx, c); err != nil {
			passed(rec, d.names[:i:i])
			return mail.ID{}, d.note(log, rec, rule.Name, err)
		}
	}
	passed(rec, d.names)

	id := d.o.Minter.New(now)
	labels := tags(r, section, defaults)
	edit, messageID := d.edit(r, section, id, now, labels)
	m := queue.Message{
		ID: id, Account: r.Principal.Account, From: r.From, To: distinct(r.To), Accepted: now,
		Size: draft.Size(), HeaderSize: int64(len(header)), Edit: edit, EightBit: facts.EightBit,
		MessageID: messageID, Keys: d.keys(r.Principal.Account, from, now), Tags: labels,
		Identity: defaults.name,
	}
	d.comesBack(&m, from)
	maxAge := d.under(&m, c.Set)
	stored, err := d.unsubscribable(ctx, &m, c.Set, section, draft)
	if err != nil {
		return mail.ID{}, d.note(log, rec, "storage", storageReply(err))
	}
	defer stored.Discard()
	if d.o.Published != nil && d.o.Published(&m) {
		if m.Mail, err = d.facts(r, &m, from, header); err != nil {
			return mail.ID{}, d.note(log, rec, "event", err)
		}
	}
	first, err := d.append(ctx, c, m, maxAge, again, stored, r.Failure)
	if err != nil {
		return mail.ID{}, d.note(log, rec, "storage", storageReply(err))
	}
	if first != m.ID { // it was here before; the rate is given back
		d.metrics.repeated.Inc()
		log.Info("message repeated", "id", first, "to", len(m.To))
		return first, nil
	}
	kept = true
	d.metrics.accepted.Inc()
	d.metrics.octets.Add(float64(m.Size))
	if c.Waits != nil {
		d.metrics.limit(c.Waits)
		log = log.With("dur", c.Wait, "err", c.Waits)
	}
	log.Info("message accepted", "id", first, "to", len(m.To))
	d.takenIn(rec, &m, header, c)
	what := event.Send
	if r.Failure != nil {
		what = event.RenderingFailure
		d.noteFailure(&m, r.Failure)
	}
	d.observe(&m, what)
	return first, nil
}

// append makes the one Append of a message.
func (d *Desk) append(ctx context.Context, c *admission.Candidate, m queue.Message, maxAge time.Duration, key string, draft queue.Draft, why *event.Failure) (mail.ID, error) {
	s := queue.Submission{
		Message: m, Content: draft, Due: m.Accepted.Add(c.Wait), MaxAge: maxAge, Key: key,
		Charge: queue.Charge{Account: m.Account, Recipients: d.charged(m.To), Limit: c.Account.MaxDay},
	}
	if e, ok := d.told(event.Send, &m); ok {
		s.Events = []event.Event{e}
	}
	if why != nil {
		d.failed(&s, why)
	}
	return d.o.Queue.Append(ctx, s)
}

// charged counts the recipients that count to the daily quota (spec section 5.1).
func (d *Desk) charged(to []mail.ForwardPath) int {
	n := len(to)
	if d.o.IsSimulated != nil {
		for _, p := range to {
			if d.o.IsSimulated(p.Domain()) {
				n--
			}
		}
	}
	return n
}

// SubmitNotice takes in a mail of our own. It passes no rule and is charged to
// nobody (decisions: our own DSNs bypass identity, sandbox and quota); its id is
// derived, so that a repeat changes nothing.
func (d *Desk) SubmitNotice(ctx context.Context, n event.Notice) error {
	draft, err := d.o.Spool.Draft(ctx)
	if err != nil {
		return err
	}
	defer draft.Discard()
	for _, part := range [][]byte{n.Header, n.Body} {
		if _, err := draft.Write(part); err != nil {
			return err
		}
	}
	m := queue.Message{
		ID: n.ID, Account: n.Account, To: []mail.ForwardPath{n.To}, Accepted: d.o.Now(),
		Size: draft.Size(), HeaderSize: int64(len(n.Header)), Notice: true, Keys: n.Keys,
	}
	s := queue.Submission{Message: m, Content: draft, Due: m.Accepted, MaxAge: d.o.MaxAge}
	if _, err := d.o.Queue.Append(ctx, s); err != nil {
		return err
	}
	d.o.Log.Info("notice accepted", "id", n.ID, "account", n.Account, "to", n.To.String())
	d.noticed(&m, n)
	return nil
}

// note counts a refusal and logs it once, with its private cause.
func (d *Desk) note(log *slog.Logger, rec *trace.Record, reason string, err error) error {
	var reply *mail.Reply
	if !errors.As(err, &reply) {
		return err
	}
	if reply.Cause != nil {
		log = log.With("err", reply.Cause)
	}
	log.Info("message refused", "code", reply.Code, "status", reply.Status, "text", reply.Text)
	d.turnedAway(rec, reason, reply)
	return d.refused(reason, reply)
}

func (d *Desk) refused(reason string, reply *mail.Reply) error {
	d.metrics.refused.WithLabelValues(reason).Inc()
	d.metrics.limit(mail.LimitOf(reply.Cause))
	return reply
}

// distinct drops a recipient that stands twice; mail goes to it once.
func distinct(to []mail.ForwardPath) []mail.ForwardPath {
	if len(to) == 1 {
		return to
	}
	seen := make(map[mail.ForwardPath]bool, len(to))
	out := make([]mail.ForwardPath, 0, len(to))
	for _, p := range to {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// recipients adds those of a message, for an event.
func recipients(rs []event.Recipient, to []mail.ForwardPath) []event.Recipient {
	rs = slices.Grow(rs, len(to))
	for i, p := range to {
		rs = append(rs, event.Recipient{N: i, To: p})
	}
	return rs
}

// observe tells the observer of a message that is on stable storage.
func (d *Desk) observe(m *queue.Message, t event.Type) {
	if d.o.Observe == nil {
		return
	}
	rs, ok := d.lists.Get().(*[]event.Recipient) // the observer keeps nothing
	if !ok {
		rs = new([]event.Recipient)
	}
	*rs = recipients((*rs)[:0], m.To)
	d.o.Observe(m, t, *rs)
	clear(*rs)
	d.lists.Put(rs)
}

// malformed is the refusal of a header section that cannot be read in one way
// only. The sentences of package message hold nothing private.
func malformed(err error) *mail.Reply {
	return mail.Recorded(554, 6, 0, "Transaction failed: "+err.Error())
}
