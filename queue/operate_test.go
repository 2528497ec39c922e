package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
)

func TestHeldEntriesWaitForTheOperator(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{})
		for i := range 1200 { // more than one page of Find, more than a window
			r.append(one, fmt.Sprintf("u%d@example.org", i))
		}
		r.append(one, "x@example.net")
		busy := r.wantNext("example.org", "u0@example.org")
		n, err := r.Hold(t.Context(), queue.Filter{Domain: "example.org"})
		if err != nil || n != 1200 {
			t.Fatalf("Hold = %d, %v", n, err)
		}
		r.wantNext("example.org", "")
		r.settle(r.wantNext("example.net", "x@example.net"), mail.Delivered, 0)
		// What was under way when it was held is tried again only when released.
		r.settle(busy, mail.Deferred, time.Minute)
		time.Sleep(time.Hour)
		synctest.Wait()
		r.wantNext("example.org", "")
		if d := r.Depth(); d.Held != 1200 {
			t.Errorf("depth = %+v", d)
		}
		if n, err = r.ReleaseHold(t.Context(), queue.Filter{}); err != nil || n != 1200 {
			t.Fatalf("ReleaseHold = %d, %v", n, err)
		}
		seen := make(map[string]bool)
		for {
			to, l := r.take("example.org")
			if l == nil {
				break
			}
			if seen[to] {
				t.Fatalf("%s came twice", to)
			}
			seen[to] = true
		}
		if len(seen) != 1200 {
			t.Errorf("%d came after the release, want 1200", len(seen))
		}
	})
}

func TestHoldOfOneMessageLeavesTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{})
		r.append(one, "a@example.org")
		id := r.append(one, "b@example.org", "b@example.net")
		r.append(one, "c@example.org")
		if n, err := r.Hold(t.Context(), queue.Filter{ID: id}); err != nil || n != 2 {
			t.Fatalf("Hold = %d, %v", n, err)
		}
		r.wantNext("example.net", "")
		r.wantNext("example.org", "a@example.org")
		r.wantNext("example.org", "c@example.org")
		found, err := r.Find(t.Context(), queue.Filter{State: queue.Held, Limit: 10})
		if err != nil || len(found) != 2 || found[0].ID != id {
			t.Errorf("Find = %v, %v", found, err)
		}
	})
}

func TestRetryMakesDeferredEntriesDue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{})
		id := r.append(one, "a@example.org", "b@example.net")
		r.settle(r.wantNext("example.org", "a@example.org"), mail.Deferred, time.Hour)
		r.settle(r.wantNext("example.net", "b@example.net"), mail.Deferred, time.Hour)
		before := r.readied("example.org")
		if n, err := r.Retry(t.Context(), queue.Filter{ID: id, Domain: "example.org"}); err != nil || n != 1 {
			t.Fatalf("Retry = %d, %v", n, err)
		}
		if r.readied("example.org") == before {
			t.Error("not told of work")
		}
		if l := r.wantNext("example.org", "a@example.org"); l.Entries[0].Attempts != 1 {
			t.Errorf("attempts = %d, want the count kept", l.Entries[0].Attempts)
		}
		r.wantNext("example.net", "")
	})
}

func TestCancelEndsEntriesThatAreNotUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, &queuetest.Spool{})
		for i := range 700 {
			r.append(one, fmt.Sprintf("u%d@example.org", i), fmt.Sprintf("v%d@example.net", i))
		}
		if _, err := r.Hold(t.Context(), queue.Filter{Domain: "example.net"}); err != nil {
			t.Fatal(err)
		}
		busy := r.wantNext("example.org", "u0@example.org")
		told := func(m *queue.Message, es []queue.Entry) []event.Event {
			return []event.Event{{
				Type: event.Bounce, Message: m.ID, Consumers: []string{"test"},
				Recipients: []event.Recipient{{To: es[0].To}},
			}}
		}
		n, err := r.Cancel(t.Context(), queue.Filter{}, told)
		if err != nil || n != 1399 {
			t.Fatalf("Cancel = %d, %v", n, err)
		}
		if got := len(r.spool.Events()); got != 1399 {
			t.Errorf("%d events", got)
		}
		r.wantNext("example.org", "")
		if d := r.Depth(); d.Recipients != 1 || d.Held != 0 {
			t.Errorf("depth = %+v", d)
		}
		if n, err = r.Cancel(t.Context(), queue.Filter{}, nil); err != nil || n != 0 {
			t.Errorf("Cancel of what is under way = %d, %v", n, err)
		}
		r.Release(busy)
		if n, err = r.Cancel(t.Context(), queue.Filter{}, nil); err != nil || n != 1 {
			t.Errorf("Cancel = %d, %v", n, err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		r.wantNext("example.org", "")
	})
}

func TestOperatorsErrorIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, method := range []string{"Find", "Alter", "Commit", "Load"} {
			r := newRig(t, &queuetest.Spool{})
			r.append(one, "a@example.org")
			want := errors.New("input/output error")
			r.spool.Hook = func(m string) error {
				if m == method {
					return want
				}
				return nil
			}
			if _, err := r.Hold(t.Context(), queue.Filter{}); (method == "Find" || method == "Alter") != errors.Is(err, want) {
				t.Errorf("%s fails: Hold = %v", method, err)
			}
			if _, err := r.Cancel(t.Context(), queue.Filter{}, nil); method != "Alter" && !errors.Is(err, want) {
				t.Errorf("%s fails: Cancel = %v", method, err)
			}
			r.spool.Hook = nil
			if _, err := r.ReleaseHold(t.Context(), queue.Filter{}); err != nil {
				t.Error(err)
			}
			if method != "Alter" { // there the cancel went through
				r.wantNext("example.org", "a@example.org")
			}
			r.stop()
		}
	})
}
