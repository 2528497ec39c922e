package forward_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/forward"
	"github.com/sesame-mta/sesame/mail"
)

// desk is the outbox, the messages and the submitter of a test, in memory.
type desk struct {
	mu      sync.Mutex
	seq     uint64
	waiting []event.Record
	changed chan struct{}
	orig    map[mail.ID]forward.Original
	notices []event.Notice
	byID    map[mail.ID]bool
	fail    error
	failAck error
	lost    map[mail.ID]error // messages that cannot be read
}

func newDesk() *desk {
	return &desk{changed: make(chan struct{}, 1), orig: map[mail.ID]forward.Original{}, byID: map[mail.ID]bool{}}
}

func (d *desk) bounce(t *testing.T, id mail.ID, n int) {
	t.Helper()
	d.bounceAt(t, id, n, time.Now())
}

func (d *desk) bounceAt(t *testing.T, id mail.ID, n int, at time.Time) {
	t.Helper()
	to, err := mail.ParseForwardPath(fmt.Sprintf("r%d@example.net", n))
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
	d.waiting = append(d.waiting, event.Record{Seq: d.seq, Event: event.Event{Type: event.Bounce, Message: id,
		Account: "000000000001", Time: at, Recipients: []event.Recipient{{N: n, To: to,
			Reply: *mail.Refuse(550, 1, 1, "user unknown"), Remote: true, Host: "mx.example.net"}}}})
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

func (d *desk) Consumers(context.Context) ([]string, error) { return nil, nil }

func (d *desk) Read(_ context.Context, _ string, _ uint64, limit int) ([]event.Record, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]event.Record(nil), d.waiting[:min(limit, len(d.waiting))]...), nil
}

func (d *desk) Ack(_ context.Context, _ string, seqs ...uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failAck != nil {
		return d.failAck
	}
	for _, s := range seqs {
		for i, r := range d.waiting {
			if r.Seq == s {
				d.waiting = append(d.waiting[:i:i], d.waiting[i+1:]...)
				break
			}
		}
	}
	return nil
}

func (d *desk) Changed(string) <-chan struct{} { return d.changed }

func (d *desk) Original(_ context.Context, id mail.ID) (forward.Original, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.lost[id]; err != nil {
		return forward.Original{}, err
	}
	o, ok := d.orig[id]
	if !ok {
		return o, forward.ErrGone
	}
	return o, nil
}

func (d *desk) SubmitNotice(_ context.Context, n event.Notice) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	if !d.byID[n.ID] {
		d.byID[n.ID] = true
		d.notices = append(d.notices, n)
	}
	return nil
}

func (d *desk) counts() (notices, waiting int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.notices), len(d.waiting)
}

func (d *desk) notice(i int) event.Notice {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.notices[i]
}

func original(t *testing.T, from string, waiting int) forward.Original {
	t.Helper()
	p, err := mail.ParseReversePath(from)
	if err != nil {
		t.Fatal(err)
	}
	return forward.Original{From: p, Header: []byte("Subject: the failed one\r\n\r\n"), Waiting: waiting,
		Accepted: time.Now(), MessageID: "<x@example.org>"}
}

// run starts a forwarder over d and gives the function that ends it.
func run(t *testing.T, d *desk) func() {
	t.Helper()
	minter, err := mail.NewMinter(bytes.Repeat([]byte{7}, 32), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	f := forward.New(forward.Options{Hostname: "mx1.example.com", Domain: "example.com", Outbox: d, Messages: d,
		Submit: d, Minter: minter, Keys: func() []string { return []string{"example.com/s1"} }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

var one, two = mail.ID{1}, mail.ID{2}

func TestTheLastFailureOfAMessageIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.orig[one] = original(t, "a@example.org", 0)
		defer run(t, d)()
		d.bounce(t, one, 0)
		time.Sleep(time.Second)
		if n, w := d.counts(); n != 1 || w != 0 {
			t.Fatalf("%d notices, %d events waiting", n, w)
		}
		n := d.notice(0)
		if n.To.String() != "a@example.org" || n.Keys[0] != "example.com/s1" || n.Account != "000000000001" {
			t.Errorf("notice %+v", n)
		}
		for _, want := range []string{"550 5.1.1 user unknown", "r0@example.net", "the failed one"} {
			if !strings.Contains(string(n.Body), want) {
				t.Errorf("the DSN does not say %q:\n%s", want, n.Body)
			}
		}
	})
}

// That the others were delivered makes no event here.
func TestAFailureIsToldSoonAfterTheOthersWereDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.orig[one] = original(t, "a@example.org", 1)
		defer run(t, d)()
		d.bounce(t, one, 0)
		time.Sleep(5 * time.Second)
		d.mu.Lock()
		d.orig[one] = original(t, "a@example.org", 0)
		d.mu.Unlock()
		time.Sleep(3 * time.Second)
		if n, w := d.counts(); n != 1 || w != 0 {
			t.Errorf("%d notices, %d events waiting", n, w)
		}
	})
}

