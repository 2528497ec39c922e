package identity

import (
	"context"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// CheckerOptions is what a Checker needs.
type CheckerOptions struct {
	Book *Book
	// DNS is asked. Without, only mailed links come to their end.
	DNS DNS
	// OnRequest leaves DNS alone until somebody calls Check.
	OnRequest bool
	Log       *slog.Logger
}

// Checker looks again and again whether what identities need stands in DNS, and
// moves their states. It is safe for concurrent use.
type Checker struct {
	o       CheckerOptions
	started time.Time
	look    looker
	wake    chan struct{}
	mu      sync.Mutex
	tried   map[name]tried
}

// tried is what is remembered of an identity between two looks.
type tried struct {
	at time.Time // of the last look
	// silent is since when DNS has not answered; zero when it did.
	silent time.Time
}

// Times of the checker.
const (
	tick = 30 * time.Second
	// silence is how long DNS may say nothing before a good record counts as lost.
	silence = time.Hour
	// again is the time until the next look when DNS said nothing.
	again = 5 * time.Minute
	daily = 24 * time.Hour
	// linkLife is how long a mailed link is good (spec section 4.2).
	linkLife = 24 * time.Hour
	atOnce   = 8 // identities
)

// NewChecker makes a checker.
func NewChecker(o CheckerOptions) *Checker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Checker{o: o, started: time.Now(), look: looker{o.Book, o.DNS}, wake: make(chan struct{}, 1), tried: make(map[name]tried)}
}

// Wake makes the checker look for what is new at once.
func (c *Checker) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends.
func (c *Checker) Run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		c.pass(ctx, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-c.wake:
		}
	}
}

// pass looks at every identity that is due.
func (c *Checker) pass(ctx context.Context, now time.Time) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, e := range c.o.Book.entries() {
		n, _, err := parseName(e.Account, e.Name)
		if err != nil || !c.due(n, e, now) {
			continue
		}
		g.Go(func() error {
			if _, err := c.check(ctx, n, false); err != nil && ctx.Err() == nil {
				c.o.Log.Warn("identity not checked", "account", n.account, "domain", e.Name, "err", err)
			}
			return nil
		})
	}
	_ = g.Wait() // its functions give no error
	c.forget()
}

// Looked gives when DNS was last asked about an identity; zero is not since the
// start.
func (c *Checker) Looked(i Identity) time.Time {
	n, _, err := parseName(i.Account, i.Name)
	if err != nil {
		return time.Time{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tried[n].at
}

// entries gives all identities as they are now.
func (b *Book) entries() []*entry {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]*entry, 0, len(b.byName))
	for _, e := range b.byName {
		list = append(list, e)
	}
	return list
}

func (c *Checker) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range c.tried {
		if c.o.Book.get(n) == nil {
			delete(c.tried, n)
		}
	}
}

// due decides whether to look at an identity now.
func (c *Checker) due(n name, e *entry, now time.Time) bool {
	if e.link != nil && e.Verification.State == Pending && now.Sub(e.link.Sent) >= linkLife {
		return true
	}
	if c.o.DNS == nil || c.o.OnRequest || !e.IsDomain() && e.MailFrom.Domain == "" {
		return false
	}
	c.mu.Lock()
	t, ok := c.tried[n]
	c.mu.Unlock()
	wait := daily
	note := func(d time.Duration) { wait = min(wait, d) }
	for _, check := range e.checks() {
		if check.State == Pending || check.State == TemporaryFailure {
			note(check.pause(now))
		}
	}
	switch {
	case e.Rotating:
		note(shortest)
	case !t.silent.IsZero():
		note(again)
	}
	if wait < daily {
		return !ok || now.Sub(t.at) >= wait
	}
	// The daily look has an hour of its own for each name, so that not all come
	// at once and a restart moves none.
	h := fnv.New64a()
	_, _ = h.Write([]byte(n.account + " " + e.Name))
	offset := time.Duration(h.Sum64() % uint64(daily))
	last := now.Add(-offset).Truncate(daily).Add(offset)
	if !ok {
		t.at = c.started
	}
	return t.at.Before(last)
}

// checks gives the states that DNS decides.
func (e *entry) checks() []Check {
	var list []Check
	if e.IsDomain() {
		if !e.ByWord {
			list = append(list, e.Verification)
		}
		if len(e.Keys) > 0 {
			list = append(list, e.DKIM)
		}
	}
	if e.MailFrom.Domain != "" {
		list = append(list, e.MailFrom.Check)
	}
	return list
}

// Check looks at an identity now, for whoever asks: it gives the identity as it
// is after that and what is wrong, one line each. account.ErrNotFound, ErrName.
func (c *Checker) Check(ctx context.Context, accountID, text string) (Identity, []string, error) {
	n, text, err := parseName(accountID, text)
	if err != nil {
		return Identity{}, nil, err
	}
	if c.o.Book.get(n) == nil {
		return Identity{}, nil, missingError(text)
	}
	f, err := c.check(ctx, n, true)
	if err != nil {
		return Identity{}, nil, err
	}
	e := c.o.Book.get(n)
	if e == nil {
		return Identity{}, nil, missingError(text)
	}
	lines := f.all()
	if !e.IsDomain() && !e.Verified {
		lines = append([]string{e.Name + ": nobody has opened the link in the mail yet"}, lines...)
	}
	if e.ByWord {
		lines = f.byWord()
	}
	if e.Paused {
		lines = append(lines, e.Name+": sending is paused")
	}
	return e.Identity, lines, nil
}

// byWord leaves out what an operator's word has settled.
func (f findings) byWord() []string {
	f.problems = nil
	return f.all()
}
