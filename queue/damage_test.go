package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
)

func TestADamagedMessageIsHeldAndTheNextGoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spool := &queuetest.Spool{}
		r := newRig(t, spool, func(o *queue.Options) { o.Window = 2 })
		var bad []mail.ID
		for range 5 { // more than a window
			s := r.message(one, "a@example.org")
			s.Message.Notice = true // it goes by way of the disk
			if _, err := r.Append(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			bad = append(bad, s.Message.ID)
		}
		r.append(one, "b@example.org")
		loads := 0
		spool.Hook = func(method string) error {
			if method == "Load" {
				if loads++; loads <= len(bad) {
					return fmt.Errorf("message: %w", queue.ErrDamaged)
				}
			}
			return nil
		}
		to, l := r.take("example.org")
		if to != "b@example.org" {
			t.Fatalf("took %q, want the one that can be read", to)
		}
		r.settle(l, mail.Delivered, 0)
		if _, l := r.take("example.org"); l != nil {
			t.Errorf("took %v of the damaged", l.Entries)
		}
		held, err := r.Find(t.Context(), queue.Filter{State: queue.Held, Limit: 10})
		if err != nil || len(held) != len(bad) || held[0].ID != bad[0] {
			t.Errorf("held %v, %v, want all of the damaged", held, err)
		}
	})
}

func TestADamagedMessageThatCannotBeHeldIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spool := &queuetest.Spool{}
		r := newRig(t, spool)
		s := r.message(one, "a@example.org")
		s.Message.Notice = true
		if _, err := r.Append(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		spool.Hook = func(method string) error {
			switch method {
			case "Load":
				return queue.ErrDamaged
			case "Alter":
				return queue.ErrFull
			}
			return nil
		}
		if _, l := r.take("example.org"); l != nil {
			t.Error("a lease on a damaged message")
		}
		spool.Hook = nil
		<-time.After(10 * time.Second)
		r.wantNext("example.org", "a@example.org")
	})
}

func TestTheOperatorMayCancelADamagedMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spool := &queuetest.Spool{}
		r := newRig(t, spool)
		id := r.append(one, "a@example.org")
		spool.Hook = func(method string) error {
			if method == "Load" {
				return queue.ErrDamaged
			}
			return nil
		}
		n, err := r.Cancel(t.Context(), queue.Filter{ID: id}, func(*queue.Message, []queue.Entry) []event.Event {
			t.Error("events of a message that cannot be read")
			return nil
		})
		if n != 1 || err != nil {
			t.Errorf("Cancel = %d, %v", n, err)
		}
		spool.Hook = nil
		if _, _, err := spool.Load(t.Context(), id, nil); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("after that: %v", err)
		}
	})
}
