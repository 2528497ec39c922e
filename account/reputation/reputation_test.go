package reputation_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/reputation"
	"github.com/sesame-mta/sesame/mail"
)

const id = "000000000001"

// accounts are in memory.
type accounts struct {
	mu   sync.Mutex
	byID map[string]account.Account
	fail error
}

func (s *accounts) Lookup(id string) (account.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.byID[id]
	if !ok {
		return a, account.ErrNotFound
	}
	return a, nil
}

func (s *accounts) Update(_ context.Context, id string, f func(*account.Account)) (account.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.byID[id]
	if !ok || s.fail != nil {
		return a, errors.Join(s.fail, account.ErrNotFound)
	}
	f(&a)
	s.byID[id] = a
	return a, nil
}

func (s *accounts) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// rig is a book that runs in a bubble, with its account and what it told.
type rig struct {
	*reputation.Book
	t        *testing.T
	o        reputation.Options
	accounts *accounts
	told     []string
	stop     func()
}

func world(t *testing.T, f func(*testing.T, *rig), alter ...func(*reputation.Options)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, accounts: &accounts{byID: map[string]account.Account{id: {ID: id, Name: "shop"}}}}
		r.o = reputation.Options{
			Dir: filepath.Join(dir, "reputation"), Accounts: r.accounts,
			Own: func(accountID string, to mail.Address) bool {
				return accountID == id && to.Domain() == "own.example.org"
			},
			Simulated: func(domain string) bool { return domain == "simulator.example.org" },
			Changed: func(_ context.Context, a account.Account, changes []reputation.Change) error {
				for _, c := range changes {
					r.told = append(r.told, a.Name+" "+c.String())
				}
				return nil
			},
		}
		for _, f := range alter {
			f(&r.o)
		}
		r.start()
		defer func() { r.stop() }()
		f(t, r)
	})
}

func (r *rig) start() {
	r.t.Helper()
	book, err := reputation.Open(r.o)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- book.Run(ctx) }()
	r.Book = book
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
}

// settle lets what was counted take effect.
func (r *rig) settle() {
	time.Sleep(2 * time.Second)
	synctest.Wait()
}

// tell gives what was told since it was last asked.
func (r *rig) tell() string {
	r.settle()
	s := strings.Join(r.told, "\n")
	r.told = nil
	return s
}

func address(t testing.TB, text string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func sender() reputation.Sender {
	return reputation.Sender{Account: id, Identity: "example.org", ConfigSet: "news", Accepted: time.Now()}
}

// count counts n outcomes of mail for an address.
func (r *rig) count(n int, f reputation.Fact, to string) {
	r.t.Helper()
	f.To = address(r.t, to)
	for range n {
		r.Observe(sender(), f)
	}
}

func (r *rig) delivered(n int) {
	r.t.Helper()
	r.count(n, reputation.Fact{Outcome: reputation.Delivered}, "bob@example.net")
}

func hard() reputation.Fact {
	return reputation.Fact{Outcome: reputation.Bounced, BounceType: "Permanent", SubType: "General"}
}

func (r *rig) bounced(n int) {
	r.t.Helper()
	r.count(n, hard(), "gone@example.net")
}

func (r *rig) own() reputation.Rating {
	return r.Rating(reputation.Subject{Account: id, Kind: reputation.Account})
}

func strict(o *reputation.Options) { o.Strict = true }

func TestBouncesMakeStatesExactlyAtTheirThresholds(t *testing.T) {
	for name, c := range map[string]struct {
		delivered, bounced int
		want               reputation.State
	}{
		"below the least volume":      {0, 999, reputation.Healthy},
		"at the least volume":         {0, 1000, reputation.Severe},
		"just below review":           {9501, 499, reputation.Healthy},
		"at review":                   {9500, 500, reputation.Review},
		"just below severe":           {9001, 999, reputation.Review},
		"at severe":                   {9000, 1000, reputation.Severe},
		"of the least volume":         {950, 50, reputation.Review},
		"of the least volume, barely": {951, 49, reputation.Healthy},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				r.delivered(c.delivered)
				r.bounced(c.bounced)
				r.settle()
				if got := r.own(); got.State != c.want || got.Bounces.Mails != int64(c.delivered+c.bounced) || got.Bounces.Bad != int64(c.bounced) {
					t.Errorf("%s with %+v, want %s", got.State, got.Bounces, c.want)
				}
				if a, _ := r.accounts.Lookup(id); a.Paused {
					t.Error("paused in the default profile")
				}
			})
		})
	}
}

