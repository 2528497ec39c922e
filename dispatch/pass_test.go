package dispatch_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/dispatch/scan"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// scanner is a scan.Scanner with what it says as a function.
type scanner struct {
	mu    sync.Mutex
	says  func(ctx context.Context) (scan.Verdict, error)
	calls int
	saw   string
}

// Scan implements scan.Scanner.
func (s *scanner) Scan(ctx context.Context, content io.Reader, size int64) (scan.Verdict, error) {
	b, err := io.ReadAll(content)
	if err != nil || int64(len(b)) != size {
		return scan.Verdict{}, errors.New("content is not of its size")
	}
	s.mu.Lock()
	s.calls++
	s.saw = string(b)
	says := s.says
	s.mu.Unlock()
	return says(ctx)
}

func (s *scanner) set(v scan.Verdict, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says = func(context.Context) (scan.Verdict, error) { return v, err }
}

func (s *scanner) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// scanned gives the rig a scanner.
func (r *rig) scanned(v scan.Verdict, err error) *scanner {
	s := &scanner{}
	s.set(v, err)
	r.options.Scanner = s
	return s
}

func clean() scan.Verdict { return scan.Verdict{Kind: scan.Clean} }

func TestMessageIsScannedOnceBeforeItLeaves(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		s := r.scanned(clean(), nil)
		var free atomic.Bool
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			if s.count() == 0 {
				t.Error("carried before it was scanned")
			}
			if free.Load() {
				return all(j, accepted())
			}
			return all(j, refused(451, 3, 2, "later"))
		}
		r.begin()
		r.send("a@example.org", "b@example.org", "c@example.net", "d@example.com")
		synctest.Wait()
		if s.count() != 1 || s.saw != original+body {
			t.Errorf("%d scans for three domains, the last of %q", s.count(), s.saw)
		}
		for _, e := range r.entries() {
			if !e.Scanned {
				t.Errorf("%s is not marked as scanned", e.To)
			}
		}
		// Not even when what was found is forgotten.
		time.Sleep(3 * time.Hour)
		free.Store(true)
		time.Sleep(5 * time.Hour)
		if s.count() != 1 || len(r.entries()) != 0 {
			t.Errorf("%d scans after retries, %d entries left", s.count(), len(r.entries()))
		}
		if n := testutil.CollectAndCount(r.reg, "sesame_dispatch_scans_total"); n != 1 {
			t.Errorf("%d series of scans", n)
		}
	})
}

func TestInfectedMessageEndsAsReject(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.scanned(scan.Verdict{Kind: scan.Infected, Name: "Eicar-Test-Signature"}, nil)
		r.begin()
		r.send("a@example.org", "b@example.net", "c@example.com")
		synctest.Wait()
		if r.attempts() != 0 || len(r.entries()) != 0 || r.queue.Depth().Messages != 0 {
			t.Errorf("%d attempts, entries %v", r.attempts(), r.entries())
		}
		if got := r.events(); got != "Reject a b c" {
			t.Errorf("events: %s", got)
		}
		ev := r.memory.Events()[0]
		if got := ev.Recipients[2].Reply; got.Text != "Bad content" || got.Temporary() {
			t.Errorf("the reason is %v", got)
		}
		r.wantLog("Eicar-Test-Signature")
		r.wantLog("text=\"Bad content\"")
	})
}

func TestRefusedContentGoesBackToItsSender(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		reply := *mail.Refuse(554, 6, 0, "Message content is refused: X")
		r.scanned(scan.Verdict{Kind: scan.Refused, Name: "X", Reply: reply}, nil)
		r.begin()
		r.send("a@example.org")
		synctest.Wait()
		if got := r.events(); got != "Bounce a" || r.attempts() != 0 || len(r.entries()) != 0 {
			t.Fatalf("events %s, %d attempts, entries %v", got, r.attempts(), r.entries())
		}
		if got := r.memory.Events()[0].Recipients[0].Reply; got != reply {
			t.Errorf("the sender is told %v", got)
		}
	})
}

