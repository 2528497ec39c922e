package dispatch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/delivery/route"
	reading "github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/internal/memo"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Bounds of what is remembered of senders that a site refuses.
const (
	maxSenders = 10_000
	// stopAfter is how many recipients in a row a site refuses a sender for until it
	// is stopped: the rule of one mailbox is not the site's.
	stopAfter = 3
	// probeTime is how long the others wait for one message that is tried after a
	// pause.
	probeTime = time.Minute
	// maxSpread is how far apart what waits falls due after a long pause.
	maxSpread = 30 * time.Minute
	// keepSender is how long without a word from the site a refusal still counts.
	keepSender = 24 * time.Hour
	// maxSaid is how much of the site's last reply goes into ours.
	maxSaid = 300
)

// senders remembers which site refuses the mail of which identity for what the
// identity is: its domain fails SPF, DKIM or DMARC, does not exist, is banned. Mail
// of it for that site waits, and costs the identity and our addresses no more of
// their name there. Only that site's word counts, and only for itself. All is
// forgotten at the end of the run.
type senders struct {
	// version of an identity, which grows with its changes; nil: they do not change.
	version func(account, identity string) uint64

	mu sync.Mutex
	at map[senderKey]*sender
}

type senderKey struct{ place, account, identity string }

type sender struct {
	refused []string // recipients, until it is stopped
	level   int      // pauses so far; above 0 it is stopped
	until   time.Time
	probe   time.Time // until then one message is tried for all
	last    time.Time // refusal
	said    mail.Reply
	version uint64 // of the identity
}

// place is where a refusal of a sender counts. A smarthost speaks for hosts behind
// it, so there it counts for the domain.
func place(r *route.Route) string {
	if r.Trusted {
		return r.Domain
	}
	return r.Site
}

// ask gives until when a message of a sender waits, and what the site said; zero if
// it may be tried. After a pause one message is tried at a time.
func (s *senders) ask(k senderKey, now time.Time) (until time.Time, said mail.Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.at[k]
	switch {
	case e == nil || e.level == 0:
		return time.Time{}, mail.Reply{}
	case e.version != s.current(k) || now.Sub(e.until) > keepSender:
		delete(s.at, k)
		return time.Time{}, mail.Reply{}
	}
	until = e.end()
	if !now.Before(until) {
		e.probe = now.Add(probeTime)
		return time.Time{}, mail.Reply{}
	}
	// What waits must not all fall due at once: one of it will be tried.
	spread := min(e.pause()/2, maxSpread)
	return until.Add(time.Duration(rand.Float64() * float64(spread))), e.said
}

// end is when a message may be tried.
func (e *sender) end() time.Time {
	if e.probe.After(e.until) {
		return e.probe
	}
	return e.until
}

// pause is the one under way.
func (e *sender) pause() time.Duration {
	pauses := [...]time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour}
	return pauses[min(e.level, len(pauses))-1]
}

// refuse notes that a site refused a sender's message for these recipients. It gives
// the end of the pause if one began with it.
func (s *senders) refuse(k senderKey, to []string, said mail.Reply, now time.Time) (until time.Time, began bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, version := s.at[k], s.current(k)
	if e == nil || e.version != version || now.Sub(e.last) > keepSender {
		if s.at == nil {
			s.at = make(map[senderKey]*sender)
		}
		// To learn of one again costs three refusals.
		memo.MakeRoom(s.at, maxSenders, func(e *sender) bool { return now.Sub(e.last) > keepSender })
		e = &sender{version: version}
		s.at[k] = e
	}
	e.last = now
	if e.level == 0 {
		// One of each attempt, and nobody twice.
		if i := slices.IndexFunc(to, func(one string) bool { return !slices.Contains(e.refused, one) }); i >= 0 {
			e.refused = append(e.refused, to[i])
		}
		if len(e.refused) < stopAfter {
			return time.Time{}, false
		}
		e.refused = nil
	} else if now.Before(e.until) {
		return time.Time{}, false // an attempt from before it was stopped
	}
	e.level++
	e.until, e.probe = now.Add(e.pause()), time.Time{}
	if len(said.Text) > maxSaid {
		said.Text = strings.ToValidUTF8(said.Text[:maxSaid], "") + "..."
	}
	e.said = said
	return e.until, true
}

// current gives the version of an identity.
func (s *senders) current(k senderKey) uint64 {
	if s.version == nil {
		return 0
	}
	return s.version(k.account, k.identity)
}

// took forgets all refusals of a sender whose mail a site took, and reports whether
// it was stopped.
func (s *senders) took(k senderKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.at[k]
	delete(s.at, k)
	return e != nil && e.level > 0
}

