package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a queue on a spool in memory, with what it told.
type rig struct {
	*queue.Queue
	t      *testing.T
	spool  *queuetest.Spool
	minter *mail.Minter
	stop   func()

	mu       sync.Mutex
	ready    map[string]int
	unrouted []string
}

// newRig makes a queue that runs until the test ends. Domains go to the site of
// the same name, but for those whose name begins with "lost".
func newRig(t *testing.T, spool *queuetest.Spool, change ...func(*queue.Options)) *rig {
	t.Helper()
	minter, err := mail.NewMinter([]byte("0123456789abcdef"), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, spool: spool, minter: minter, ready: make(map[string]int)}
	o := queue.Options{
		Spool: spool,
		Ready: func(site string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ready[site]++
		},
		Unrouted: func(domain string) {
			r.mu.Lock()
			r.unrouted = append(r.unrouted, domain)
			r.mu.Unlock()
			if !strings.HasPrefix(domain, "lost") {
				r.Assign(domain, domain)
			}
		},
	}
	for _, c := range change {
		c(&o)
	}
	r.Queue = queue.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(r.stop)
	synctest.Wait()
	return r
}

func (r *rig) readied(site string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready[site]
}

// message makes a submission that is due now.
func (r *rig) message(account string, to ...string) queue.Submission {
	r.t.Helper()
	now := r.Now()
	s := queue.Submission{
		Message: queue.Message{ID: r.minter.New(now), Account: account, Accepted: now},
		Content: queuetest.NewDraft("Subject: x\r\n\r\nx\r\n"),
		Due:     now,
		MaxAge:  4 * 24 * time.Hour,
	}
	for _, a := range to {
		path, err := mail.ParseForwardPath(a)
		if err != nil {
			r.t.Fatal(err)
		}
		s.Message.To = append(s.Message.To, path)
	}
	return s
}

func (r *rig) append(account string, to ...string) mail.ID {
	r.t.Helper()
	s := r.message(account, to...)
	id, err := r.Append(context.Background(), s)
	if err != nil || id != s.Message.ID {
		r.t.Fatalf("Append = %v, %v", id, err)
	}
	return id
}

// take gives the recipients of the next lease, and the lease.
func (r *rig) take(site string) (string, *queue.Lease) {
	l := r.Take(context.Background(), site)
	if l == nil {
		return "", nil
	}
	var to []string
	for _, e := range l.Entries {
		to = append(to, e.To.String())
		if l.Message.To[e.N] != e.To {
			r.t.Errorf("entry %d is for %v, the message has %v there", e.N, e.To, l.Message.To[e.N])
		}
	}
	return strings.Join(to, " "), l
}

func (r *rig) settle(l *queue.Lease, result mail.Result, after time.Duration) {
	r.t.Helper()
	var settled []queue.Settled
	for _, e := range l.Entries {
		settled = append(settled, queue.Settled{N: e.N, Result: result, Due: r.Now().Add(after), Attempts: e.Attempts + 1})
	}
	if err := r.Settle(context.Background(), l, settled, nil); err != nil {
		r.t.Errorf("Settle: %v", err)
	}
}

func (r *rig) wantNext(site, want string) *queue.Lease {
	r.t.Helper()
	got, l := r.take(site)
	if got != want {
		r.t.Fatalf("Take(%s) = %q, want %q", site, got, want)
	}
	return l
}

// bubble runs f where time is the test's own.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

const one, two = "000000000001", "000000000002"

func TestFreshMessageIsTakenWithoutReadingItBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var calls []string
		spool := &queuetest.Spool{}
		r := newRig(t, spool)
		spool.Hook = func(m string) error { calls = append(calls, m); return nil }
		r.append(one, "a@example.org", "b@example.org", "c@example.net", "d@example.org")
		l := r.wantNext("example.org", "a@example.org b@example.org d@example.org")
		r.settle(l, mail.Delivered, 0)
		r.settle(r.wantNext("example.net", "c@example.net"), mail.Failed, 0)
		if want := []string{"Append", "Commit", "Commit"}; !slices.Equal(calls, want) {
			t.Errorf("spool was asked %v, want %v", calls, want)
		}
		r.wantNext("example.org", "")
		if d := r.Depth(); d.Messages != 0 {
			t.Errorf("depth = %+v", d)
		}
	})
}

func TestNoticeIsReadFromTheSpoolSinceItMayBeARepeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{})
		s := r.message(one, "a@example.org")
		s.Message.Notice = true
		for range 3 {
			if _, err := r.Append(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		l := r.wantNext("example.org", "a@example.org")
		if _, err := r.Append(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		r.wantNext("example.org", "")
		r.settle(l, mail.Delivered, 0)
		r.wantNext("example.org", "")
	})
}

