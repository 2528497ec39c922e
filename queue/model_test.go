package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
)

// ledger knows who has what on lease, and what is final.
type ledger struct {
	mu    sync.Mutex
	out   map[string]bool
	final map[string]bool
	bad   []string
}

func name(e queue.Entry) string { return fmt.Sprintf("%s/%d", e.ID, e.N) }

func (g *ledger) take(l *queue.Lease, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range l.Entries {
		k := name(e)
		switch {
		case g.out[k]:
			g.bad = append(g.bad, k+" is on lease twice")
		case g.final[k]:
			g.bad = append(g.bad, k+" came after it was final")
		case e.Due.After(now):
			g.bad = append(g.bad, k+" is not due")
		case e.State != queue.Queued:
			g.bad = append(g.bad, k+" is held")
		case e.Line != l.Line || e.ID != l.Message.ID:
			g.bad = append(g.bad, k+" is in the wrong lease")
		}
		g.out[k] = true
	}
}

func (g *ledger) end(e queue.Entry, final bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.out, name(e))
	if final {
		g.final[name(e)] = true
	}
}

// TestEveryEntryIsDeliveredOnceByManyWorkers lets workers, senders and an
// operator loose on a queue with windows so small that everything is paged,
// pushed out and raced for.
func TestEveryEntryIsDeliveredOnceByManyWorkers(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { storm(t, seed) })
		})
	}
}

func storm(t *testing.T, seed uint64) {
	const domains, messages, workers = 5, 400, 6
	spool := &queuetest.Spool{}
	var random sync.Mutex
	rng := rand.New(rand.NewPCG(seed, seed))
	roll := func(n int) int {
		random.Lock()
		defer random.Unlock()
		return rng.IntN(n)
	}
	spool.Hook = func(m string) error {
		if m != "Draft" && roll(3) == 0 {
			time.Sleep(time.Duration(roll(20)) * time.Millisecond) // a disk of moods
		}
		return nil
	}
	spool.After = func(string) {
		if roll(3) == 0 {
			time.Sleep(time.Duration(roll(20)) * time.Millisecond)
		}
	}
	r := newRig(t, spool, func(o *queue.Options) { o.Window, o.Total, o.Recipients = 3, 8, 2 })
	g := &ledger{out: make(map[string]bool), final: make(map[string]bool)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var senders, others sync.WaitGroup
	for s := range 4 {
		senders.Go(func() {
			for i := range messages / 4 {
				var to []string
				for n := range 1 + roll(4) {
					to = append(to, fmt.Sprintf("u%d-%d-%d@d%d.example", s, i, n, roll(domains)))
				}
				m := r.message([]string{one, two}[roll(2)], to...)
				m.Message.Notice = roll(4) == 0
				if _, err := r.Append(context.Background(), m); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Duration(roll(5)) * time.Millisecond)
			}
		})
	}
	for d := range domains {
		for range workers {
			others.Go(func() {
				for ctx.Err() == nil {
					l := r.Take(ctx, fmt.Sprintf("d%d.example", d))
					if l == nil {
						time.Sleep(time.Duration(1+roll(30)) * time.Millisecond)
						continue
					}
					g.take(l, r.Now())
					time.Sleep(time.Duration(roll(10)) * time.Millisecond)
					var settled []queue.Settled
					for _, e := range l.Entries {
						s := queue.Settled{N: e.N, Result: mail.Delivered}
						switch roll(4) {
						case 0:
							s.Result, s.Due, s.Attempts = mail.Deferred, r.Now().Add(time.Duration(roll(2000))*time.Millisecond), e.Attempts+1
						case 1:
							g.end(e, false)
							continue // not named: still due
						}
						g.end(e, s.Result == mail.Delivered)
						settled = append(settled, s)
					}
					if err := r.Settle(context.Background(), l, settled, nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	others.Go(func() { // an operator, and a DNS that moves domains about
		for ctx.Err() == nil {
			f := queue.Filter{Domain: fmt.Sprintf("d%d.example", roll(domains))}
			act := []func(context.Context, queue.Filter) (int, error){r.Hold, r.Retry, r.ReleaseHold}[roll(3)]
			if _, err := act(context.Background(), f); err != nil {
				t.Error(err)
			}
			r.Assign(f.Domain, "elsewhere")
			time.Sleep(time.Duration(roll(50)) * time.Millisecond)
			r.Assign(f.Domain, f.Domain)
			time.Sleep(time.Duration(roll(300)) * time.Millisecond)
		}
	})
	senders.Wait()
	for range 600 {
		time.Sleep(time.Second)
		if _, err := r.ReleaseHold(context.Background(), queue.Filter{}); err != nil {
			t.Fatal(err)
		}
		if r.Depth().Recipients == 0 {
			break
		}
	}
	cancel()
	others.Wait()
	synctest.Wait()
	if n := r.Depth().Recipients; n != 0 {
		t.Errorf("%d entries are stuck", n)
	}
	for _, b := range g.bad {
		t.Error(b)
	}
}
