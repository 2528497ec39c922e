package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

func testCommit(b *bench) {
	ctx := context.Background()
	id := b.add(acct1, "x", "a@example.org", "b@example.org", "c@example.org")
	other := b.add(acct1, "x", "d@example.org")
	last := mail.Reply{Code: 451, Status: mail.Status{Class: 4, Subject: 7, Detail: 1}, Text: "later\nplease", Bare: true}
	due := base().Add(time.Minute)
	b.ok(b.Commit(ctx, queue.Settlement{ID: id, Entries: []queue.Settled{
		{N: 0, Result: mail.Delivered},
		{N: 1, Result: mail.Deferred, Due: due, Attempts: 2, Last: last, LastHost: "mx.example.org", Scanned: true},
		{N: 7, Result: mail.Failed}, // not there
	}}))
	b.reopen()
	b.depth(2, 3, 0)
	_, entries, err := b.Load(ctx, id, nil)
	b.ok(err)
	if got := names(entries); got != "b@example.org/1@60000 c@example.org/2@0 " {
		b.Fatalf("entries %s", got)
	}
	if e := entries[0]; e.Attempts != 2 || e.Last != last || e.LastHost != "mx.example.org" || !e.Scanned || e.State != queue.Queued ||
		!e.Expires.Equal(base().Add(time.Hour)) {
		b.Errorf("deferred entry %+v", e)
	}
	if entries[1].Scanned {
		b.Errorf("entry %+v was never settled", entries[1])
	}
	page, err := b.Page(ctx, queue.Line{Account: acct1, Domain: "example.org"}, queue.PageOptions{Limit: 9})
	b.ok(err)
	if got := names(page); got != "c@example.org/2@0 d@example.org/0@0 b@example.org/1@60000 " {
		b.Errorf("schedule %s", got)
	}
	b.settle(id, mail.Failed, 1, 2)
	b.settle(id, mail.Failed, 1, 2) // a repeat is passed over
	b.gone(id)
	b.depth(1, 1, 0)
	for _, bad := range [][]queue.Settled{
		{{N: 0}}, {{N: -1, Result: mail.Failed}}, {{N: 0, Result: mail.Failed}, {N: 0, Result: mail.Delivered}},
	} {
		if err := b.Commit(ctx, queue.Settlement{ID: other, Entries: bad}); err == nil {
			b.Errorf("settlement %v was taken", bad)
		}
	}
	b.depth(1, 1, 0)
}

func testAlter(b *bench) {
	ctx := context.Background()
	id := b.add(acct1, "x", "a@example.org", "b@example.org", "c@example.net")
	alter := func(ns []int, a queue.Alteration, want string) {
		b.Helper()
		changed, err := b.Alter(ctx, id, ns, a)
		b.ok(err)
		if got := names(changed); got != want {
			b.Errorf("changed %s, want %s", got, want)
		}
	}
	alter(nil, queue.Alteration{State: queue.Held}, "a@example.org/0@0 b@example.org/1@0 c@example.net/2@0 ")
	alter(nil, queue.Alteration{State: queue.Held}, "")
	b.reopen()
	b.depth(1, 3, 3)
	if lines, err := b.Lines(ctx, queue.Line{}, 9); err != nil || len(lines) != 0 {
		b.Errorf("held entries are in lines %v, %v", lines, err)
	}
	// An attempt that was under way when it was held keeps it held.
	b.ok(b.Commit(ctx, queue.Settlement{ID: id, Entries: []queue.Settled{
		{N: 1, Result: mail.Deferred, Due: base().Add(time.Second), Attempts: 1, Scanned: true},
	}}))
	b.depth(1, 3, 3)
	alter([]int{1, 0, 1, 9}, queue.Alteration{State: queue.Queued}, "a@example.org/0@0 b@example.org/1@1000 ")
	alter([]int{1}, queue.Alteration{Due: base()}, "b@example.org/1@0 ")
	if _, entries, err := b.Load(ctx, id, []int{1}); err != nil || !entries[0].Scanned || entries[0].Attempts != 1 {
		b.Errorf("altered entry %+v, %v", entries, err)
	}
	b.depth(1, 3, 1)
	page, err := b.Page(ctx, queue.Line{Account: acct1, Domain: "example.org"}, queue.PageOptions{Limit: 9})
	b.ok(err)
	if got := names(page); got != "a@example.org/0@0 b@example.org/1@0 " {
		b.Errorf("schedule %s", got)
	}
	b.settle(id, mail.Failed, 2)
	b.depth(1, 2, 0)
	_, err = b.Alter(ctx, id, []int{2}, queue.Alteration{State: queue.Held})
	b.wants(err, queue.ErrNotFound)
	_, err = b.Alter(ctx, b.id(base()), nil, queue.Alteration{State: queue.Held})
	b.wants(err, queue.ErrNotFound)
	if _, err = b.Alter(ctx, id, nil, queue.Alteration{State: 9}); err == nil {
		b.Error("state 9 was taken")
	}
}

