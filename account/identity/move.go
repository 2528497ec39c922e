package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sesame-mta/sesame/account"
)

// errStale says that an identity changed while DNS was asked about it.
var errStale = errors.New("changed meanwhile")

// check makes one look and moves the states. Of two looks at one identity the
// later to end sees that the other has moved it, and looks again: what it saw
// may be older.
func (c *Checker) check(ctx context.Context, n name, advice bool) (findings, error) {
	for {
		f, err := c.checkOnce(ctx, n, advice)
		if !errors.Is(err, errStale) {
			return f, err
		}
	}
}

func (c *Checker) checkOnce(ctx context.Context, n name, advice bool) (findings, error) {
	b := c.o.Book
	e := b.get(n)
	if e == nil {
		return findings{}, nil
	}
	var f findings
	if c.o.DNS != nil && (advice || !c.o.OnRequest) {
		f = c.look.look(ctx, e, advice)
	}
	if err := ctx.Err(); err != nil {
		return f, err
	}
	now := time.Now().UTC()
	late := c.note(n, f, now)
	made, err := c.keyAfterNext(n, e, f)
	if err != nil {
		return f, err
	}
	before := e.Identity
	after, err := b.update(ctx, n, func(d *data) error {
		if b.get(n) != e {
			return errStale
		}
		if !move(d, e, f, late, now, made) {
			return errUnmoved
		}
		return nil
	})
	switch {
	case errors.Is(err, errUnmoved), errors.Is(err, account.ErrNotFound): // nothing to do, or removed meanwhile
		return f, nil
	case err == nil:
		b.tell(before, after, f)
	}
	return f, err
}

// note remembers the look and gives whether DNS has been silent for long.
func (c *Checker) note(n name, f findings, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tried[n]
	t.at = now
	if !slices.Contains([]outcome{f.verification, f.dkim, f.mailFrom}, unanswered) {
		t.silent = time.Time{}
	} else if t.silent.IsZero() {
		t.silent = now
	}
	c.tried[n] = t
	return !t.silent.IsZero() && now.Sub(t.silent) >= silence
}

// keyAfterNext makes, outside the lock, the Easy DKIM key that is to be published
// once the next one is in use.
func (c *Checker) keyAfterNext(n name, e *entry, f findings) ([]keyData, error) {
	// No Easy DKIM key follows one that the owner brings.
	turning := e.Rotating && f.next == good && e.kinds(Next) == easy
	if len(e.Easy) == 0 || !turning && (e.Rotating || !easyKeyLacking(e.Keys)) {
		return nil, nil
	}
	for _, k := range e.Keys {
		if !k.Easy || k.Use == Old {
			continue
		}
		next, ok := c.o.Book.nextKey(e.Easy, e.Keys, k, time.Now().UTC())
		if !ok {
			return nil, nil // its name is not free yet
		}
		made, err := c.o.Book.makeKey(n, next)
		return []keyData{made}, err
	}
	return nil, nil
}

func hasNext(keys []Key) bool {
	return slices.ContainsFunc(keys, func(k Key) bool { return k.Use == Next })
}

// move changes the record of e as the findings say, and tells whether anything
// did.
func move(d *data, e *entry, f findings, late bool, now time.Time, made []keyData) bool {
	moved := tidy(d, now)
	to := func(c *Check, o outcome, forever bool) {
		if c == nil || o == 0 {
			return
		}
		if n := c.next(o, now, late, forever); n != *c {
			*c, moved = n, true
		}
	}
	if d.Link != nil && d.Verification != nil && d.Verification.State == Pending && now.Sub(d.Link.Sent) >= linkLife {
		*d.Verification, d.Link, moved = Check{Failed, now}, nil, true
	}
	// A domain that was given up stays so until its owner begins anew.
	if v := d.Verification; e.IsDomain() && !d.Verified && v != nil && v.State != Failed {
		to(v, f.verification, false)
	}
	if len(d.Keys) > 0 {
		to(d.DKIM, f.dkim, d.Verified)
	}
	if d.MailFrom != nil {
		to(&d.MailFrom.Check, f.mailFrom, false)
	}
	same := len(d.Keys) == len(e.Keys)
	switch {
	case d.Rotating && same && f.next == good && hasNext(e.Keys):
		turn(d, made, now)
		moved = true
	case len(made) > 0 && same && easyKeyLacking(e.Keys):
		d.Keys = append(d.Keys, made...)
		moved = true
	}
	return moved
}

// tell logs what changed and calls the hook.
func (b *Book) tell(before, after Identity, f findings) {
	for _, c := range []struct {
		what     string
		from, to State
		why      []string
	}{
		{"verification", before.Verification.State, after.Verification.State, f.problems},
		{"dkim", before.DKIM.State, after.DKIM.State, f.dkimProblems},
		{"mail from", before.MailFrom.Check.State, after.MailFrom.Check.State, f.mailFromProblems},
	} {
		if c.from == c.to {
			continue
		}
		b.o.Log.Info("identity changed", "account", after.Account, "domain", after.Name, "status", string(c.to), "text", c.what)
		if b.o.Changed != nil {
			b.o.Changed(Change{Identity: after, What: c.what, From: c.from, To: c.to, Why: c.why})
		}
	}
}
