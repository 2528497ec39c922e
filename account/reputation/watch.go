package reputation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sesame-mta/sesame/account"
)

const (
	// lookEvery is how often everything is looked at and written.
	lookEvery = time.Minute
	// breath is the least time between two looks after something bad.
	breath = time.Second
)

// Run looks at the rates a second after each bad outcome and once a minute, pauses
// accounts and tells of new states, until ctx ends. It writes what was counted once
// a minute, before a pause, after each new state, and at the end: a crash loses a
// minute of it, and no new state.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	var bad chan struct{} // nil while it rests
	for {
		select {
		case <-ctx.Done():
			return b.save(time.Now())
		case <-tick.C:
			b.prune(time.Now())
			b.look(ctx)
			b.keep()
		case <-rest.C:
			bad = b.bad
		case <-bad:
			b.look(ctx)
			bad = nil
			rest.Reset(breath)
		}
	}
}

// keep writes, and says when it could not: the next time writes it too.
func (b *Book) keep() {
	if err := b.save(time.Now()); err != nil {
		b.o.Log.Warn("reputation not kept", "err", err)
	}
}

// look finds new states and sees to what follows. A crash on the way leaves what was
// counted, and what is not told yet.
func (b *Book) look(ctx context.Context) {
	moved := false
	for _, r := range b.list(b.moves) {
		a, err := b.o.Accounts.Lookup(r.Account)
		if err != nil {
			continue // it goes with the next pruning
		}
		to := r.next()
		switch {
		case r.State == Paused && !a.Paused:
			to = Healthy // it was resumed, and the server stopped before it was told
		case to == Severe && r.Kind == Account && b.strict(a):
			b.keep()
			if a, err = b.pause(ctx, a); err != nil {
				b.o.Log.Error("account not paused", "account", a.ID, "err", err)
				continue
			}
			to = Paused
		}
		if c, ok := b.move(r, to); ok {
			b.note(c)
			moved = true
		}
	}
	if moved {
		b.keep()
	}
	if b.tell(ctx) {
		b.keep()
	}
}

// moves reports, under the lock, whether a subject may have a new state.
func (b *Book) moves(s Subject) bool {
	r := b.ratings[s]
	if r.state == Paused || r.state == Severe {
		return true // it depends on the account too
	}
	shown := r.show(s)
	return shown.next() != r.state
}

func (b *Book) strict(a account.Account) bool {
	if a.Profile == account.ProfileFile {
		return b.o.Strict
	}
	return a.Profile == account.ProfileSES
}

// pause refuses an account's mail from now on, on stable storage before it is told.
func (b *Book) pause(ctx context.Context, a account.Account) (account.Account, error) {
	paused, err := b.o.Accounts.Update(ctx, a.ID, func(a *account.Account) { a.Paused = true })
	if err != nil {
		return a, err
	}
	return paused, nil
}

// move puts a subject into a new state, unless that changed meanwhile, and notes that
// it is to be told.
func (b *Book) move(seen Rating, to State) (Change, bool) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.ratings[seen.Subject]
	if to == seen.State || r == nil || r.state != seen.State || !r.fresh.Equal(seen.Fresh) {
		return Change{}, false
	}
	if seen.State == Paused {
		b.anew(now, seen.Subject)
	} else {
		r.state, r.since = to, now
	}
	r.untold, b.unkept = seen.State, true
	return Change{r.show(seen.Subject), seen.State}, true
}

// note counts a change and logs it.
func (b *Book) note(c Change) {
	b.changed.WithLabelValues(c.State.String()).Inc()
	log := b.o.Log.Warn
	if c.State == Healthy {
		log = b.o.Log.Info
	}
	log("reputation changed", "account", c.Account, "text", c.String())
}

// tell tells who asked for it of new states, and reports whether there was something
// to tell. What is not taken is told again with the next look.
func (b *Book) tell(ctx context.Context) (told bool) {
	changes := map[string][]Change{}
	for _, c := range b.untold() {
		changes[c.Account] = append(changes[c.Account], c)
	}
	for id, list := range changes {
		a, err := b.o.Accounts.Lookup(id)
		if err == nil && b.o.Changed != nil {
			err = b.o.Changed(ctx, a, list)
		}
		if err != nil {
			b.o.Log.Warn("reputation not told", "account", id, "err", err)
			continue
		}
		b.taken(list)
		told = true
	}
	return told
}

// untold gives what is to be told, in the order of list.
func (b *Book) untold() (changes []Change) {
	rs := b.list(func(s Subject) bool { return b.ratings[s].untold != 0 })
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range rs {
		if now := b.ratings[r.Subject]; now != nil && now.untold != 0 {
			changes = append(changes, Change{r, now.untold})
		}
	}
	return changes
}

// taken notes what was told.
func (b *Book) taken(changes []Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range changes {
		if r := b.ratings[c.Subject]; r != nil && r.since.Equal(c.Since) {
			r.untold, b.unkept = 0, true
		}
	}
}

// String tells of the change in a line.
func (c Change) String() string {
	return fmt.Sprintf("%s: %s after %s, %d hard bounces among %d mails (%.2f %%), %d complaints about %d (%.3f %%)",
		c.Subject, c.State, c.From, c.Bounces.Bad, c.Bounces.Mails, 100*c.Bounces.Share(),
		c.Complaints.Bad, c.Complaints.Mails, 100*c.Complaints.Share())
}

// prune forgets accounts that are gone, and what has been idle for long.
func (b *Book) prune(now time.Time) {
	gone := func(id string) bool {
		_, err := b.o.Accounts.Lookup(id)
		return errors.Is(err, account.ErrNotFound)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for s, r := range b.ratings {
		if s.Kind != Account && now.Sub(r.last) > idle || gone(s.Account) {
			b.forget(s)
		}
	}
	for id, list := range b.points {
		if gone(id) || len(list) > 0 && now.Sub(list[len(list)-1].Time) > keptFor {
			delete(b.points, id)
		}
	}
	for domain, last := range b.domains {
		if now.Sub(last) > idle {
			delete(b.domains, domain)
			b.unkept = true
		}
	}
	b.full = false
}
