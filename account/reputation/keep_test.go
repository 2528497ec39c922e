package reputation_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/reputation"
)

func TestTheWindowIsTheLastMailsAndAtLeastSomeTime(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.bounced(400)
		r.delivered(9600)
		for range 10 { // all of a day stays, however much it is
			time.Sleep(time.Hour)
			r.delivered(5000)
		}
		if got := r.own().Bounces; got != (reputation.Rate{Mails: 60_000, Bad: 400}) {
			t.Errorf("%+v", got)
		}
		time.Sleep(25 * time.Hour)
		r.delivered(1)
		if got := r.own().Bounces; got.Bad != 0 || got.Mails < 10_000 || got.Mails > 20_000 {
			t.Errorf("a day later %+v", got)
		}
		r.bounced(1)
		time.Sleep(300 * 24 * time.Hour) // who sends little is judged by what is long ago
		r.delivered(1)
		if got := r.own().Bounces; got.Bad != 1 || got.Mails < 10_000 {
			t.Errorf("in the next year %+v", got)
		}
		// The least volume goes span by span.
		for range 30 {
			time.Sleep(2 * time.Hour)
			r.delivered(500)
			if got := r.own().Bounces; got.Mails < 10_000 || got.Mails > 20_000 {
				t.Errorf("%+v", got)
			}
		}
		if got := r.own().Bounces; got.Bad != 0 || got.Mails > 10_500 {
			t.Errorf("at the end %+v", got)
		}
	})
}

func TestCountsAndStatesOutliveARestart(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		complaint := reputation.Fact{Outcome: reputation.Complained, Late: true}
		r.count(1, complaint, "bob@example.net")
		r.FreshStart(reputation.Subject{Account: id, Kind: reputation.ConfigSet, Name: "news"})
		r.count(7, reputation.Fact{Outcome: reputation.Sent}, "bob@example.net")
		r.delivered(950)
		time.Sleep(30 * time.Hour) // another span, another day
		r.bounced(50)
		r.count(2, complaint, "bob@example.net")
		r.tell()
		want, points := fmt.Sprint(r.Ratings(id)), fmt.Sprint(r.Statistics(id))
		if !strings.Contains(points, " 7 0 1 0}") || !strings.Contains(points, " 0 50 2 0}") {
			t.Errorf("statistics %s", points)
		}
		r.stop()
		r.start()
		if got := fmt.Sprint(r.Ratings(id)); got != want {
			t.Errorf("after a restart\n%s\nbefore\n%s", got, want)
		}
		if got := fmt.Sprint(r.Statistics(id)); got != points {
			t.Errorf("after a restart %s, before %s", got, points)
		}
		if got := r.tell(); got != "" {
			t.Errorf("told again: %s", got)
		}
	})
}

func TestACrashLosesAMinuteAtMost(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.delivered(10)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		r.delivered(5)
		crashed, err := reputation.Open(r.o) // as the files lie there now
		if err != nil {
			t.Fatal(err)
		}
		if got := crashed.Rating(r.own().Subject).Bounces.Mails; got != 10 {
			t.Errorf("%d of 15 are kept", got)
		}
	})
}

