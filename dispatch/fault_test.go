package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

func TestFailureOfOursDefers(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(r *rig)
		want   string
	}{
		{"a panic", func(r *rig) {
			r.carry = func(context.Context, *route.Route, *delivery.Job) []mail.Outcome { panic("a bug") }
		}, "451 4.3.0 Internal error, will be tried again"},
		{"too few outcomes", func(r *rig) {
			r.carry = func(context.Context, *route.Route, *delivery.Job) []mail.Outcome { return nil }
		}, "451 4.3.0 Internal error, will be tried again"},
		{"a key that cannot be had", func(r *rig) {
			r.sign = func([]string, []byte, []byte) ([]byte, error) { return nil, errors.New("sealed") }
		}, "451 4.7.5 Message could not be signed"},
		{"content that cannot be opened", func(r *rig) {
			r.memory.Hook = func(m string) error {
				if m == "Open" {
					return errors.New("input/output error")
				}
				return nil
			}
		}, "451 4.3.0 Message could not be read from the spool"},
		{"an outcome that says nothing", func(r *rig) {
			r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
				return all(j, mail.Outcome{})
			}
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				test.damage(r)
				r.begin()
				s := r.message("a@example.org")
				s.Message.Keys = []string{"k"}
				r.submit(s)
				synctest.Wait()
				es := r.entries()
				if len(es) != 1 || es[0].Attempts != 1 || es[0].Last.String() != test.want {
					t.Fatalf("entries = %+v", es)
				}
				if test.want != "" {
					r.wantLog("level=ERROR")
				}
				// The failure was ours: the site is not held to be down.
				r.send("b@example.net")
			})
		})
	}
}

func TestOutcomeIsKeptUntilTheDiskTakesIt(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		var full atomic.Bool
		r.memory.Hook = func(m string) error {
			if m == "Commit" && full.Load() {
				return queue.ErrFull
			}
			return nil
		}
		full.Store(true)
		r.begin()
		r.send("a@example.org")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(r.entries()) != 1 || r.attempts() != 1 {
			t.Fatalf("%d entries, %d attempts", len(r.entries()), r.attempts())
		}
		full.Store(false)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if len(r.entries()) != 0 || r.attempts() != 1 {
			t.Errorf("%d entries, %d attempts", len(r.entries()), r.attempts())
		}
	})
}

func TestBrokenSpoolEndsRun(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.memory.Hook = func(m string) error {
			if m == "Commit" {
				return fmt.Errorf("sync: %w", queue.ErrBroken)
			}
			return nil
		}
		r.begin()
		r.send("a@example.org")
		synctest.Wait()
		if err := r.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		r.stop()
		if !errors.Is(r.runErr, queue.ErrBroken) {
			t.Errorf("Run = %v", r.runErr)
		}
	})
}

func TestStopLetsAttemptsFinish(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.carry = func(ctx context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			select {
			case <-time.After(10 * time.Second):
				return all(j, accepted())
			case <-ctx.Done():
				return all(j, unreachable())
			}
		}
		r.begin()
		for i := range 50 {
			r.send(fmt.Sprintf("u%d@example.org", i))
		}
		synctest.Wait()
		under := r.attempts()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		if r.attempts() != under || len(r.entries()) != 50-under || under == 0 {
			t.Errorf("%d attempts, %d at the stop, %d entries left", r.attempts(), under, len(r.entries()))
		}
	})
}

func TestShutdownCutsAttemptsShortWithoutCountingThem(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.carry = func(ctx context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			<-ctx.Done()
			out := all(j, unreachable())
			out[0] = accepted() // this one was through before the end
			return out
		}
		r.begin()
		r.send("a@example.org", "b@example.org", "c@example.org")
		synctest.Wait()
		start := time.Now()
		go r.stop()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v", err)
		}
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("took %v", d)
		}
		es := r.entries()
		if len(es) != 2 || es[0].Attempts != 0 || es[0].To.Local() != "b" {
			t.Errorf("entries = %+v", es)
		}
		if got := r.events(); got != "Delivery a" {
			t.Errorf("events = %q", got)
		}
	})
}

func TestCrashRepeatsNoMoreThanWhatWasUnderWay(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		seen := make(map[string]int)
		var lost atomic.Bool
		crashed := false
		r.memory.Hook = func(m string) error {
			if m == "Commit" && lost.Load() {
				return queue.ErrBroken // the process is gone before the record
			}
			return nil
		}
		r.options.Concurrency = 1
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			seen[j.To[0].Local()]++
			if len(seen) == 10 && !crashed {
				crashed = true
				lost.Store(true)
			}
			return all(j, accepted())
		}
		r.begin()
		for i := range 30 {
			r.send(fmt.Sprintf("u%d@example.org", i))
		}
		synctest.Wait()
		r.stop()
		if len(r.entries()) != 21 {
			t.Fatalf("%d entries left, want 21", len(r.entries()))
		}
		lost.Store(false)
		again := newRig(t)
		again.memory = r.memory
		again.spool = r.memory
		again.carry = r.carry
		again.options.Concurrency = 1
		again.begin()
		synctest.Wait()
		if len(again.entries()) != 0 {
			t.Errorf("%d entries left", len(again.entries()))
		}
		doubled := 0
		for _, n := range seen {
			doubled += n - 1
		}
		if len(seen) != 30 || doubled != 1 {
			t.Errorf("%d recipients seen, %d twice", len(seen), doubled)
		}
		again.stop()
	})
}

func TestNoticeThatFailsIsRecordedAsBounce(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			return all(j, refused(550, 1, 1, "No such user"))
		}
		r.begin()
		s := r.message("a@example.org")
		s.Message.Notice, s.Message.From = true, mail.ReversePath{}
		r.submit(s)
		synctest.Wait()
		if got := r.events(); got != "Bounce a" {
			t.Errorf("events = %q", got)
		}
	})
}

func TestCancelWithBounceTellsTheSender(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			return all(j, refused(451, 3, 0, "later"))
		}
		r.begin()
		id := r.send("a@example.org", "b@example.org")
		synctest.Wait()
		n, err := r.queue.Cancel(t.Context(), queue.Filter{ID: id}, r.Cancelled)
		if err != nil || n != 2 || len(r.entries()) != 0 {
			t.Errorf("Cancel = %d, %v, %d entries left", n, err, len(r.entries()))
		}
		if got := r.events(); !strings.HasSuffix(got, "Bounce a b") {
			t.Errorf("events = %q", got)
		}
	})
}