func TestComplaintsMakeStatesExactlyAtTheirThresholds(t *testing.T) {
	for name, c := range map[string]struct {
		delivered, complained int
		want                  reputation.State
	}{
		"below the least volume": {999, 999, reputation.Healthy},
		"just below review":      {1001, 1, reputation.Healthy},
		"at review":              {1000, 1, reputation.Review},
		"just below severe":      {2001, 10, reputation.Review},
		"at severe":              {2000, 10, reputation.Severe},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				complaint := reputation.Fact{Outcome: reputation.Complained, Late: true}
				r.delivered(5000) // to a domain of which nobody knows that it sends complaints
				r.count(1, complaint, "bob@example.net")
				if got := r.own(); got.Complaints != (reputation.Rate{}) {
					t.Fatalf("the first complaint counts: %+v", got)
				}
				r.delivered(c.delivered)
				r.count(5000, reputation.Fact{Outcome: reputation.Delivered}, "bob@example.com") // nor of this one
				r.count(c.complained, complaint, "bob@example.net")
				r.settle()
				if got := r.own(); got.State != c.want || got.Complaints.Mails != int64(c.delivered) || got.Complaints.Bad != int64(c.complained) {
					t.Errorf("%s with %+v, want %s", got.State, got.Complaints, c.want)
				}
			})
		})
	}
}

func TestOnlyWhatIsTheSendersFaultCounts(t *testing.T) {
	for name, c := range map[string]struct {
		fact reputation.Fact
		to   string
		want reputation.Rate
	}{
		"a hard bounce":                 {hard(), "x@example.net", reputation.Rate{Mails: 1, Bad: 1}},
		"a soft one":                    {reputation.Fact{Outcome: reputation.Bounced, BounceType: "Transient", SubType: "MailboxFull"}, "x@example.net", reputation.Rate{Mails: 1}},
		"one that nobody understands":   {reputation.Fact{Outcome: reputation.Bounced, BounceType: "Undetermined"}, "x@example.net", reputation.Rate{Mails: 1}},
		"one that came back":            {reputation.Fact{Outcome: reputation.Bounced, BounceType: "Permanent", Late: true}, "x@example.net", reputation.Rate{Bad: 1}},
		"a soft one that came back":     {reputation.Fact{Outcome: reputation.Bounced, BounceType: "Transient", Late: true}, "x@example.net", reputation.Rate{}},
		"a delivery":                    {reputation.Fact{Outcome: reputation.Delivered}, "x@example.net", reputation.Rate{Mails: 1}},
		"on the account's list":         {reputation.Fact{Outcome: reputation.Bounced, BounceType: "Permanent", SubType: "OnAccountSuppressionList"}, "x@example.net", reputation.Rate{}},
		"on the installation's list":    {reputation.Fact{Outcome: reputation.Bounced, BounceType: "Permanent", SubType: "Suppressed"}, "x@example.net", reputation.Rate{Mails: 1, Bad: 1}},
		"unsubscribed":                  {reputation.Fact{Outcome: reputation.Bounced, BounceType: "Permanent", SubType: "UnsubscribedRecipient"}, "x@example.net", reputation.Rate{}},
		"at the simulator":              {hard(), "bounce@simulator.example.org", reputation.Rate{}},
		"at a domain of the account's":  {hard(), "x@own.example.org", reputation.Rate{}},
		"delivered at the simulator":    {reputation.Fact{Outcome: reputation.Delivered}, "success@simulator.example.org", reputation.Rate{}},
		"delivered at a domain of ours": {reputation.Fact{Outcome: reputation.Delivered}, "x@own.example.org", reputation.Rate{}},
		"accepted":                      {reputation.Fact{Outcome: reputation.Sent}, "x@example.net", reputation.Rate{}},
		"stopped by the scanner":        {reputation.Fact{Outcome: reputation.Rejected}, "x@example.net", reputation.Rate{}},
	} {
		world(t, func(t *testing.T, r *rig) {
			r.count(1, c.fact, c.to)
			for _, rating := range r.Ratings(id) {
				if rating.Bounces != c.want {
					t.Errorf("%s, of %s: %+v, want %+v", name, rating.Subject, rating.Bounces, c.want)
				}
			}
		})
	}
	world(t, func(t *testing.T, r *rig) {
		complaint := reputation.Fact{Outcome: reputation.Complained, Late: true}
		r.count(1, complaint, "x@example.net")
		r.count(3, reputation.Fact{Outcome: reputation.Complained, SubType: "OnAccountSuppressionList"}, "x@example.net")
		r.count(3, complaint, "complaint@simulator.example.org")
		r.count(2, complaint, "x@example.net")
		if got := r.own().Complaints; got != (reputation.Rate{Bad: 2}) {
			t.Errorf("complaints %+v", got)
		}
		// A report of somebody among four.
		anybody := func(to string) reputation.Fact {
			return reputation.Fact{Outcome: reputation.Complained, Late: true, To: address(t, to)}
		}
		r.Observe(sender(), anybody("y@own.example.org"), anybody("y@example.com"), anybody("y@example.net"), anybody("z@example.net"))
		if got, stat := r.own().Complaints, r.Statistics(id)[0]; got.Bad != 3 || stat.Complaints != 1+3+2+1 {
			t.Errorf("complaints %+v, %+v", got, stat)
		}
	})
}