func TestDamagedFilesArePutAside(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.delivered(10)
		r.count(1, reputation.Fact{Outcome: reputation.Sent}, "bob@example.net")
		r.stop()
		names, _ := filepath.Glob(filepath.Join(r.o.Dir, "*.json"))
		if len(names) != 2 {
			t.Fatalf("files %s", names)
		}
		for _, name := range names {
			if err := os.WriteFile(name, []byte(`{"v":1,"ratings":[{"account":7`), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		half := filepath.Join(r.o.Dir, ".ratings.json.1234.tmp")
		if err := os.WriteFile(half, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r.start()
		if _, err := os.Stat(half); err == nil {
			t.Error("what a crash left half written stays")
		}
		if r.own().Bounces.Mails != 0 || len(r.Statistics(id)) != 0 {
			t.Errorf("%+v", r.own())
		}
		r.delivered(1)
		r.stop()
		if names, _ := filepath.Glob(filepath.Join(r.o.Dir, "*.damaged")); len(names) != 2 {
			t.Errorf("aside lie %s", names)
		}
		if err := os.WriteFile(names[0], []byte(`{"v":2}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := reputation.Open(r.o); err == nil || !strings.Contains(err.Error(), "form 2") {
			t.Errorf("a later form: %v", err)
		}
	})
}

func TestStatisticsAreQuartersOfAnHourOfTwoWeeks(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		began := time.Now().UTC().Truncate(15 * time.Minute)
		for range 800 {
			r.count(1, reputation.Fact{Outcome: reputation.Sent}, "bob@example.net")
			time.Sleep(30 * time.Minute)
		}
		r.count(2, reputation.Fact{Outcome: reputation.Sent}, "success@simulator.example.org")
		r.bounced(1)
		r.count(1, reputation.Fact{Outcome: reputation.Bounced, SubType: "OnAccountSuppressionList"}, "x@example.net")
		r.count(1, reputation.Fact{Outcome: reputation.Rejected}, "x@example.net")
		r.count(1, reputation.Fact{Outcome: reputation.Complained}, "x@example.net")
		got := r.Statistics(id)
		last := got[len(got)-1]
		if len(got) != 14*24*2 || last != (reputation.Point{Time: began.Add(800 * 30 * time.Minute), Attempts: 2, Bounces: 1, Complaints: 1, Rejects: 1}) {
			t.Errorf("%d points, the last %+v", len(got), last)
		}
		r.stop()
		files, _ := filepath.Glob(filepath.Join(r.o.Dir, "2*.json"))
		if len(files) < 14 || len(files) > 16 {
			t.Errorf("%d files of days", len(files))
		}
		r.start()
		if again := r.Statistics(id); len(again) != len(got) || again[0] != got[0] {
			t.Errorf("%d points after a restart, of %d", len(again), len(got))
		}
	})
}

func TestWhatIsGoneOrIdleIsForgotten(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.accounts.change(func() { r.accounts.byID["000000000002"] = account.Account{ID: "000000000002"} })
		r.delivered(1)
		r.Observe(reputation.Sender{Account: "000000000002", Accepted: time.Now()},
			reputation.Fact{Outcome: reputation.Delivered, To: address(t, "x@example.net")},
			reputation.Fact{Outcome: reputation.Sent, To: address(t, "x@example.net")})
		r.accounts.change(func() { delete(r.accounts.byID, "000000000002") })
		time.Sleep(91 * 24 * time.Hour)
		synctest.Wait()
		if got := r.Ratings(id); len(got) != 1 || got[0].Bounces.Mails != 1 {
			t.Errorf("%+v", got)
		}
		if got := r.Ratings("000000000002"); got[0].Bounces.Mails != 0 || len(r.Statistics("000000000002")) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestTheNumberOfRatingsIsBounded(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		for i := range 3000 {
			s := sender()
			s.ConfigSet = fmt.Sprint("set", i)
			r.Observe(s, reputation.Fact{Outcome: reputation.Delivered, To: address(t, "x@example.net")})
		}
		if got := r.Ratings(id); len(got) != 1001 || got[0].Bounces.Mails != 3000 {
			t.Errorf("%d ratings, the account's %+v", len(got), got[0])
		}
	})
}

func TestMetricsShowAccountsAndSets(t *testing.T) {
	reg := prometheus.NewRegistry()
	world(t, func(t *testing.T, r *rig) {
		r.delivered(900)
		r.bounced(100)
		r.settle()
		const want = `
# HELP sesame_account_bounce_rate Hard bounces as a part of the mail that counts. The set is empty for the account as a whole.
# TYPE sesame_account_bounce_rate gauge
sesame_account_bounce_rate{account="000000000001",set=""} 0.1
sesame_account_bounce_rate{account="000000000001",set="news"} 0.1
# HELP sesame_account_reputation 1 is healthy, 2 review, 3 severe, 4 paused. The set is empty for the account as a whole.
# TYPE sesame_account_reputation gauge
sesame_account_reputation{account="000000000001",set=""} 3
sesame_account_reputation{account="000000000001",set="news"} 3
# HELP sesame_account_reputation_changes_total New states of accounts, identities and configuration sets.
# TYPE sesame_account_reputation_changes_total counter
sesame_account_reputation_changes_total{state="healthy"} 0
sesame_account_reputation_changes_total{state="paused"} 0
sesame_account_reputation_changes_total{state="review"} 0
sesame_account_reputation_changes_total{state="severe"} 3
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "sesame_account_bounce_rate", "sesame_account_reputation",
			"sesame_account_reputation_changes_total"); err != nil {
			t.Error(err)
		}
		for i := range 900 {
			s := sender()
			s.ConfigSet = fmt.Sprint("set", i)
			r.Observe(s, reputation.Fact{Outcome: reputation.Delivered, To: address(t, "x@example.net")})
		}
		if n, err := testutil.GatherAndCount(reg, "sesame_account_bounce_rate"); err != nil || n != 500 {
			t.Errorf("%d series, %v", n, err)
		}
	}, func(o *reputation.Options) { o.Metrics = reg })
}

func TestManyCountAtOnce(t *testing.T) {
	o := reputation.Options{Dir: t.TempDir(), Accounts: &accounts{byID: map[string]account.Account{id: {ID: id}}}}
	b, err := reputation.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var run, wg sync.WaitGroup
	run.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for i := range 8 {
		wg.Go(func() {
			f := hard()
			f.To = address(t, "x@example.net")
			for n := range 1000 {
				b.Observe(sender(), f, reputation.Fact{Outcome: reputation.Sent, To: f.To})
				if n%100 == i {
					b.Ratings(id)
					b.Statistics(id)
					b.FreshStart(reputation.Subject{Account: id, Kind: reputation.ConfigSet, Name: "news"})
				}
			}
		})
	}
	wg.Wait()
	cancel()
	run.Wait()
	if got := b.Ratings(id); got[0].Bounces != (reputation.Rate{Mails: 8000, Bad: 8000}) || b.Statistics(id)[0].Bounces == 0 {
		t.Errorf("%+v", got)
	}
}