// lift forgets the senders of an account at a place; the empty one is all of them.
func (s *senders) lift(place, account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.at {
		if (place == "" || k.place == place) && (account == "" || k.account == account) {
			delete(s.at, k)
		}
	}
}

// all gives those who are stopped, the soonest to go on first.
func (s *senders) all(now time.Time) []*mail.Limit {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*mail.Limit
	for k, e := range s.at {
		if e.level > 0 && now.Before(e.end()) {
			list = append(list, senderStopped(k, e.end()))
		}
	}
	slices.SortFunc(list, func(a, b *mail.Limit) int {
		if c := a.Frees.Compare(b.Frees); c != 0 {
			return c
		}
		return strings.Compare(a.Whose, b.Whose)
	})
	return list
}

// stopped puts off mail of a sender that its site refuses, and reports whether it
// did. Notices have no identity and are never stopped.
func (d *Dispatcher) stopped(ctx context.Context, r *route.Route, lease *queue.Lease) bool {
	m := lease.Message
	if m.Identity == "" || m.Notice {
		return false
	}
	k, now := senderKey{place(r), m.Account, m.Identity}, d.o.Queue.Now()
	until, said := d.senders.ask(k, now)
	if until.IsZero() {
		return false
	}
	reply := mail.Refuse(451, 7, 1, "Mail of "+m.Identity+" waits: the remote host refused its sender, last with "+said.String())
	d.putOff(ctx, lease, *reply.WithCause(senderStopped(k, until)), until, now)
	return true
}

// putOff defers a lease without an attempt. The end of an entry's time is not put off.
func (d *Dispatcher) putOff(ctx context.Context, lease *queue.Lease, reply mail.Reply, until, now time.Time) {
	o := &mail.Outcome{Result: mail.Deferred, Reply: reply}
	why := read(o)
	why.DelayType = reading.SendingDeferral
	verdicts := make([]verdict, len(lease.Entries))
	for i := range lease.Entries {
		e := &lease.Entries[i]
		v := verdict{entry: e, outcome: o, read: why}
		if d.o.Queue.Expired(*e) {
			v.expired = true
			v.settled = queue.Settled{N: e.N, Result: mail.Failed}
		} else {
			due := until
			if now.Before(e.Expires) && due.After(e.Expires) {
				due = e.Expires
			}
			v.settled = queue.Settled{N: e.N, Result: mail.Deferred, Due: due, Attempts: e.Attempts, Last: reply, Scanned: e.Scanned}
		}
		verdicts[i] = v
	}
	d.trace(lease.Message, verdicts, now, nil)
	d.record(ctx, lease, verdicts, now)
}

// heard notes what a site thinks of the sender of a lease. Mail that was taken for
// one recipient was taken from the sender.
func (d *Dispatcher) heard(r *route.Route, lease *queue.Lease, outcomes []mail.Outcome) {
	m := lease.Message
	if m.Identity == "" || m.Notice {
		return
	}
	k := senderKey{place(r), m.Account, m.Identity}
	var to []string
	var said mail.Reply
	for i := range outcomes {
		o := &outcomes[i]
		if o.Result == mail.Delivered {
			if d.senders.took(k) {
				d.log.Info("sender goes on", "id", m.ID, "account", m.Account, "from", m.Identity, "mx", k.place)
			}
			return
		}
		if o.Remote && read(o).Action == reading.StopSender {
			to, said = append(to, lease.Entries[i].To.String()), o.Reply
		}
	}
	if len(to) == 0 {
		return
	}
	now := d.o.Queue.Now()
	until, began := d.senders.refuse(k, to, said, now)
	if began {
		d.log.Warn("sender stopped", "id", m.ID, "account", m.Account, "from", m.Identity, "mx", k.place, "dur", until.Sub(now),
			"code", said.Code, "status", said.Status.String(), "text", said.Text, "err", senderStopped(k, until))
	}
}

func senderStopped(k senderKey, until time.Time) *mail.Limit {
	return &mail.Limit{Name: mail.LimitSenderStopped, Frees: until,
		Whose: fmt.Sprintf("identity %s of account %s at site %s", k.identity, k.account, k.place)}
}

// stoppedSender gives the identity that an entry was put off for, by its last reply;
// empty if it was not.
func stoppedSender(e queue.Entry) string {
	if e.LastHost != "" || e.Last.Code != 451 {
		return ""
	}
	rest, found := strings.CutPrefix(e.Last.Text, "Mail of ")
	identity, _, waits := strings.Cut(rest, " waits: ")
	if !found || !waits {
		return ""
	}
	return identity
}