func TestRecipientsOfOneMessageCountAsIfEachWereToldOfAlone(t *testing.T) {
	var facts []reputation.Fact
	for _, to := range []string{"a@example.net", "b@example.net", "a@own.example.org", "b@own.example.org", "c@example.net",
		"success@simulator.example.org", "d@example.com", "e@example.com", "f@example.com"} {
		facts = append(facts, reputation.Fact{Outcome: reputation.Delivered, To: address(t, to)})
	}
	facts = slices.Insert(facts, 7, hard())
	facts[7].To = address(t, "gone@example.com")
	told := func(each bool) (got []reputation.Rating, points []reputation.Point) {
		world(t, func(_ *testing.T, r *rig) {
			r.count(2, reputation.Fact{Outcome: reputation.Complained, Late: true}, "x@example.com")
			for i := range facts {
				if each {
					r.Observe(sender(), facts[i])
				}
			}
			if !each {
				r.Observe(sender(), facts...)
			}
			r.Observe(sender(), reputation.Fact{Outcome: reputation.Sent, N: 9})
			got, points = r.Ratings(id), r.Statistics(id)
		})
		return got, points
	}
	alone, statistics := told(true)
	together, same := told(false)
	if !reflect.DeepEqual(alone, together) || alone[0].Bounces != (reputation.Rate{Mails: 7, Bad: 1}) || alone[0].Complaints != (reputation.Rate{Mails: 3, Bad: 1}) {
		t.Errorf("alone %+v, together %+v", alone, together)
	}
	if !reflect.DeepEqual(statistics, same) || statistics[0].Attempts != 9 {
		t.Errorf("alone %+v, together %+v", statistics, same)
	}
}

func TestAStateIsLeftOnlyWellBelowItsThreshold(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.delivered(950)
		r.bounced(50)
		if got := r.tell(); !strings.Contains(got, "shop account: review after healthy, 50 hard bounces among 1000 mails (5.00 %), 0 complaints about 0 (0.000 %)") ||
			!strings.Contains(got, "shop identity example.org: review") || !strings.Contains(got, "shop configset news: review") {
			t.Errorf("told %q", got)
		}
		r.delivered(200) // 4.2 %
		time.Sleep(2 * time.Minute)
		if got := r.tell(); got != "" || r.own().State != reputation.Review {
			t.Errorf("told %q", got)
		}
		r.delivered(50) // 4 %: at the relief, not below it
		time.Sleep(2 * time.Minute)
		if got := r.tell(); got != "" {
			t.Errorf("told %q", got)
		}
		r.delivered(1)
		time.Sleep(2 * time.Minute)
		if got := r.tell(); !strings.Contains(got, "account: healthy after review") || strings.Count(got, "\n") != 2 {
			t.Errorf("told %q", got)
		}
		r.bounced(5000)
		if got := r.tell(); !strings.Contains(got, "account: severe after ") { // perhaps by way of review
			t.Errorf("told %q", got)
		}
	})
}