func TestNothingLeavesWithoutAVerdict(t *testing.T) {
	for name, says := range map[string]func(context.Context) (scan.Verdict, error){
		"a scanner that is down": func(context.Context) (scan.Verdict, error) {
			return scan.Verdict{}, errors.New("connection refused")
		},
		"an error beside a verdict": func(context.Context) (scan.Verdict, error) { return clean(), errors.New("half read") },
		"no verdict":                func(context.Context) (scan.Verdict, error) { return scan.Verdict{}, nil },
		"a panic":                   func(context.Context) (scan.Verdict, error) { panic("a bug") },
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				s := r.scanned(scan.Verdict{}, nil)
				s.says = says
				r.begin()
				r.send("a@example.org")
				synctest.Wait()
				es := r.entries()
				if len(es) != 1 || es[0].Attempts != 1 || es[0].Scanned || r.attempts() != 0 ||
					es[0].Last.String() != "451 4.3.0 Message could not be scanned, will be tried again" {
					t.Fatalf("%d attempts, entries %+v", r.attempts(), es)
				}
				s.set(clean(), nil)
				time.Sleep(2 * time.Minute)
				if r.attempts() != 1 || len(r.entries()) != 0 || s.count() != 2 {
					t.Errorf("when it is back: %d attempts, %d scans", r.attempts(), s.count())
				}
			})
		})
	}
}

func TestMessageThatIsNeverScannedExpires(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.scanned(scan.Verdict{}, errors.New("connection refused"))
		r.begin()
		r.send("a@example.org")
		time.Sleep(5 * 24 * time.Hour)
		if r.attempts() != 0 || len(r.entries()) != 0 || !strings.HasSuffix(r.events(), "Bounce a") {
			t.Errorf("%d attempts, entries %v, events %s", r.attempts(), r.entries(), r.events())
		}
	})
}

func TestMailOfOurOwnIsNotScanned(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		s := r.scanned(scan.Verdict{}, errors.New("connection refused"))
		r.begin()
		m := r.message("a@example.org")
		m.Message.Notice = true
		r.submit(m)
		synctest.Wait()
		if r.attempts() != 1 || s.count() != 0 {
			t.Errorf("%d attempts, %d scans", r.attempts(), s.count())
		}
	})
}

func TestScanThatTheEndOfTheRunCutsShortDoesNotCount(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		s := r.scanned(scan.Verdict{}, nil)
		s.says = func(ctx context.Context) (scan.Verdict, error) { <-ctx.Done(); return scan.Verdict{}, ctx.Err() }
		r.begin()
		r.send("a@example.org")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		if es := r.entries(); len(es) != 1 || es[0].Attempts != 0 {
			t.Errorf("entries %+v", es)
		}
		if strings.Contains(r.log.String(), "attempt failed") {
			t.Errorf("the end of the run is logged as a failure:\n%s", r.log.String())
		}
	})
}

func TestVerdictSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	spool := realSpool(t, dir)
	r := newRig(t)
	r.spool = spool
	s := r.scanned(clean(), nil)
	r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
		return all(j, refused(451, 3, 2, "later"))
	}
	r.begin()
	r.send("a@example.org", "b@example.net")
	eventually(t, "both are deferred", func() bool {
		n := 0
		for _, e := range r.entries() {
			n += e.Attempts
		}
		return n == 2
	})
	r.stop()
	if err := spool.Close(); err != nil {
		t.Fatal(err)
	}
	if s.count() != 1 {
		t.Errorf("%d scans for one message", s.count())
	}

	again := newRig(t)
	again.spool = realSpool(t, dir)
	t.Cleanup(func() {
		again.stop()
		if err := again.spool.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	})
	down := again.scanned(scan.Verdict{}, errors.New("connection refused"))
	again.begin()
	if _, err := again.queue.Retry(t.Context(), queue.Filter{Account: account}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are delivered", func() bool { return len(again.entries()) == 0 })
	if down.count() != 0 {
		t.Errorf("%d scans after a restart", down.count())
	}
}