func testPaging(b *bench) {
	ctx := context.Background()
	for i, dom := range []string{"b.example.org", "a.example.org", "example.org", "example.org-x.test", "b.example.org"} {
		for n := range 5 {
			s := b.submission([]string{acct2, acct1}[n%2], "x", fmt.Sprintf("u%d%d@%s", i, n, dom))
			s.Due = base().Add(time.Duration((n*3)%5) * time.Second)
			s.MaxAge = time.Duration(n) * time.Minute
			_, err := b.Append(ctx, s)
			b.ok(err)
		}
	}
	var lines []queue.LineDue
	after := queue.Line{}
	for {
		page, err := b.Lines(ctx, after, 3)
		b.ok(err)
		lines = append(lines, page...)
		if len(page) < 3 {
			break
		}
		after = page[2].Line
	}
	if len(lines) != 8 || !slices.IsSortedFunc(lines, func(x, y queue.LineDue) int {
		return slices.Compare([]string{x.Line.Domain, x.Line.Account}, []string{y.Line.Domain, y.Line.Account})
	}) {
		b.Fatalf("lines %v", lines)
	}
	for _, l := range lines {
		page, err := b.Page(ctx, l.Line, queue.PageOptions{Limit: 100})
		b.ok(err)
		if !page[0].Due.Equal(l.Due) || !slices.IsSortedFunc(page, func(x, y queue.Entry) int {
			if c := x.Due.Compare(y.Due); c != 0 {
				return c
			}
			return slices.Compare(x.ID[:], y.ID[:])
		}) {
			b.Errorf("line %v: %s", l, names(page))
		}
		for _, e := range page {
			if e.Line != l.Line {
				b.Errorf("entry of %v in %v", e.Line, l.Line)
			}
		}
		cut, err := b.Page(ctx, l.Line, queue.PageOptions{Limit: 1})
		b.ok(err)
		if names(cut) != names(page[:1]) {
			b.Errorf("first of %v: %s", l, names(cut))
		}
	}
	line := queue.Line{Account: acct2, Domain: "b.example.org"}
	due, err := b.Page(ctx, line, queue.PageOptions{DueBy: base().Add(time.Second), Limit: 9})
	b.ok(err)
	old, err := b.Page(ctx, line, queue.PageOptions{ExpiresBy: base().Add(2 * time.Minute), Limit: 9})
	b.ok(err)
	if len(due) != 4 || len(old) != 4 {
		b.Errorf("due by a second %s, expiring in two minutes %s", names(due), names(old))
	}
	if _, err := b.Page(ctx, line, queue.PageOptions{}); err == nil {
		b.Error("a page without limit was given")
	}
}

