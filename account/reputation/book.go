package reputation

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/mail"
)

// Kind is what is rated.
type Kind string

// The kinds.
const (
	Account   Kind = "account"
	Identity  Kind = "identity"
	ConfigSet Kind = "configset"
)

// Subject is whose mail is rated.
type Subject struct {
	Account string // 12 digits
	Kind    Kind
	Name    string // of the identity or the set; empty for the account itself
}

// String gives kind and name.
func (s Subject) String() string {
	if s.Name == "" {
		return string(s.Kind)
	}
	return string(s.Kind) + " " + s.Name
}

// Outcome is what became of one recipient of a message.
type Outcome int

// The outcomes.
const (
	Sent       Outcome = iota + 1 // accepted; for statistics alone
	Delivered                     // a remote host took it
	Bounced                       // given up, or it came back
	Complained                    // the recipient complained
	Rejected                      // stopped by a scanner
)

// Fact is one outcome.
type Fact struct {
	Outcome Outcome
	To      mail.Address
	// BounceType and SubType are of a bounce, in the words of SES; SubType also of a
	// complaint that a suppression list made.
	BounceType, SubType string
	// Late: an outcome of this recipient was told before.
	Late bool
	// N is how many recipients it tells of, of a Sent that does not say which; 0 is
	// the one.
	N int
}

// count is how many recipients a fact tells of.
func (f *Fact) count() int64 { return int64(max(f.N, 1)) }

// Sender is whose mail the outcome is about, and when that was accepted. Empty
// names are none.
type Sender struct {
	Account, Identity, ConfigSet string
	Accepted                     time.Time
}

// Accounts are those that there are; *account.Book.
type Accounts interface {
	Lookup(nameOrID string) (account.Account, error)
	Update(ctx context.Context, nameOrID string, f func(*account.Account)) (account.Account, error)
}

