package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
)

// shunned are suppression lists: a reason by local part. Bounces of a zero reason
// are on the list of the installation.
type shunned struct {
	mu  sync.Mutex
	on  map[string]suppression.Reason
	err error
}

const sentence = "not to this address"

func (s *shunned) Rule(accountID, _ string) suppression.Rule {
	return suppression.Rule{Account: accountID, Reasons: 0xff}
}

func (s *shunned) Find(_ context.Context, _ suppression.Rule, to ...mail.Address) (map[mail.Address]*suppression.Match, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[mail.Address]*suppression.Match)
	for _, a := range to {
		reason, ok := s.on[a.Local()]
		if !ok {
			continue
		}
		m := &suppression.Match{SubType: suppression.OnAccountList, Reply: *mail.Refuse(550, 1, 1, sentence)}
		if m.Reason = reason; reason == 0 {
			m.Reason, m.SubType = suppression.Bounce, suppression.Suppressed
		}
		found[a] = m
	}
	return found, s.err
}

func (s *shunned) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func TestASuppressedRecipientIsToldOfAsBySES(t *testing.T) { // checklist 17
	world(t, func(t *testing.T, r *rig) {
		r.options.Suppression = &shunned{on: map[string]suppression.Reason{"bob": suppression.Bounce, "cyd": suppression.Complaint, "dan": 0}}
		var sent []string
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			for _, to := range j.To {
				sent = append(sent, to.Local())
			}
			return all(j, accepted())
		}
		r.begin()
		r.send("ann@example.org", "bob@example.org", "cyd@example.org", "dan@example.org", "eve@example.org")
		synctest.Wait()
		if !slices.Equal(sent, []string{"ann", "eve"}) || len(r.entries()) != 0 {
			t.Errorf("sent to %s, left %v", sent, r.entries())
		}
		told := map[string]event.Recipient{}
		kinds := map[string]event.Type{}
		e := event.Encoder{Hostname: "mx1.example.org"}
		for _, ev := range r.memory.Events() {
			for _, x := range ev.Recipients {
				told[x.To.Local()], kinds[x.To.Local()] = x, ev.Type
			}
			if ev.Type == event.Delivery {
				continue
			}
			if ev.Type == event.Bounce {
				ev.Recipients = slices.DeleteFunc(slices.Clone(ev.Recipients), func(x event.Recipient) bool { return x.To.Local() == "dan" })
			}
			text, err := e.Encode(&ev, 0)
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Bounce struct {
					BounceType, BounceSubType string
					BouncedRecipients         []struct{ Action, Status, DiagnosticCode string }
				}
				Complaint struct {
					ComplaintSubType      string
					ComplaintFeedbackType *string
				}
			}
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			switch b := got.Bounce; ev.Type {
			case event.Bounce:
				if b.BounceType != "Permanent" || b.BounceSubType != "OnAccountSuppressionList" || len(b.BouncedRecipients) != 1 ||
					b.BouncedRecipients[0] != (struct{ Action, Status, DiagnosticCode string }{"failed", "5.1.1", sentence}) {
					t.Errorf("bounce %s", text)
				}
			default:
				if got.Complaint.ComplaintSubType != "OnAccountSuppressionList" || got.Complaint.ComplaintFeedbackType != nil {
					t.Errorf("complaint %s", text)
				}
			}
		}
		if kinds["bob"] != event.Bounce || kinds["cyd"] != event.Complaint || kinds["dan"] != event.Bounce {
			t.Errorf("events %v", kinds)
		}
		if d := told["dan"]; d.BounceType != "Permanent" || d.BounceSubType != "Suppressed" || d.Class != "suppressed" || d.Remote {
			t.Errorf("of the installation's list: %+v", d)
		}
	})
}

func TestMailOfOurOwnIsNeverSuppressed(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.options.Suppression = &shunned{on: map[string]suppression.Reason{"bob": suppression.Bounce}}
		r.begin()
		s := r.message("bob@example.org")
		s.Message.Notice = true
		r.submit(s)
		synctest.Wait()
		if r.events() != "Delivery bob" {
			t.Errorf("events %q", r.events())
		}
	})
}

func TestAListThatCannotBeReadPutsMailOff(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		lists := &shunned{err: errors.New("disk on fire")}
		r.options.Suppression = lists
		r.begin()
		r.send("bob@example.org")
		synctest.Wait()
		if r.events() != "DeliveryDelay bob" || r.attempts() != 0 {
			t.Errorf("events %q, %d attempts", r.events(), r.attempts())
		}
		lists.change(func() { lists.err = nil })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if r.events() != "DeliveryDelay bob, Delivery bob" {
			t.Errorf("events %q", r.events())
		}
	})
}

func TestSuppressionHoldsForMailThatWaits(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		lists := &shunned{on: map[string]suppression.Reason{}}
		r.options.Suppression = lists
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			return all(j, refused(451, 2, 1, "later"))
		}
		r.begin()
		r.send("bob@example.org")
		synctest.Wait()
		lists.change(func() { lists.on["bob"] = suppression.Bounce })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if r.attempts() != 1 || r.events() != "DeliveryDelay bob, Bounce bob" {
			t.Errorf("%d attempts, events %q", r.attempts(), r.events())
		}
	})
}

func TestARecipientWithoutARouteIsSuppressedFirst(t *testing.T) {
	world(t, func(_ *testing.T, r *rig) {
		r.options.Suppression = &shunned{on: map[string]suppression.Reason{"bob": suppression.Bounce}}
		r.resolve = func(context.Context, string) (*route.Route, error) {
			return nil, mail.Refuse(550, 4, 4, "Invalid domain")
		}
		r.begin()
		r.send("bob@nowhere.example.org")
		synctest.Wait()
		r.wantLog(sentence)
	})
}