// testPagingUnderWrites pages while entries come and go: what stays put is seen
// exactly once.
func testPagingUnderWrites(b *bench) {
	ctx := context.Background()
	want := make(map[mail.ID]bool)
	for range 200 {
		want[b.add(acct1, "x", "stay@example.org")] = true
	}
	var subs []queue.Submission
	for range 200 {
		subs = append(subs, b.submission(acct1, "x", "go@example.org"))
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, s := range subs {
			id, err := b.Append(ctx, s)
			if err == nil {
				err = b.Commit(ctx, queue.Settlement{ID: id, Entries: []queue.Settled{{Result: mail.Delivered}}})
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	for range 5 {
		seen := make(map[mail.ID]int)
		for _, e := range b.all(queue.Filter{Domain: "example.org"}) {
			seen[e.ID]++
		}
		for id := range want {
			if seen[id] != 1 {
				b.Errorf("%s seen %d times", id, seen[id])
			}
		}
	}
	wg.Wait()
	b.depth(200, 200, 0)
}

func testFind(b *bench) {
	ctx := context.Background()
	var ids []mail.ID
	for i := range 6 {
		s := b.submission([]string{acct1, acct2}[i%2], "x", "a@example.org", "b@example.net")
		s.Message.ID = b.id(base().Add(time.Duration(6-i) * time.Second))
		id, err := b.Append(ctx, s)
		b.ok(err)
		ids = append(ids, id)
	}
	_, err := b.Alter(ctx, ids[2], []int{1}, queue.Alteration{State: queue.Held})
	b.ok(err)
	slices.Reverse(ids) // in id order
	for name, test := range map[string]struct {
		f    queue.Filter
		want int
	}{
		"all":        {queue.Filter{}, 12},
		"an id":      {queue.Filter{ID: ids[3]}, 2},
		"an account": {queue.Filter{Account: acct1}, 6},
		"a domain":   {queue.Filter{Domain: "example.net"}, 6},
		"held":       {queue.Filter{State: queue.Held}, 1},
		"queued of":  {queue.Filter{State: queue.Queued, Account: acct1, Domain: "example.net"}, 2},
		"none":       {queue.Filter{Domain: "example.com"}, 0},
		"after":      {queue.Filter{AfterID: ids[4], AfterN: 0}, 3},
		"after last": {queue.Filter{AfterID: ids[5], AfterN: 1}, 0},
	} {
		got := b.all(test.f)
		if len(got) != test.want || !slices.IsSortedFunc(got, func(x, y queue.Entry) int {
			if c := slices.Compare(x.ID[:], y.ID[:]); c != 0 {
				return c
			}
			return x.N - y.N
		}) {
			b.Errorf("%s: %d entries, want %d in order: %s", name, len(got), test.want, names(got))
		}
	}
}

func testOutbox(b *bench) {
	ctx := context.Background()
	id := b.id(base())
	tell := func(t event.Type, consumers ...string) {
		b.Helper()
		b.ok(b.Commit(ctx, queue.Settlement{ID: id, Events: []event.Event{{
			Type: t, Message: id, Account: acct1, Time: base(), Consumers: consumers,
			Recipients: []event.Recipient{{
				TLS: "TLSv1.3", Local: "192.0.2.1", Expires: base().Add(time.Hour),
				N: 1, To: to("u@example.org"), Remote: true, Host: "mx", Addr: "192.0.2.1:25",
				Reply: mail.Reply{Code: 250, Text: "ok"}, Last: mail.Reply{Code: 450},
				Class: "full", BounceType: "Transient", BounceSubType: "MailboxFull", DelayType: "General",
			}},
		}}}))
	}
	changed := b.Changed("c")
	tell(event.Send)
	tell(event.Send, "c")
	<-changed
	tell(event.Delivery, "c", "d")
	<-changed
	tell(event.Complaint, "d")
	tell(event.Bounce, "c") // the message is not there: nothing to keep
	seqs := func(consumer string, after uint64, limit int) (out []uint64) {
		b.Helper()
		records, err := b.Read(ctx, consumer, after, limit)
		b.ok(err)
		for _, r := range records {
			out = append(out, r.Seq)
			e := r.Event
			if e.Message != id || e.Account != acct1 || !e.Time.Equal(base()) || len(e.Recipients) != 1 ||
				e.Recipients[0].To != to("u@example.org") || e.Recipients[0].Reply.Code != 250 || e.Recipients[0].Last.Code != 450 ||
				!e.Recipients[0].Remote || e.Recipients[0].Host != "mx" || e.Recipients[0].N != 1 ||
				e.Recipients[0].Class != "full" || e.Recipients[0].BounceType != "Transient" ||
				e.Recipients[0].BounceSubType != "MailboxFull" || e.Recipients[0].DelayType != "General" ||
				e.Mail != nil || e.Recipients[0].TLS != "TLSv1.3" ||
				!e.Recipients[0].Expires.Equal(base().Add(time.Hour)) {
				b.Errorf("event %+v", e)
			}
		}
		return out
	}
	check := func(got []uint64, want ...uint64) {
		b.Helper()
		if !slices.Equal(got, want) {
			b.Errorf("numbers %v, want %v", got, want)
		}
	}
	for range 2 {
		check(seqs("c", 0, 9), 1, 2, 3)
		check(seqs("c", 1, 1), 2)
		check(seqs("d", 0, 9), 1, 2)
		check(seqs("nobody", 0, 9))
		b.reopen()
	}
	if names, err := b.Consumers(ctx); err != nil || !slices.Equal(names, []string{"c", "d"}) {
		b.Errorf("consumers %q, %v", names, err)
	}
	b.ok(b.Ack(ctx, "c", 1, 3, 77))
	b.ok(b.Ack(ctx, "nobody", 1))
	b.ok(b.Ack(ctx, "c"))
	b.reopen()
	check(seqs("c", 0, 9), 2)
	b.ok(b.Ack(ctx, "c", 2))
	b.reopen()
	tell(event.Send, "c")
	check(seqs("c", 0, 9), 4)
	check(seqs("d", 0, 9), 1, 2)
	b.ok(b.Keep(ctx, "d", 1, 2, 9))
	check(seqs("d", 0, 9))
	b.reopen()
	if names, err := b.Consumers(ctx); err != nil || !slices.Equal(names, []string{"c", "d"}) {
		b.Errorf("consumers %q, %v", names, err)
	}
	again := func(want int, from uint64, since time.Time) {
		b.Helper()
		if n, err := b.Again(ctx, "d", from, since); err != nil || n != want {
			b.Errorf("%d told again, want %d, %v", n, want, err)
		}
	}
	again(0, 0, base().Add(time.Second))
	again(1, 2, time.Time{})
	check(seqs("d", 0, 9), 2)
	again(1, 0, base())
	check(seqs("d", 0, 9), 1, 2)
	b.ok(b.Keep(ctx, "d", 1, 2))
	forget := func(want int, before time.Time, most uint64) {
		b.Helper()
		if n, err := b.Forget(ctx, "d", before, most); err != nil || n != want {
			b.Errorf("%d forgotten, want %d, %v", n, want, err)
		}
	}
	forget(0, base(), 2)
	forget(1, base(), 1)
	forget(1, base().Add(time.Second), 9)
	forget(0, base().Add(time.Second), 0)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := b.Commit(ctx, queue.Settlement{Events: []event.Event{{
				Type: event.Send, Message: id, Account: acct1, Time: base(), Consumers: []string{"many"},
			}}})
			if err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	records, err := b.Read(ctx, "many", 0, 100)
	b.ok(err)
	for i, r := range records {
		if r.Seq != uint64(i+1) {
			b.Fatalf("record %d has number %d", i, r.Seq)
		}
	}
	if len(records) != 20 {
		b.Errorf("%d records, want 20", len(records))
	}
	if err := b.Commit(ctx, queue.Settlement{Events: []event.Event{{Type: event.Send, Consumers: []string{""}}}}); err == nil {
		b.Error("a consumer without name was taken")
	}
}

func testPins(b *bench) {
	ctx := context.Background()
	id := b.add(acct1, "kept", "a@example.org", "b@example.org")
	bounce := func(n int, consumers ...string) {
		b.Helper()
		b.ok(b.Commit(ctx, queue.Settlement{
			ID: id, Entries: []queue.Settled{{N: n, Result: mail.Failed}},
			Events: []event.Event{{Type: event.Bounce, Message: id, Account: acct1, Time: base(), Consumers: consumers}},
		}))
	}
	bounce(0, "forward")
	b.ok(b.Ack(ctx, "forward", 1))
	b.depth(1, 1, 0)
	if b.body(id) != "kept" {
		b.Fatal("content went with an entry left")
	}
	// A destination has all it needs in the event.
	bounce(1, "forward", "hook", event.DestinationConsumer(acct1, "set", "d"))
	b.depth(0, 0, 0)
	b.reopen()
	if m, entries, err := b.Load(ctx, id, nil); err != nil || len(entries) != 0 || m.ID != id {
		b.Fatalf("message with a bounce waiting: %v, %v", entries, err)
	}
	b.ok(b.Ack(ctx, "forward", 2))
	if b.body(id) != "kept" {
		b.Fatal("content went before the second consumer was done")
	}
	b.ok(b.Ack(ctx, "hook", 1))
	b.gone(id)

	id = b.add(acct1, "kept", "a@example.org")
	b.ok(b.Commit(ctx, queue.Settlement{
		ID: id, Entries: []queue.Settled{{N: 0, Result: mail.Delivered}},
		Events: []event.Event{{Type: event.Delivery, Message: id, Account: acct1, Time: base(), Consumers: []string{"watcher"}}},
	}))
	if b.body(id) != "kept" {
		b.Fatal("content went with a delivery waiting")
	}
	b.ok(b.Ack(ctx, "watcher", 1))
	b.gone(id)
}

func testAccounts(b *bench) {
	ctx := context.Background()
	mine, theirs := b.add(acct1, "mine", "u@example.org"), b.add(acct2, "theirs", "u@example.org")
	for acct, id := range map[string]mail.ID{acct1: mine, acct2: theirs} {
		page, err := b.Page(ctx, queue.Line{Account: acct, Domain: "example.org"}, queue.PageOptions{Limit: 9})
		b.ok(err)
		found := b.all(queue.Filter{Account: acct})
		if len(page) != 1 || page[0].ID != id || len(found) != 1 || found[0].ID != id {
			b.Errorf("account %s sees %s and %s", acct, names(page), names(found))
		}
	}
	// An account whose number begins like another's is another.
	page, err := b.Page(ctx, queue.Line{Account: acct1[:11], Domain: "example.org"}, queue.PageOptions{Limit: 9})
	b.ok(err)
	if len(page) != 0 {
		b.Errorf("a shorter number sees %s", names(page))
	}
}
