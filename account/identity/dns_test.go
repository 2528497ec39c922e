package identity_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/internal/resolver"
)

// zone is a DNS in memory: "TYPE name" gives values. While down, nothing is
// answered.
type zone struct {
	mu      sync.Mutex
	records map[string][]string
	mx      map[string][]resolver.MX
	down    bool
	asked   int
	held    chan struct{} // closed when a question is held until release
	release chan struct{}
}

// hold makes the next question wait with its answer.
func (z *zone) hold(held, release chan struct{}) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.held, z.release = held, release
}

func (z *zone) wait() {
	z.mu.Lock()
	held, release := z.held, z.release
	z.held, z.release = nil, nil
	z.mu.Unlock()
	if held != nil {
		close(held)
		<-release
	}
}

func newZone() *zone { return &zone{records: map[string][]string{}, mx: map[string][]resolver.MX{}} }

func (z *zone) get(kind, name string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	if z.down {
		return nil, &resolver.Error{Kind: resolver.Failed, Name: name, Type: kind}
	}
	list, ok := z.records[kind+" "+name]
	if !ok {
		return nil, &resolver.Error{Kind: resolver.NotFound, Name: name, Type: kind}
	}
	return list, nil
}

func (z *zone) TXT(_ context.Context, name string) ([]string, resolver.Meta, error) {
	to, err := z.get("CNAME", name)
	if err == nil {
		name = to[0]
	}
	list, err := z.get("TXT", name)
	z.wait()
	return list, resolver.Meta{}, err
}

func (z *zone) CNAME(_ context.Context, name string) (string, resolver.Meta, error) {
	list, err := z.get("CNAME", name)
	if err != nil {
		return "", resolver.Meta{}, err
	}
	return list[0], resolver.Meta{}, nil
}

func (z *zone) MX(_ context.Context, domain string) ([]resolver.MX, resolver.Meta, error) {
	z.mu.Lock()
	list := z.mx[domain]
	z.mu.Unlock()
	if len(list) == 0 {
		_, err := z.get("MX", domain)
		return nil, resolver.Meta{}, err
	}
	return list, resolver.Meta{}, nil
}

func (z *zone) set(kind, name string, values ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.records[kind+" "+name] = values; len(values) == 0 {
		delete(z.records, kind+" "+name)
	}
}

// publish puts records where they are asked for.
func (z *zone) publish(records []identity.Record) {
	for _, r := range records {
		z.set(r.Type, r.Name, r.Value)
	}
}

func (z *zone) silence(down bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.down = down
}

func (z *zone) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

// watched is a book with a checker that runs in a bubble.
type watched struct {
	*identity.Book
	t       *testing.T
	zone    *zone
	checker *identity.Checker
	changes []string
}

// watch runs f in a bubble. Key files are made outside of it.
func watch(t *testing.T, o identity.Options, f func(t *testing.T, w *watched)) {
	t.Helper()
	k := keys(t)
	synctest.Test(t, func(t *testing.T) { newWatched(t, k, o, f) })
}

func newWatched(t *testing.T, k *keyfile.File, o identity.Options, f func(t *testing.T, w *watched)) {
	w := &watched{t: t, zone: newZone()}
	o.Directory, o.Keys, o.Host = &accounttest.Directory{}, k, "mx1.example.com"
	var mu sync.Mutex
	o.Changed = func(c identity.Change) {
		mu.Lock()
		defer mu.Unlock()
		w.changes = append(w.changes, c.What+" "+string(c.To))
	}
	var err error
	if w.Book, err = identity.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.checker = identity.NewChecker(identity.CheckerOptions{Book: w.Book, DNS: w.zone})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.checker.Run(ctx) }()
	f(t, w)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// after lets time pass and the checker work.
func (w *watched) after(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

func (w *watched) is(name, verification, dkim string) identity.Identity {
	w.t.Helper()
	i, err := w.Get(alice, name)
	if err != nil {
		w.t.Fatal(err)
	}
	if string(i.Verification.State) != verification || string(i.DKIM.State) != dkim {
		w.t.Fatalf("%s: verification %s, DKIM %s; want %s, %s", name, i.Verification.State, i.DKIM.State, verification, dkim)
	}
	return i
}
