package queue_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
)

func TestClockJumpBetweenRunsExpiresNothingForAnHour(t *testing.T) {
	for _, test := range []struct {
		name string
		gap  time.Duration
		calm bool
	}{
		{"an hour of downtime is ordinary", time.Hour, false},
		{"a year forward", 365 * 24 * time.Hour, true},
		{"a year back", -365 * 24 * time.Hour, true},
		{"a first run", 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log bytes.Buffer
				spool := &queuetest.Spool{}
				r := newRig(t, spool)
				s := r.message(one, "a@example.org")
				s.MaxAge = time.Millisecond
				if _, err := r.Append(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				r.stop()
				time.Sleep(time.Second)
				if test.gap != 0 {
					spool.Seen = time.Now().Add(-test.gap)
				}
				r = newRig(t, spool, func(o *queue.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
				if got := strings.Contains(log.String(), "level=WARN"); got != test.calm {
					t.Errorf("warned: %v, want %v", got, test.calm)
				}
				want := 1
				if test.calm {
					want = 0
				}
				if got := r.TakeExpired(t.Context(), "example.org", 10); len(got) != want {
					t.Errorf("%d leases to give up at once, want %d", len(got), want)
				}
				if !test.calm {
					return
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if got := r.TakeExpired(t.Context(), "example.org", 10); len(got) != 1 {
					t.Errorf("%d leases to give up after an hour, want 1", len(got))
				}
			})
		})
	}
}

func TestDueTimeFarAheadIsDue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spool := &queuetest.Spool{}
		r := newRig(t, spool)
		r.append(one, "a@example.org")
		r.settle(r.wantNext("example.org", "a@example.org"), mail.Deferred, 27*time.Hour)
		r.append(one, "b@example.net")
		r.settle(r.wantNext("example.net", "b@example.net"), mail.Deferred, 300*24*time.Hour)
		r.stop()
		r = newRig(t, spool)
		r.wantNext("example.org", "")
		l := r.wantNext("example.net", "b@example.net")
		r.settle(l, mail.Deferred, time.Hour)
		r.wantNext("example.net", "")
	})
}

func TestExpiredEntriesOfASiteAreTakenWithoutTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{})
		for i := range 500 {
			s := r.message(one, fmt.Sprintf("u%d@example.org", i), fmt.Sprintf("v%d@example.org", i))
			s.MaxAge = time.Hour
			if i%2 == 1 {
				s.MaxAge = 3 * time.Hour
			}
			if _, err := r.Append(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		busy := r.wantNext("example.org", "u0@example.org v0@example.org")
		if got := r.TakeExpired(t.Context(), "example.org", 100); len(got) != 0 {
			t.Fatalf("%d leases before anything expired", len(got))
		}
		time.Sleep(time.Hour)
		gone := make(map[mail.ID]bool)
		for {
			leases := r.TakeExpired(t.Context(), "example.org", 100)
			if len(leases) == 0 {
				break
			}
			if len(leases) > 100 {
				t.Fatalf("%d leases at once", len(leases))
			}
			for _, l := range leases {
				if gone[l.Message.ID] || len(l.Entries) != 2 || l.Message.ID == busy.Message.ID {
					t.Fatalf("lease %+v", l)
				}
				gone[l.Message.ID] = true
				r.settle(l, mail.Failed, 0)
			}
		}
		if len(gone) != 249 {
			t.Errorf("%d messages given up, want 249", len(gone))
		}
		// What is left is what has time left; nothing given up is tried.
		n := 0
		for {
			_, l := r.take("example.org")
			if l == nil {
				break
			}
			n++
			if gone[l.Message.ID] || r.Expired(l.Entries[0]) {
				t.Fatalf("took %v again", l.Message.ID)
			}
		}
		if n != 250 {
			t.Errorf("%d messages left, want 250", n)
		}
	})
}

func TestSpoolErrorLetsALineRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, method := range []string{"Page", "Load"} {
			spool := &queuetest.Spool{}
			r := newRig(t, spool)
			r.append(one, "a@example.org")
			r.stop()
			spool.Hook = func(m string) error {
				if m == method {
					return errors.New("input/output error")
				}
				return nil
			}
			r = newRig(t, spool)
			r.wantNext("example.org", "")
			spool.Hook = nil
			r.wantNext("example.org", "")
			time.Sleep(5 * time.Second)
			synctest.Wait()
			r.wantNext("example.org", "a@example.org")
			r.stop()
		}
	})
}

func TestABrokenSpoolGivesNoLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spool := &queuetest.Spool{}
		r := newRig(t, spool)
		s := r.message(one, "a@example.org")
		s.Message.Notice = true // it goes by way of the disk
		if _, err := r.Append(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		spool.Hook = func(string) error { return fmt.Errorf("sync: %w", queue.ErrBroken) }
		if l := r.Take(t.Context(), "example.org"); l != nil {
			t.Error("a lease from a broken spool")
		}
		if err := queue.New(queue.Options{Spool: spool}).Run(t.Context()); !errors.Is(err, queue.ErrBroken) {
			t.Errorf("Run on a broken spool = %v", err)
		}
	})
}
