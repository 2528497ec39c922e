package publish_test

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

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/eventtest"
	"github.com/sesame-mta/sesame/event/publish"
)

// outbox keeps events in memory.
type outbox struct {
	mu      sync.Mutex
	waiting map[string][]event.Record
	changed map[string]chan struct{}
}

func (o *outbox) signal(consumer string) chan struct{} {
	if o.changed[consumer] == nil {
		if o.changed == nil {
			o.changed, o.waiting = map[string]chan struct{}{}, map[string][]event.Record{}
		}
		o.changed[consumer] = make(chan struct{}, 1)
	}
	return o.changed[consumer]
}

func (o *outbox) add(consumer string, records ...event.Record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ch := o.signal(consumer)
	o.waiting[consumer] = append(o.waiting[consumer], records...)
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (o *outbox) Read(_ context.Context, consumer string, after uint64, limit int) (out []event.Record, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.waiting[consumer] {
		if r.Seq > after && len(out) < limit {
			out = append(out, r)
		}
	}
	return out, nil
}

func (o *outbox) Ack(_ context.Context, consumer string, seqs ...uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting[consumer] = slices.DeleteFunc(o.waiting[consumer], func(r event.Record) bool { return slices.Contains(seqs, r.Seq) })
	return nil
}

func (o *outbox) Consumers(context.Context) (names []string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, list := range o.waiting {
		if len(list) > 0 {
			names = append(names, name)
		}
	}
	return names, nil
}

func (o *outbox) Changed(consumer string) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.signal(consumer)
}

func (o *outbox) left(consumer string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiting[consumer])
}

// sink takes what refuse does not.
type sink struct {
	mu     sync.Mutex
	told   []uint64
	tries  int
	refuse func(event.Record) error
	hang   bool
}

func (s *sink) Ready(context.Context) error { return nil }
func (s *sink) Close() error                { return nil }
func (s *sink) Tell(ctx context.Context, records []event.Record) (told []uint64, err error) {
	s.mu.Lock()
	s.tries++
	hang, refuse := s.hang, s.refuse
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, r := range records {
		if refuse != nil {
			if e := refuse(r); e != nil {
				err = e
				continue
			}
		}
		told = append(told, r.Seq)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, told...)
	return told, err
}

func (s *sink) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = nil
}

func (s *sink) seen() ([]uint64, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told), s.tries
}

// bench is a publisher with its destinations, in a bubble.
type bench struct {
	*publish.Publisher
	outbox  outbox
	mu      sync.Mutex
	list    []destination.Destination
	sinks   map[string]*sink
	metrics *prometheus.Registry
}

func place(name string) destination.Destination {
	return destination.Destination{Owner: destination.Owner{Account: "000000000001", Set: "main"}, Name: name, Kind: destination.Webhook}
}

func start(t *testing.T, names ...string) *bench {
	t.Helper()
	b := &bench{sinks: map[string]*sink{}, metrics: prometheus.NewRegistry()}
	for _, name := range names {
		b.list = append(b.list, place(name))
		b.sinks[name] = &sink{}
	}
	b.Publisher = publish.New(publish.Options{
		Outbox: &b.outbox,
		Destinations: func() []destination.Destination {
			b.mu.Lock()
			defer b.mu.Unlock()
			return slices.Clone(b.list)
		},
		Open: func(d destination.Destination) (event.Sink, error) { return b.sinks[d.Name], nil },
		Park: func(_ context.Context, d destination.Destination) error {
			b.alter(d.Name, func(d *destination.Destination) { d.Parked = time.Now() })
			return nil
		},
		Metrics: b.metrics, ParkAfter: 72 * time.Hour,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) alter(name string, f func(*destination.Destination)) {
	b.mu.Lock()
	for i := range b.list {
		if b.list[i].Name == name {
			f(&b.list[i])
		}
	}
	b.mu.Unlock()
	b.Changed()
}

func (b *bench) parked(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.list, func(d destination.Destination) bool { return d.Name == name })
	return !b.list[i].Parked.IsZero()
}

func consumer(name string) string { return publish.Consumer(place(name)) }

// now gives the events the time of the bubble.
func now(records []event.Record) []event.Record {
	for i := range records {
		records[i].Event.Time = time.Now()
	}
	return records
}

var errDown = errors.New("down")

func down(event.Record) error { return errDown }

func TestEventsAreToldOnceAndAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "a")
		for n := range 3 {
			b.outbox.add(consumer("a"), now(eventtest.Records(t, uint64(500*n+1), 250))...)
			synctest.Wait()
		}
		if told, _ := b.sinks["a"].seen(); len(told) != 1500 || b.outbox.left(consumer("a")) != 0 {
			t.Errorf("%d told, %d left", len(told), b.outbox.left(consumer("a")))
		}
	})
}

func TestADestinationThatHangsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "a", "b")
		b.sinks["a"].hang = true
		for _, name := range []string{"a", "b"} {
			b.outbox.add(consumer(name), now(eventtest.Records(t, 1, 1))...)
		}
		synctest.Wait()
		if told, _ := b.sinks["b"].seen(); len(told) != 2 {
			t.Errorf("told %v", told)
		}
	})
}

func TestADeadDestinationIsTriedEverMoreSeldomAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "a")
		b.sinks["a"].refuse = down
		b.outbox.add(consumer("a"), now(eventtest.Records(t, 1, 1))...)
		time.Sleep(10 * time.Hour) // of the bubble's clock, here and below
		synctest.Wait()
		if _, tries := b.sinks["a"].seen(); tries < 100 || tries > 180 {
			t.Errorf("%d tries in 10 hours", tries)
		}
		err := testutil.GatherAndCompare(b.metrics, strings.NewReader("# HELP sesame_event_lag_seconds Age of the oldest event that waits for a destination, parked ones left out.\n"+
			"# TYPE sesame_event_lag_seconds gauge\nsesame_event_lag_seconds{kind=\"webhook\"} 36000\n"), "sesame_event_lag_seconds")
		if err != nil {
			t.Error(err)
		}
		b.sinks["a"].heal()
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if told, _ := b.sinks["a"].seen(); !slices.Equal(told, []uint64{1, 2}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestADestinationDeadForTooLongIsParkedUntilItIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "a")
		b.sinks["a"].refuse = down
		b.outbox.add(consumer("a"), now(eventtest.Records(t, 1, 1))...)
		time.Sleep(71 * time.Hour)
		synctest.Wait()
		if b.parked("a") {
			t.Fatal("it was parked too early")
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		_, before := b.sinks["a"].seen()
		time.Sleep(100 * time.Hour)
		synctest.Wait()
		if _, tries := b.sinks["a"].seen(); !b.parked("a") || tries != before || b.outbox.left(consumer("a")) != 2 {
			t.Fatalf("parked %v, %d tries more, %d left", b.parked("a"), tries-before, b.outbox.left(consumer("a")))
		}
		b.alter("a", func(d *destination.Destination) { d.Parked, d.Resumed = time.Time{}, time.Now() })
		time.Sleep(time.Hour)
		synctest.Wait()
		if b.parked("a") {
			t.Fatal("it was parked again at once")
		}
		b.sinks["a"].heal()
		time.Sleep(time.Hour)
		synctest.Wait()
		if told, _ := b.sinks["a"].seen(); !slices.Equal(told, []uint64{1, 2}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestARefusedEventHoldsBackItsMessageAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "a")
		b.sinks["a"].refuse = func(r event.Record) error {
			if r.Seq == 2 {
				return errDown
			}
			return nil
		}
		b.outbox.add(consumer("a"), now(eventtest.Records(t, 1, 3)[:3])...)
		synctest.Wait()
		b.outbox.add(consumer("a"), now(eventtest.Records(t, 1, 3)[3:])...)
		synctest.Wait()
		if told, _ := b.sinks["a"].seen(); !slices.Equal(told, []uint64{1, 3, 4, 6}) {
			t.Errorf("told %v", told)
		}
		b.sinks["a"].heal()
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if told, _ := b.sinks["a"].seen(); !slices.Equal(told, []uint64{1, 3, 4, 6, 2, 5}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestWhatCannotBeWrittenIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "a")
		b.Unreadable(destination.Destination{Name: "a", Kind: destination.File}, eventtest.Records(t, 1, 1)[0], errDown)
		err := testutil.GatherAndCompare(b.metrics, strings.NewReader("# HELP sesame_event_unreadable_total Events that could not be written in the form of a destination, which was told of their numbers alone; each try counts.\n"+
			"# TYPE sesame_event_unreadable_total counter\nsesame_event_unreadable_total{kind=\"file\"} 1\n"), "sesame_event_unreadable_total")
		if err != nil {
			t.Error(err)
		}
	})
}

func TestWhatWaitsForADeletedDestinationIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "a")
		b.outbox.add(consumer("gone"), now(eventtest.Records(t, 1, 300))...)
		b.outbox.add("forward", now(eventtest.Records(t, 1, 1))...)
		b.Changed()
		synctest.Wait()
		if b.outbox.left(consumer("gone")) != 0 || b.outbox.left("forward") != 2 {
			t.Errorf("%d and %d left", b.outbox.left(consumer("gone")), b.outbox.left("forward"))
		}
	})
}

func ExampleConsumer() {
	fmt.Println(publish.Consumer(destination.Destination{Owner: destination.Owner{Account: "000000000001", Set: "main"}, Name: "app"}))
	// Output: to/000000000001/main/app
}