func TestRepeatOfAnotherMessageIsNotDelivered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first := mail.ID{1}
		r := newRig(t, &queuetest.Spool{}, func(o *queue.Options) { o.Spool = repeating{o.Spool, first} })
		if id, err := r.Append(t.Context(), r.message(one, "a@example.org")); err != nil || id != first {
			t.Fatalf("Append = %v, %v", id, err)
		}
		r.wantNext("example.org", "")
	})
}

// repeating is a spool that knows every submission already.
type repeating struct {
	queue.Spool
	id mail.ID
}

func (r repeating) Append(context.Context, queue.Submission) (mail.ID, error) { return r.id, nil }

func TestDeferredEntriesComeBackWhenTheyAreDue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{})
		r.append(one, "a@example.org", "b@example.org")
		l := r.wantNext("example.org", "a@example.org b@example.org")
		err := r.Settle(t.Context(), l, []queue.Settled{
			{N: 0, Result: mail.Deferred, Due: r.Now().Add(time.Minute), Attempts: 1, Last: *mail.Refuse(451, 2, 1, "later")},
			{N: 1, Result: mail.Delivered},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.wantNext("example.org", "")
		before := r.readied("example.org")
		time.Sleep(time.Minute - time.Second)
		synctest.Wait()
		if r.readied("example.org") != before {
			t.Error("told of work before it was due")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r.readied("example.org") == before {
			t.Error("not told of work when it was due")
		}
		l = r.wantNext("example.org", "a@example.org")
		if e := l.Entries[0]; e.Attempts != 1 || e.Last.Code != 451 {
			t.Errorf("entry = %+v", e)
		}
	})
}

func TestRestartKeepsTimesAndCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spool := &queuetest.Spool{}
		r := newRig(t, spool)
		for i := range 5 {
			r.append(one, fmt.Sprintf("u%d@example.org", i))
			r.settle(r.wantNext("example.org", fmt.Sprintf("u%d@example.org", i)), mail.Deferred, time.Duration(i+1)*time.Hour)
		}
		r.append(two, "x@example.org")
		r.wantNext("example.org", "x@example.org") // under way at the crash
		r.stop()
		r = newRig(t, spool)
		r.wantNext("example.org", "x@example.org") // tried again
		r.wantNext("example.org", "")
		for i := range 5 {
			time.Sleep(time.Hour)
			synctest.Wait()
			if l := r.wantNext("example.org", fmt.Sprintf("u%d@example.org", i)); l.Entries[0].Attempts != 1 {
				t.Errorf("attempts = %d", l.Entries[0].Attempts)
			}
			r.wantNext("example.org", "")
		}
	})
}

func TestAccountsTakeTurnsAtASiteAndLinesWithinThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{}, func(o *queue.Options) { o.Unrouted = nil })
		for i := range 6 {
			r.append(one, fmt.Sprintf("p%d@example.org", i))
		}
		for i := range 2 {
			r.append(one, fmt.Sprintf("q%d@example.net", i))
		}
		r.append(two, "z@example.org")
		r.Assign("example.org", "mx")
		r.Assign("example.net", "mx")
		var got []string
		for {
			to, l := r.take("mx")
			if l == nil {
				break
			}
			got = append(got, to[:2])
		}
		z := slices.Index(got, "z@")
		if z < 0 || z > 1 {
			t.Errorf("the other account's only message came as number %d: %v", z, got)
		}
		if i := slices.Index(got, "q1"); i > 5 {
			t.Errorf("lines of one account do not take turns: %v", got)
		}
		if len(got) != 9 || slices.Index(got, "p0") > slices.Index(got, "p1") {
			t.Errorf("order = %v", got)
		}
	})
}

func TestLeaseHoldsOneMessageUpToTheCap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{}, func(o *queue.Options) { o.Recipients = 4 })
		var to []string
		for i := range 10 {
			to = append(to, fmt.Sprintf("r%d@example.org", i))
		}
		id := r.append(one, to...)
		r.append(one, "next@example.org")
		for _, want := range [][]string{to[:4], to[4:8], to[8:]} {
			if l := r.wantNext("example.org", strings.Join(want, " ")); l.Message.ID != id {
				t.Error("a lease of another message")
			}
		}
		r.wantNext("example.org", "next@example.org")
	})
}

func TestFreshMessageDoesNotOvertakeWhatWaitsOnDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{}, func(o *queue.Options) { o.Window = 10 })
		for i := range 15 {
			r.append(one, fmt.Sprintf("u%d@example.org", i))
			time.Sleep(time.Millisecond)
		}
		for i := range 5 {
			r.wantNext("example.org", fmt.Sprintf("u%d@example.org", i))
		}
		r.append(one, "last@example.org")
		for i := range 10 {
			r.wantNext("example.org", fmt.Sprintf("u%d@example.org", i+5))
		}
		r.wantNext("example.org", "last@example.org")
	})
}

func TestMailToManyRecipientsIsNotReadAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const messages, recipients = 20, 50
		pages := 0
		spool := &queuetest.Spool{Hook: func(method string) error {
			if method == "Page" {
				pages++
			}
			return nil
		}}
		r := newRig(t, spool)
		to := make([]string, recipients)
		for i := range to {
			to[i] = fmt.Sprintf("u%d@example.org", i)
		}
		for range messages {
			r.append(one, to...)
		}
		for i := range messages {
			l := r.Take(t.Context(), "example.org")
			if l == nil || len(l.Entries) != recipients {
				t.Fatalf("lease %d is %+v", i, l)
			}
		}
		if pages > 0 {
			t.Errorf("%d pages read of what was in memory", pages)
		}
	})
}

func TestMailToManyRecipientsComesFromDiskInOneAndInFewPages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const messages, recipients = 60, 30
		pages := 0
		spool := &queuetest.Spool{Hook: func(method string) error {
			if method == "Page" {
				pages++
			}
			return nil
		}}
		before := newRig(t, spool)
		to := make([]string, recipients)
		for i := range to {
			to[i] = fmt.Sprintf("u%d@example.org", i)
		}
		for range messages {
			before.append(one, to...)
			time.Sleep(time.Millisecond)
		}
		before.stop()
		r := newRig(t, spool, func(o *queue.Options) { o.Window, o.Total = 100, 4000 })
		for i := range messages {
			l := r.Take(t.Context(), "example.org")
			if l == nil || len(l.Entries) != recipients {
				t.Fatalf("lease %d is %+v", i, l)
			}
		}
		r.wantNext("example.org", "")
		if pages > 10 {
			t.Errorf("%d pages were read for %d messages", pages, messages)
		}
	})
}

func TestWhatIsDueDoesNotWaitForTheRestOfItsMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spool := &queuetest.Spool{}
		r := newRig(t, spool)
		r.append(one, "soon@example.org", "late@example.org")
		err := r.Settle(t.Context(), r.wantNext("example.org", "soon@example.org late@example.org"), []queue.Settled{
			{N: 0, Result: mail.Deferred, Due: r.Now().Add(time.Minute), Attempts: 1},
			{N: 1, Result: mail.Deferred, Due: r.Now().Add(4 * time.Hour), Attempts: 1},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.append(one, "first@example.org")
		r.stop()
		time.Sleep(time.Minute)
		// The page ends with the recipient that is not due yet.
		r = newRig(t, spool, func(o *queue.Options) { o.Window = 2 })
		r.wantNext("example.org", "first@example.org")
		r.wantNext("example.org", "soon@example.org")
		r.wantNext("example.org", "")
	})
}

func TestALeaseThatHasEndedEndsOnceMoreInPeace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{})
		r.append(one, "a@example.org", "b@example.org")
		l := r.wantNext("example.org", "a@example.org b@example.org")
		r.settle(l, mail.Delivered, 0)
		r.Release(l)
		r.wantNext("example.org", "")
		r.append(one, "c@example.org")
		r.wantNext("example.org", "c@example.org")
	})
}

func TestReleaseGivesBackUntried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{})
		r.append(one, "a@example.org")
		before := r.readied("example.org")
		l := r.wantNext("example.org", "a@example.org")
		r.wantNext("example.org", "")
		r.Release(l)
		if r.readied("example.org") <= before {
			t.Error("not told that the work is back")
		}
		if l = r.wantNext("example.org", "a@example.org"); l.Entries[0].Attempts != 0 {
			t.Error("an attempt was counted")
		}
	})
}

func TestFailedCommitKeepsTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spool := &queuetest.Spool{}
		r := newRig(t, spool)
		r.append(one, "a@example.org")
		l := r.wantNext("example.org", "a@example.org")
		spool.Hook = func(string) error { return queue.ErrFull }
		if err := r.Settle(t.Context(), l, []queue.Settled{{Result: mail.Delivered}}, nil); !errors.Is(err, queue.ErrFull) {
			t.Errorf("Settle = %v", err)
		}
		spool.Hook = nil
		time.Sleep(time.Hour)
		synctest.Wait()
		r.wantNext("example.org", "")
		r.settle(l, mail.Delivered, 0)
		if r.Depth().Recipients != 0 {
			t.Error("not settled")
		}
	})
}

func TestDomainIsAskedForOnceAndFollowsItsSite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{})
		for range 3 {
			r.append(one, "a@lost.example.org")
			r.append(two, "a@lost.example.org")
		}
		if want := []string{"lost.example.org"}; !slices.Equal(r.unrouted, want) {
			t.Fatalf("asked %v, want %v", r.unrouted, want)
		}
		r.Assign("lost.example.org", "here")
		if r.readied("here") == 0 {
			t.Error("the site was not told")
		}
		r.wantNext("here", "a@lost.example.org")
		r.Assign("lost.example.org", "there")
		r.wantNext("here", "")
		l := r.wantNext("there", "a@lost.example.org")
		r.Assign("lost.example.org", "")
		if len(r.unrouted) != 2 {
			t.Errorf("asked %d times, want again after the site was taken away", len(r.unrouted))
		}
		r.Release(l)
		r.wantNext("there", "")
	})
}

func TestDeadDomainStaysOnDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		r := newRig(t, &queuetest.Spool{}, func(o *queue.Options) { o.Metrics = reg })
		const n = 100_000
		for i := range n {
			r.append(one, fmt.Sprintf("u%d@dead.example", i))
		}
		time.Sleep(90 * time.Second)
		want := fmt.Sprintf(`
			# HELP sesame_queue_depth Recipients in the queue, by state.
			# TYPE sesame_queue_depth gauge
			sesame_queue_depth{state="held"} 0
			sesame_queue_depth{state="queued"} %d
			# HELP sesame_queue_lines Lines (account and domain) with something to deliver.
			# TYPE sesame_queue_lines gauge
			sesame_queue_lines 1
			# HELP sesame_queue_loaded Due entries kept in memory.
			# TYPE sesame_queue_loaded gauge
			sesame_queue_loaded 200
			# HELP sesame_queue_oldest_seconds How long the oldest due entry has waited for its attempt.
			# TYPE sesame_queue_oldest_seconds gauge
			sesame_queue_oldest_seconds 90
			`, n)
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "sesame_queue_depth", "sesame_queue_lines",
			"sesame_queue_loaded", "sesame_queue_oldest_seconds"); err != nil {
			t.Error(err)
		}
		r.append(one, "a@example.org")
		r.wantNext("example.org", "a@example.org")
		// All of them come, once each, in order.
		for i := range n {
			r.settle(r.wantNext("dead.example", fmt.Sprintf("u%d@dead.example", i)), mail.Deferred, time.Hour)
		}
		r.wantNext("dead.example", "")
		time.Sleep(time.Hour)
		synctest.Wait()
		r.wantNext("dead.example", "u0@dead.example")
	})
}

func TestMemoryOfManyDeadDomainsIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		r := newRig(t, &queuetest.Spool{}, func(o *queue.Options) {
			o.Window, o.Total, o.Metrics = 10, 50, reg
		})
		for d := range 20 {
			for i := range 15 {
				r.append(one, fmt.Sprintf("u%d@d%d.example", i, d))
			}
		}
		loaded := func() float64 {
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if f.GetName() == "sesame_queue_loaded" {
					return f.GetMetric()[0].GetGauge().GetValue()
				}
			}
			t.Fatal("no gauge")
			return 0
		}
		seen := make(map[string]bool)
		for range 15 { // one of each domain at a time, so that windows push each other out
			for d := range 20 {
				to, l := r.take(fmt.Sprintf("d%d.example", d))
				if l == nil || seen[to] {
					t.Fatalf("domain %d gave %q", d, to)
				}
				seen[to] = true
				if n := loaded(); n > 50 {
					t.Fatalf("%v entries in memory", n)
				}
			}
		}
	})
}

func TestAppendOfUnknownOutcomeIsLookedForLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lost := errors.New("connection to the spool lost")
		r := newRig(t, &queuetest.Spool{}, func(o *queue.Options) { o.Spool = forgetful{o.Spool, lost} })
		if _, err := r.Append(t.Context(), r.message(one, "a@example.org")); !errors.Is(err, lost) {
			t.Fatalf("Append = %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		r.wantNext("example.org", "a@example.org")
	})
}

// forgetful is a spool that keeps what it says it could not keep.
type forgetful struct {
	queue.Spool
	err error
}

func (f forgetful) Append(ctx context.Context, s queue.Submission) (mail.ID, error) {
	if _, err := f.Spool.Append(ctx, s); err != nil {
		return mail.ID{}, err
	}
	return mail.ID{}, f.err
}

// A page that is read while a notice is appended again leaves the notice to the
// append; when that is refused, the notice must not be forgotten.
func TestRefusedRepeatOfANoticeLeavesTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spool := &queuetest.Spool{}
		r := newRig(t, spool)
		s := r.message(one, "a@example.org")
		s.Message.Notice = true
		if _, err := r.Append(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		spool.Hook = func(m string) error {
			if m != "Append" {
				return nil
			}
			if l := r.Take(t.Context(), "example.org"); l != nil {
				t.Errorf("a lease on %v", l.Entries)
			}
			return queue.ErrFull
		}
		if _, err := r.Append(t.Context(), s); !errors.Is(err, queue.ErrFull) {
			t.Fatalf("the repeat: %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		r.wantNext("example.org", "a@example.org")
	})
}