func TestAnAccountOfTheStrictProfileIsPaused(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.delivered(900)
		r.bounced(99)
		r.settle()
		if a, _ := r.accounts.Lookup(id); a.Paused {
			t.Fatal("paused below the least volume")
		}
		r.bounced(1)
		got := r.tell()
		a, _ := r.accounts.Lookup(id)
		if !a.Paused || r.own().State != reputation.Paused || r.Enforcement(a) != "SHUTDOWN" {
			t.Errorf("%+v, %+v", a, r.own())
		}
		// Its identities and sets are not.
		for _, want := range []string{"shop account: paused after healthy", "identity example.org: severe after", "configset news: severe after"} {
			if !strings.Contains(got, want) {
				t.Errorf("told %q, without %q", got, want)
			}
		}
		// What was on its way does not end the pause.
		r.delivered(9000)
		time.Sleep(2 * time.Minute)
		if r.own().State != reputation.Paused {
			t.Errorf("%+v", r.own())
		}
	}, strict)
}

func TestTheProfileOfTheAccountGoesBeforeThatOfTheFile(t *testing.T) {
	for profile, paused := range map[account.Profile]bool{account.ProfileSES: true, account.ProfileDefault: false} {
		world(t, func(t *testing.T, r *rig) {
			r.accounts.change(func() { r.accounts.byID[id] = account.Account{ID: id, Name: "shop", Profile: profile} })
			r.bounced(1000)
			r.settle()
			if a, _ := r.accounts.Lookup(id); a.Paused != paused || (r.own().State == reputation.Paused) != paused {
				t.Errorf("%s: %+v, %+v", profile, a, r.own())
			}
		}, func(o *reputation.Options) { o.Strict = !paused })
	}
}

func TestAnAccountThatIsSevereIsPausedWhenItsProfileBecomesStrict(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.delivered(950)
		r.bounced(50)
		r.settle()
		a, _ := r.accounts.Lookup(id)
		if got := r.Enforcement(a); got != "PROBATION" {
			t.Errorf("under review it is %s", got)
		}
		r.bounced(100)
		r.settle()
		if a, _ = r.accounts.Lookup(id); r.own().State != reputation.Severe || a.Paused || r.Enforcement(a) != "PROBATION" {
			t.Errorf("%+v, %+v", a, r.own())
		}
		r.accounts.change(func() { r.accounts.byID[id] = account.Account{ID: id, Profile: account.ProfileSES} })
		time.Sleep(time.Minute)
		r.settle()
		if a, _ = r.accounts.Lookup(id); r.own().State != reputation.Paused || !a.Paused {
			t.Errorf("%+v, %+v", a, r.own())
		}
		if got := r.Enforcement(account.Account{ID: "000000000009"}); got != "HEALTHY" {
			t.Errorf("another is %s", got)
		}
	})
}

func TestAPauseIsNotLostByACrash(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.bounced(1000)
		r.settle()
		crashed, err := reputation.Open(r.o) // as the files lie there now
		if err != nil {
			t.Fatal(err)
		}
		if got := crashed.Rating(r.own().Subject); got.State != reputation.Paused || got.Bounces.Mails != 1000 {
			t.Errorf("%+v", got)
		}
	}, strict)
}

// errDiskFull is what a Changed gives that could not tell anybody.
var errDiskFull = errors.New("disk is full")