func TestFailuresWithinAMinuteShareADSNThatWaitsForNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.orig[one], d.orig[two] = original(t, "a@example.org", 3), original(t, "b@example.org", 0)
		defer run(t, d)()
		d.bounce(t, one, 0)
		time.Sleep(30 * time.Second)
		d.bounce(t, one, 1)
		d.bounce(t, two, 0)
		time.Sleep(20 * time.Second)
		if n, _ := d.counts(); n != 1 {
			t.Fatalf("%d notices after 50 s, want that of the other message alone", n)
		}
		time.Sleep(15 * time.Second)
		d.bounce(t, one, 2) // 65 s after the first: another group
		time.Sleep(time.Second)
		if n, w := d.counts(); n != 2 || w != 1 {
			t.Fatalf("%d notices, %d events waiting", n, w)
		}
		body := string(d.notice(1).Body)
		if !strings.Contains(body, "r0@") || !strings.Contains(body, "r1@") || strings.Contains(body, "r2@") {
			t.Errorf("the DSN names others than r0 and r1:\n%s", body)
		}
		time.Sleep(time.Minute)
		if n, w := d.counts(); n != 3 || w != 0 {
			t.Errorf("%d notices, %d events waiting", n, w)
		}
	})
}

func TestNoDSNAnswersADSN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		null, notice := original(t, "", 0), original(t, "a@example.org", 0)
		notice.Notice = true
		d.orig[one], d.orig[two] = null, notice
		defer run(t, d)()
		d.bounce(t, one, 0)
		d.bounce(t, two, 0)
		d.bounce(t, mail.ID{3}, 0) // unknown
		time.Sleep(2 * time.Minute)
		if n, w := d.counts(); n != 0 || w != 0 {
			t.Errorf("%d notices, %d events waiting", n, w)
		}
	})
}

func TestARepeatAfterACrashIsNoSecondMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.orig[one] = original(t, "a@example.org", 0)
		d.failAck = errors.New("power is out")
		stop := run(t, d)
		d.bounce(t, one, 0)
		time.Sleep(time.Minute)
		stop()
		if n, w := d.counts(); n != 1 || w != 1 {
			t.Fatalf("%d notices, %d events waiting", n, w)
		}
		d.mu.Lock()
		d.failAck = nil
		d.mu.Unlock()
		defer run(t, d)()
		time.Sleep(time.Minute)
		if n, w := d.counts(); n != 1 || w != 0 {
			t.Errorf("%d notices, %d events waiting", n, w)
		}
	})
}

func TestAFailureToSubmitIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.orig[one] = original(t, "a@example.org", 0)
		d.fail = errors.New("no room")
		defer run(t, d)()
		d.bounce(t, one, 0)
		time.Sleep(time.Minute)
		if n, w := d.counts(); n != 0 || w != 1 {
			t.Fatalf("%d notices, %d events waiting", n, w)
		}
		d.mu.Lock()
		d.fail = nil
		d.mu.Unlock()
		time.Sleep(time.Minute)
		if n, w := d.counts(); n != 1 || w != 0 {
			t.Errorf("%d notices, %d events waiting", n, w)
		}
	})
}

func TestAMessageThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.orig[two] = original(t, "b@example.org", 0)
		d.lost = map[mail.ID]error{one: errors.New("content is missing")}
		defer run(t, d)()
		d.bounce(t, one, 0)
		d.bounce(t, two, 0)
		time.Sleep(2 * time.Minute)
		if n, w := d.counts(); n != 1 || w != 1 {
			t.Errorf("%d notices, %d events waiting, want that of the other message", n, w)
		}
	})
}

// Of a damaged message nobody can be told; its event stays and is no reason to
// wait. Without its content the sender hears of it all the same.
func TestADamagedMessageDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		orig := original(t, "b@example.org", 0)
		orig.Header = nil
		d.orig[two] = orig
		d.lost = map[mail.ID]error{one: fmt.Errorf("load: %w", forward.ErrDamaged)}
		defer run(t, d)()
		d.bounce(t, one, 0)
		time.Sleep(time.Second)
		d.bounce(t, two, 0)
		time.Sleep(time.Second)
		if n, w := d.counts(); n != 1 || w != 1 {
			t.Fatalf("%d notices, %d events waiting, want that of the other message", n, w)
		}
		if body := string(d.notice(0).Body); !strings.Contains(body, "550 5.1.1 user unknown") {
			t.Errorf("the DSN says\n%s", body)
		}
	})
}

// A failure that was recorded under a clock since set back lies in the future.
func TestAClockSetBackHoldsUpNoDSN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.orig[one] = original(t, "a@example.org", 3)
		defer run(t, d)()
		d.bounceAt(t, one, 0, time.Now().AddDate(1, 0, 0))
		time.Sleep(2 * time.Minute)
		if n, w := d.counts(); n != 1 || w != 0 {
			t.Errorf("%d notices, %d events waiting", n, w)
		}
	})
}