// Options is what a Book is made from. Dir and Accounts must be set.
type Options struct {
	// Dir is the folder of the files; it is made.
	Dir      string
	Accounts Accounts
	// Strict is the profile of accounts that have none of their own: those of the
	// strict one are paused, others are warned.
	Strict bool
	// Own reports whether an address belongs to a verified identity of an account;
	// nil is never. Mail to it does not count.
	Own func(accountID string, to mail.Address) bool
	// Simulated tells the domains of the mailbox simulator; nil is none. Mail to them
	// does not count either.
	Simulated func(domain string) bool
	// Changed is told of new states of an account and what belongs to it, again and
	// over a restart until it gives nil; nil is nobody.
	Changed func(ctx context.Context, a account.Account, changes []Change) error
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Bounds of what is kept in memory.
const (
	maxNamed   = 1000   // identities and sets of one account
	maxRatings = 10_000 // of all accounts
	maxDomains = 10_000 // that send complaints
)

// idle is how long an identity or set without mail, and a domain without
// complaints, is remembered.
const idle = 90 * 24 * time.Hour

// rating is a Rating with its windows.
type rating struct {
	state               State
	untold              State // that the present one came from, until that is told
	since, fresh, last  time.Time
	bounces, complaints window
}

func (r *rating) show(s Subject) Rating {
	return Rating{s, r.state, r.since, r.fresh, r.bounces.total, r.complaints.total}
}

// Book is the ratings and statistics of all accounts. It is safe for concurrent
// use, and everything is answered from memory.
type Book struct {
	o       Options
	bad     chan struct{} // something bad was counted
	changed *prometheus.CounterVec

	mu      sync.Mutex
	ratings map[Subject]*rating
	named   map[string]int // identities and sets rated, by account
	full    bool           // the log was told that there is no room
	// domains send complaints; the value is when the last one came.
	domains map[string]time.Time
	points  map[string][]Point // by account, in order of time
	unkept  bool               // there is something to write
	days    map[string]bool    // whose points are to be written

	today string // when old files were last removed; Run's
}

// Open reads what is kept. Counts that cannot be read are put aside and begun anew:
// no mail waits for them.
func Open(o Options) (*Book, error) {
	b := &Book{
		o: o, bad: make(chan struct{}, 1), changed: newChanged(),
		ratings: map[Subject]*rating{}, named: map[string]int{}, domains: map[string]time.Time{},
		points: map[string][]Point{}, days: map[string]bool{},
	}
	b.o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if err := b.load(time.Now()); err != nil {
		return nil, err
	}
	if o.Metrics != nil {
		o.Metrics.MustRegister(collector{b}, b.changed)
	}
	return b, nil
}

// Observe counts outcomes of one message that became known together. It never waits
// for a disk. Several complaints are one: a report that does not say who complained
// is told of all who may have.
func (b *Book) Observe(s Sender, facts ...Fact) {
	now, bad := time.Now(), false
	told, counted := false, false
	for len(facts) > 0 {
		f := facts[0]
		complaint := f.Outcome == Complained
		eligible := b.eligible(s.Account, f)
		facts = facts[1:]
		if f.Outcome == Delivered { // those of one domain are counted together
			for f.N = 0; len(facts) > 0 && facts[0].Outcome == Delivered && facts[0].To.Domain() == f.To.Domain(); facts = facts[1:] {
				if b.eligible(s.Account, facts[0]) {
					f.N++
				}
			}
			if eligible {
				f.N++
			}
			eligible = f.N > 0
		}
		b.mu.Lock()
		if !complaint || !told {
			b.point(now, s.Account, f)
			told = told || complaint
		}
		if eligible && !(complaint && counted) && b.rate(now, s, f) {
			bad = true
			counted = counted || complaint
		}
		b.mu.Unlock()
	}
	if bad {
		select {
		case b.bad <- struct{}{}:
		default:
		}
	}
}

// eligible reports whether an outcome says something about a sender.
func (b *Book) eligible(accountID string, f Fact) bool {
	switch f.Outcome {
	case Delivered, Bounced, Complained:
		return !(b.o.Simulated != nil && b.o.Simulated(f.To.Domain())) && !(b.o.Own != nil && b.o.Own(accountID, f.To))
	case Sent, Rejected:
	}
	return false
}

// The words of SES for what is no fault of the sender's (spec section 5.2). What the
// list of the installation stops counts.
const (
	permanent    = "Permanent"
	onOwnList    = "OnAccountSuppressionList"
	unsubscribed = "UnsubscribedRecipient"
)

// rate counts an outcome in the windows of its subjects and reports whether it was
// bad. It is called under the lock.
func (b *Book) rate(now time.Time, s Sender, f Fact) (bad bool) {
	var bounces, complaints Rate
	domain := f.To.Domain()
	switch f.Outcome {
	case Delivered:
		bounces.Mails = f.count()
		if _, ok := b.domains[domain]; ok {
			complaints.Mails = f.count()
		}
	case Bounced:
		if f.SubType == onOwnList || f.SubType == unsubscribed {
			return false
		}
		if !f.Late {
			bounces.Mails = 1
		}
		if f.BounceType == permanent {
			bounces.Bad = 1
		}
	case Complained:
		if f.SubType != "" || !b.complains(now, domain) {
			return false
		}
		complaints.Bad = 1
	case Sent, Rejected:
		return false
	}
	for _, subject := range [...]Subject{{s.Account, Account, ""}, {s.Account, Identity, s.Identity}, {s.Account, ConfigSet, s.ConfigSet}} {
		if subject.Name == "" && subject.Kind != Account {
			continue
		}
		r := b.rating(now, subject)
		if r == nil || s.Accepted.Before(r.fresh) {
			continue // of mail before the fresh start
		}
		r.last = now
		if bounces != (Rate{}) {
			r.bounces.add(now, bounceExtent(), bounces.Mails, bounces.Bad)
		}
		if complaints != (Rate{}) {
			r.complaints.add(now, complaintExtent(), complaints.Mails, complaints.Bad)
		}
		b.unkept = true
	}
	return bounces.Bad+complaints.Bad > 0
}

// complains notes that a domain sends complaints, and reports whether that was
// known. The first one does not count: the mail it is about did not.
func (b *Book) complains(now time.Time, domain string) (known bool) {
	_, known = b.domains[domain]
	if known || len(b.domains) < maxDomains {
		b.domains[domain] = now
		b.unkept = true
	}
	return known
}

// rating finds or makes the rating of a subject; nil when there is no room.
func (b *Book) rating(now time.Time, s Subject) *rating {
	if r := b.ratings[s]; r != nil {
		return r
	}
	if s.Kind != Account {
		if b.named[s.Account] >= maxNamed || len(b.ratings) >= maxRatings {
			if !b.full {
				b.o.Log.Warn("identities or configuration sets are not rated, there are too many", "account", s.Account)
			}
			b.full = true
			return nil
		}
		b.named[s.Account]++
	}
	r := &rating{state: Healthy, since: now}
	b.ratings[s] = r
	return r
}

// forget drops a rating. It is called under the lock.
func (b *Book) forget(s Subject) {
	if _, ok := b.ratings[s]; ok {
		delete(b.ratings, s)
		if s.Kind != Account {
			b.named[s.Account]--
		}
		if b.named[s.Account] == 0 {
			delete(b.named, s.Account)
		}
		b.unkept = true
	}
}

// Rating gives that of a subject. One without mail is healthy.
func (b *Book) Rating(s Subject) Rating {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.ratings[s]; r != nil {
		return r.show(s)
	}
	return Rating{Subject: s, State: Healthy}
}

// Ratings gives those of an account, by its id: its own first, then those of its
// identities and sets that have any, in the order of names.
func (b *Book) Ratings(accountID string) []Rating {
	list := b.list(func(s Subject) bool { return s.Account == accountID })
	if len(list) == 0 || list[0].Kind != Account {
		list = slices.Insert(list, 0, Rating{Subject: Subject{accountID, Account, ""}, State: Healthy})
	}
	return list
}

// list gives ratings in the order of account, kind (the account, its sets, its
// identities) and name.
func (b *Book) list(which func(Subject) bool) []Rating {
	b.mu.Lock()
	var list []Rating
	for s, r := range b.ratings {
		if which(s) {
			list = append(list, r.show(s))
		}
	}
	b.mu.Unlock()
	slices.SortFunc(list, func(x, y Rating) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Name, y.Name))
	})
	return list
}

// Enforcement gives the word of SES for an account (GetAccount, EnforcementStatus):
// SHUTDOWN while it is paused by the operator or for its reputation, PROBATION when
// its rates are too high, else HEALTHY.
func (b *Book) Enforcement(a account.Account) string {
	switch {
	case a.Paused:
		return "SHUTDOWN"
	case b.Rating(Subject{a.ID, Account, ""}).State > Healthy:
		return "PROBATION"
	}
	return "HEALTHY"
}

// FreshStart counts anew: what became of earlier mail counts no more, and a pause
// is over. Whoever resumes an account, or a configuration set, calls it.
func (b *Book) FreshStart(s Subject) {
	b.mu.Lock()
	b.anew(time.Now(), s)
	b.mu.Unlock()
	b.o.Log.Info("reputation begun anew", "account", s.Account, "text", s.String())
}

func (b *Book) anew(now time.Time, s Subject) {
	if r := b.rating(now, s); r != nil {
		*r = rating{state: Healthy, since: now, fresh: now, last: now}
		b.unkept = true
	}
}
