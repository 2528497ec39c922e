package dispatch_test

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

	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/dispatch/scan"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// onlooker notes what it observes.
type onlooker struct {
	mu  sync.Mutex
	saw []string
}

func (w *onlooker) observe(m *queue.Message, t event.Type, rs []event.Recipient, _ bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range rs {
		w.saw = append(w.saw, fmt.Sprint(m.Account, " ", t, " ", r.To.Local(), " ", r.BounceType, r.BounceSubType))
	}
}

// seen gives what was observed since it was last asked, in order.
func (w *onlooker) seen() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.saw)
	s := strings.Join(w.saw, "\n")
	w.saw = nil
	return s
}

func TestEachOutcomeIsObserved(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		w := &onlooker{}
		r.options.Observe = w.observe
		r.options.Interest = nil // whether or not somebody asked for events
		r.options.Suppression = &shunned{on: map[string]suppression.Reason{"eve": suppression.Bounce, "fay": suppression.Complaint, "gus": 0}}
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			out := all(j, accepted())
			for i, to := range j.To {
				switch to.Local() {
				case "bob":
					out[i] = mail.Outcome{Result: mail.Failed, Remote: true, Reply: *mail.Refuse(550, 1, 1, "no such user")}
				case "cyd":
					out[i] = mail.Outcome{Result: mail.Deferred, Remote: true, Reply: *mail.Refuse(452, 2, 2, "mailbox full")}
				}
			}
			return out
		}
		r.begin()
		r.send("ann@example.org", "bob@example.org", "cyd@example.org", "eve@example.org", "fay@example.org", "gus@example.org")
		synctest.Wait()
		const want = "000000000001 Bounce bob PermanentGeneral\n" +
			"000000000001 Bounce eve PermanentOnAccountSuppressionList\n" +
			"000000000001 Bounce gus PermanentSuppressed\n" +
			"000000000001 Complaint fay OnAccountSuppressionList\n" +
			"000000000001 Delivery ann \n" +
			"000000000001 DeliveryDelay cyd "
		if got := w.seen(); got != want {
			t.Errorf("observed\n%s\nwant\n%s", got, want)
		}
		time.Sleep(4*24*time.Hour + time.Hour)
		if got := w.seen(); !strings.HasPrefix(got, "000000000001 Bounce cyd TransientMailboxFull\n000000000001 DeliveryDelay") {
			t.Errorf("at the end observed\n%s", got)
		}
	})
}

func TestWhatIsNotOnStableStorageIsNotObserved(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		w := &onlooker{}
		r.options.Observe = w.observe
		fails := 3
		r.spool = &reluctant{Spool: r.memory, fail: func() error {
			if fails--; fails >= 0 {
				return errors.New("disk is away")
			}
			return nil
		}}
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome { return all(j, accepted()) }
		r.begin()
		r.send("ann@example.org")
		synctest.Wait()
		if got := w.seen(); got != "" {
			t.Errorf("observed %s", got)
		}
		time.Sleep(time.Minute)
		if got := w.seen(); got != "000000000001 Delivery ann " {
			t.Errorf("observed %s", got)
		}
	})
}

// reluctant is a spool that does not always commit.
type reluctant struct {
	queue.Spool
	fail func() error
}

func (s *reluctant) Commit(ctx context.Context, x queue.Settlement) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Spool.Commit(ctx, x)
}

func TestARejectIsObservedOnceForAllRecipients(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		w := &onlooker{}
		r.options.Observe = w.observe
		r.scanned(scan.Verdict{Kind: scan.Infected, Name: "Eicar-Test-Signature"}, nil)
		r.begin()
		r.send("ann@example.org", "bob@example.net")
		synctest.Wait()
		if got := w.seen(); got != "000000000001 Reject ann \n000000000001 Reject bob " {
			t.Errorf("observed %s", got)
		}
	})
}