func TestWhatWasNotTakenIsToldAgainAndOutlivesACrash(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		tries := 0
		r.stop()
		tell := r.o.Changed
		var since time.Time
		r.o.Changed = func(_ context.Context, _ account.Account, changes []reputation.Change) error {
			tries++
			since = changes[0].Since
			return errDiskFull
		}
		r.start()
		r.bounced(1000)
		r.settle()
		time.Sleep(2 * time.Minute)
		r.settle()
		if tries < 3 {
			t.Errorf("%d tries", tries)
		}
		// Another goes on from the files as they lie there now.
		deaf, first, dir := r.stop, since, r.o.Dir+"-crashed"
		if err := os.CopyFS(dir, os.DirFS(r.o.Dir)); err != nil {
			t.Fatal(err)
		}
		r.o.Dir = dir
		r.o.Changed = func(ctx context.Context, a account.Account, changes []reputation.Change) error {
			if !changes[0].Since.Equal(first) {
				t.Errorf("since %v, first told %v", changes[0].Since, first)
			}
			return tell(ctx, a, changes)
		}
		r.start()
		time.Sleep(time.Minute)
		if told := r.tell(); strings.Count(told, "\n") != 2 || !strings.Contains(told, "account: paused after healthy, 1000 hard bounces among 1000") ||
			!strings.Contains(told, "configset news: severe after healthy") {
			t.Errorf("told %s", told)
		}
		time.Sleep(2 * time.Minute)
		if told := r.tell(); told != "" {
			t.Errorf("told again %s", told)
		}
		deaf()
	}, strict)
}

// lookOn does something before an account is changed.
type lookOn struct {
	*accounts
	f func()
}

func (l lookOn) Update(ctx context.Context, id string, f func(*account.Account)) (account.Account, error) {
	l.f()
	return l.accounts.Update(ctx, id, f)
}

func TestWhatAnAccountIsPausedForIsKeptBeforeItAndTheStateBeforeAnybodyIsTold(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.stop()
		kept := func(state reputation.State) {
			crashed, err := reputation.Open(reputation.Options{Dir: r.o.Dir, Accounts: r.accounts})
			if err != nil {
				t.Error(err)
				return
			}
			got := crashed.Rating(reputation.Subject{Account: id, Kind: reputation.Account})
			if got.State != state || got.Bounces.Bad != 1000 {
				t.Errorf("kept is %+v", got)
			}
		}
		r.o.Accounts = lookOn{r.accounts, func() { kept(reputation.Healthy) }}
		told := false
		r.o.Changed = func(context.Context, account.Account, []reputation.Change) error {
			told = true
			kept(reputation.Paused)
			return nil
		}
		r.start()
		r.bounced(1000)
		r.settle()
		if !told {
			t.Error("nobody was told")
		}
	}, strict)
}

func TestAFreshStartForgetsWhatWasSentBefore(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.bounced(1000)
		r.settle()
		before := sender()
		time.Sleep(time.Hour)
		_, _ = r.accounts.Update(t.Context(), id, func(a *account.Account) { a.Paused = false })
		r.FreshStart(reputation.Subject{Account: id, Kind: reputation.Account})
		if got := r.own(); got.State != reputation.Healthy || got.Bounces.Mails != 0 || !got.Fresh.Equal(time.Now()) {
			t.Errorf("%+v", got)
		}
		// What was queued before, and what comes back of it, counts no more.
		f := hard()
		f.To = address(t, "gone@example.net")
		for range 2000 {
			r.Observe(before, f)
		}
		time.Sleep(time.Minute)
		r.settle()
		if a, _ := r.accounts.Lookup(id); a.Paused || r.own().Bounces.Mails != 0 {
			t.Errorf("%+v, %+v", a, r.own())
		}
		r.bounced(1000)
		r.settle()
		if a, _ := r.accounts.Lookup(id); !a.Paused {
			t.Error("new bounces do not count")
		}
	}, strict)
}

func TestAnAccountThatWasResumedBesideUsStartsAfresh(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.bounced(1000)
		r.settle()
		r.stop() // the operator's command is carried out, and the server killed
		_, _ = r.accounts.Update(t.Context(), id, func(a *account.Account) { a.Paused = false })
		r.start()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if a, _ := r.accounts.Lookup(id); a.Paused || r.own().State != reputation.Healthy || r.own().Fresh.IsZero() {
			t.Errorf("%+v, %+v", a, r.own())
		}
	}, strict)
}

func TestAPauseThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.accounts.change(func() { r.accounts.fail = errors.New("disk is full") })
		r.bounced(1000)
		r.settle()
		if r.own().State != reputation.Healthy {
			t.Errorf("%+v", r.own())
		}
		r.accounts.change(func() { r.accounts.fail = nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		if a, _ := r.accounts.Lookup(id); !a.Paused || r.own().State != reputation.Paused {
			t.Errorf("%+v, %+v", a, r.own())
		}
	}, strict)
}
