package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
)

func testAppend(b *bench) {
	ctx := context.Background()
	from, err := mail.ParseReversePath(`"a b"@example.org`)
	b.ok(err)
	s := b.submission(acct1, "Subject: x\r\n\r\nbody\r\n", "u1@example.org", `"x y"@EXAMPLE.net`, "u@[192.0.2.1]", "u@[IPv6:2001:db8::1]")
	m := &s.Message
	m.From, m.HeaderSize, m.EightBit, m.RequireTLS, m.Notice = from, 14, true, true, true
	m.Identity = "example.org"
	m.Pool, m.ConfigSet, m.Tags = "bulk", "main", []queue.Tag{{Name: "campaign", Value: "spring"}, {Name: "n", Value: "2"}}
	m.Edit = message.Edit{Prefix: []byte("Received: y\r\n"), Drop: []message.Span{{Off: 0, Len: 3}, {Off: 3, Len: 9}}}
	m.Keys, m.MessageID = []string{"k1", "k2"}, "<m@example.org>"
	s.Due = base().Add(time.Minute)
	id, err := b.Append(ctx, s)
	b.ok(err)
	check := func() {
		b.Helper()
		got, entries, err := b.Load(ctx, id, nil)
		b.ok(err)
		opts := cmp.Options{cmp.Comparer(time.Time.Equal), cmp.Comparer(func(a, c mail.Address) bool { return a == c })}
		if diff := cmp.Diff(*m, *got, opts); diff != "" {
			b.Errorf("message (-want +got):\n%s", diff)
		}
		var want []queue.Entry
		for n, rcpt := range m.To {
			want = append(want, queue.Entry{
				ID: id, N: n, To: rcpt, State: queue.Queued, Due: s.Due, Expires: base().Add(time.Hour),
				Line: queue.Line{Account: acct1, Domain: rcpt.Domain()},
			})
		}
		if diff := cmp.Diff(want, entries, opts); diff != "" {
			b.Errorf("entries (-want +got):\n%s", diff)
		}
		if _, some, err := b.Load(ctx, id, []int{2, 0, 9}); err != nil || len(some) != 2 || some[0].N != 2 {
			b.Errorf("load of some = %v, %v", names(some), err)
		}
		if text := b.body(id); text != "Subject: x\r\n\r\nbody\r\n" {
			b.Errorf("content %q", text)
		}
		b.depth(1, 4, 0)
	}
	check()
	b.reopen()
	check()
	b.gone(b.id(base()))
}

func testSameID(b *bench) {
	ctx := context.Background()
	s := b.submission(acct1, "first", "u@example.org")
	id, err := b.Append(ctx, s)
	b.ok(err)
	for range 2 {
		again := b.submission(acct1, strings.Repeat("second", 50_000), "other@example.net")
		again.Message.ID = s.Message.ID
		again.Charge = queue.Charge{Account: acct1, Recipients: 5, Limit: 1}
		again.Events = []event.Event{{Type: event.Send, Message: id, Consumers: []string{"c"}}}
		got, err := b.Append(ctx, again)
		b.ok(err)
		if got != id || b.body(id) != "first" {
			b.Fatalf("the same id again gave %s with %q", got, b.body(id))
		}
		if r, err := b.Read(ctx, "c", 0, 9); err != nil || len(r) != 0 {
			b.Fatalf("a repeat told %d events, %v", len(r), err)
		}
		b.depth(1, 1, 0)
		b.reopen()
	}
}

func testSameKey(b *bench) {
	ctx := context.Background()
	send := func(acct, key string, at time.Time) mail.ID {
		b.Helper()
		s := b.submission(acct, "x", "u@example.org")
		s.Message.Accepted, s.Key = at, key
		id, err := b.Append(ctx, s)
		b.ok(err)
		return id
	}
	first := send(acct1, "k", base())
	if got := send(acct1, "k", base().Add(24*time.Hour-time.Second)); got != first {
		b.Errorf("the same key within 24 hours gave %s, want %s", got, first)
	}
	if got := send(acct2, "k", base()); got == first {
		b.Error("another account met the key")
	}
	if got := send(acct1, "other", base()); got == first {
		b.Error("another key gave the first message")
	}
	b.settle(first, mail.Delivered, 0)
	b.reopen()
	if got := send(acct1, "k", base().Add(time.Hour)); got != first {
		b.Errorf("the same key after delivery and reopen gave %s, want %s", got, first)
	}
	if got := send(acct1, "k", base().Add(24*time.Hour)); got == first {
		b.Error("the key outlived 24 hours")
	}
	b.depth(3, 3, 0)
}

func testNotice(b *bench) {
	ctx := context.Background()
	s := b.submission(acct1, "dsn", "u@example.org")
	s.Message.Notice = true
	id, err := b.Append(ctx, s)
	b.ok(err)
	b.settle(id, mail.Delivered, 0)
	b.gone(id)
	again := b.submission(acct1, "dsn", "u@example.org")
	again.Message.ID, again.Message.Notice = id, true
	got, err := b.Append(ctx, again)
	b.ok(err)
	if got != id {
		b.Errorf("the notice again gave %s, want %s", got, id)
	}
	b.depth(0, 0, 0)
}

// testEventsOnly tells of what is no mail: nothing of it is in the queue, ever.
func testEventsOnly(b *bench) {
	ctx := context.Background()
	only := func(key string) queue.Submission {
		s := b.submission(acct1, "", "u@example.org", "v@example.net")
		s.Content.Discard()
		s.Content, s.EventsOnly, s.Key, s.Message.Keep = nil, true, key, true
		s.Charge = queue.Charge{Account: acct1, Recipients: 2, Limit: 5}
		s.Events = []event.Event{
			{Type: event.Send, Message: s.Message.ID, Account: acct1, Consumers: []string{"c"}},
			{Type: event.RenderingFailure, Message: s.Message.ID, Account: acct1, Failure: &event.Failure{Template: "t", Text: "x"}, Consumers: []string{"c"}},
		}
		return s
	}
	first, err := b.Append(ctx, only("k"))
	b.ok(err)
	again, err := b.Append(ctx, only("k")) // charged and told once
	b.ok(err)
	if again != first {
		b.Errorf("the key again gave %s, want %s", again, first)
	}
	second, err := b.Append(ctx, only(""))
	b.ok(err)
	_, err = b.Append(ctx, only(""))
	b.wants(err, queue.ErrQuota)
	for _, change := range []func(*queue.Submission){
		func(s *queue.Submission) { s.Message.ID = mail.ID{} },
		func(s *queue.Submission) { s.Message.Account = "" },
		func(s *queue.Submission) { s.Charge.Recipients = -1 },
		func(s *queue.Submission) { s.Key = strings.Repeat("k", 1<<20) },
	} {
		s := only("")
		change(&s)
		if _, err := b.Append(ctx, s); err == nil {
			b.Error("a malformed one was kept")
		}
	}
	for range 2 {
		for _, id := range []mail.ID{first, second} {
			b.gone(id)
			_, err := b.Kept(ctx, id)
			b.wants(err, queue.ErrNotFound)
		}
		b.depth(0, 0, 0)
		if lines, err := b.Lines(ctx, queue.Line{}, 9); err != nil || len(lines) != 0 {
			b.Errorf("lines %v, %v", lines, err)
		}
		told, err := b.Read(ctx, "c", 0, 9)
		b.ok(err)
		if len(told) != 4 || told[0].Event.Message != first || told[1].Event.Type != event.RenderingFailure ||
			told[1].Event.Failure == nil || told[2].Event.Message != second {
			b.Errorf("told %v", told)
		}
		b.reopen()
	}
}

func testRefusedAppend(b *bench) {
	ctx := context.Background()
	b.add(acct1, "x", "u@example.org")
	for name, change := range map[string]func(*queue.Submission){
		"no recipients":   func(s *queue.Submission) { s.Message.To = nil },
		"no id":           func(s *queue.Submission) { s.Message.ID = mail.ID{} },
		"zero octet":      func(s *queue.Submission) { s.Message.Account = "a\x00b" },
		"no draft":        func(s *queue.Submission) { s.Content = nil },
		"endless key":     func(s *queue.Submission) { s.Key = strings.Repeat("k", 1<<20) },
		"empty path":      func(s *queue.Submission) { s.Message.To = append(s.Message.To, mail.ForwardPath{}) },
		"negative charge": func(s *queue.Submission) { s.Charge.Recipients = -1 },
		"over quota": func(s *queue.Submission) {
			s.Charge = queue.Charge{Account: acct1, Recipients: 2, Limit: 1}
		},
	} {
		s := b.submission(acct1, strings.Repeat("y", 300_000), "a@example.org", "b@example.net")
		s.Events = []event.Event{{Type: event.Send, Message: s.Message.ID, Consumers: []string{"c"}}}
		id, draft := s.Message.ID, s.Content
		change(&s)
		if got, err := b.Append(ctx, s); err == nil {
			b.Errorf("%s: appended as %s", name, got)
		}
		draft.Discard()
		b.gone(id)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	s := b.submission(acct1, "x", "u@example.org")
	_, err := b.Append(canceled, s)
	b.wants(err, context.Canceled)
	s.Content.Discard()
	if _, err := s.Content.Write([]byte("x")); err == nil {
		b.Error("a discarded draft took octets")
	}
	if r, err := b.Read(ctx, "c", 0, 9); err != nil || len(r) != 0 {
		b.Errorf("%d events told, %v", len(r), err)
	}
	b.depth(1, 1, 0)
}

// testContent writes in uneven pieces and reads from several goroutines.
func testContent(b *bench) {
	ctx := context.Background()
	sums := make(map[mail.ID][32]byte)
	for _, size := range []int{0, 1, 4095, 65535, 65536, 65537, 300_000, 40 << 20} {
		s := b.submission(acct1, "", "u@example.org")
		h := sha256.New()
		w := io.MultiWriter(h, s.Content)
		src := rand.NewChaCha8([32]byte{byte(size)})
		for left := size; left > 0; {
			piece := make([]byte, min(left, 1+left/3, 70_001))
			_, err := src.Read(piece)
			b.ok(err)
			_, err = w.Write(piece)
			b.ok(err)
			left -= len(piece)
		}
		if s.Content.Size() != int64(size) {
			b.Fatalf("draft of %d octets says %d", size, s.Content.Size())
		}
		early := sha256.New() // rules look at content before it is appended
		if n, err := io.Copy(early, io.NewSectionReader(s.Content, 0, 1<<62)); err != nil || n != int64(size) || !bytes.Equal(early.Sum(nil), h.Sum(nil)) {
			b.Fatalf("draft of %d octets reads as %d others, %v", size, n, err)
		}
		id, err := b.Append(ctx, s)
		b.ok(err)
		s.Content.Discard() // does nothing any more
		if n, err := s.Content.ReadAt(make([]byte, 1), 0); n > 0 || err == nil {
			b.Fatalf("an appended draft was read: %d, %v", n, err)
		}
		sums[id] = [32]byte(h.Sum(nil))
	}
	read := func() {
		for id, sum := range sums {
			c, err := b.Engine.Open(ctx, id)
			b.ok(err)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					h := sha256.New()
					if _, err := io.Copy(h, io.NewSectionReader(c, 0, c.Size())); err != nil || [32]byte(h.Sum(nil)) != sum {
						b.Errorf("content of %d octets came back otherwise, %v", c.Size(), err)
					}
				})
			}
			wg.Wait()
			b.ok(c.Close())
		}
	}
	read()
	b.reopen()
	read()
	for id := range sums {
		b.settle(id, mail.Delivered, 0)
		b.gone(id)
	}
}

func testQuota(b *bench) {
	ctx := context.Background()
	const limit = 100
	var taken, refused atomic.Int64
	var wg sync.WaitGroup
	var subs []queue.Submission
	for i := range 90 {
		rcpts := make([]string, 1+i%3)
		for n := range rcpts {
			rcpts[n] = fmt.Sprintf("u%d@example.org", n)
		}
		s := b.submission(acct1, "x", rcpts...)
		s.Charge = queue.Charge{Account: acct1, Recipients: len(rcpts), Limit: limit}
		subs = append(subs, s)
	}
	for _, s := range subs {
		wg.Go(func() {
			switch _, err := b.Append(ctx, s); {
			case err == nil:
				taken.Add(int64(s.Charge.Recipients))
			case err != nil:
				b.wantsOne(err, queue.ErrQuota)
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if taken.Load() > limit || taken.Load() < limit-2 || refused.Load() == 0 {
		b.Fatalf("%d of %d recipients taken, %d refused", taken.Load(), limit, refused.Load())
	}
	b.depth(b.Depth().Messages, taken.Load(), 0)
	b.reopen()
	for n := taken.Load(); n < limit; n++ {
		b.ok(b.charge(acct1, base(), 1, limit))
	}
	b.wants(b.charge(acct1, base(), 1, limit), queue.ErrQuota)
	b.ok(b.charge(acct2, base(), 1, limit))
}

// wantsOne is wants for goroutines.
func (b *bench) wantsOne(err, want error) {
	if err == nil || !strings.Contains(err.Error(), want.Error()) {
		b.Errorf("error %v, want %v", err, want)
	}
}

func (b *bench) charge(acct string, at time.Time, n int, limit int64) error {
	b.Helper()
	rcpts := make([]string, n)
	for i := range rcpts {
		rcpts[i] = fmt.Sprintf("u%d@example.org", i)
	}
	s := b.submission(acct, "x", rcpts...)
	s.Message.Accepted = at
	s.Charge = queue.Charge{Account: acct, Recipients: n, Limit: limit}
	_, err := b.Append(context.Background(), s)
	return err
}

func testQuotaWindow(b *bench) {
	day := 24 * time.Hour
	b.ok(b.charge(acct1, base().Add(30*time.Second), 2, 3))
	b.wants(b.charge(acct1, base(), 2, 3), queue.ErrQuota)
	b.ok(b.charge(acct1, base().Add(12*time.Hour), 1, 3))
	for _, at := range []time.Duration{day - time.Second, day, day + 29*time.Second} {
		b.wants(b.charge(acct1, base().Add(at), 1, 3), queue.ErrQuota)
		b.reopen()
	}
	b.ok(b.charge(acct1, base().Add(day+time.Minute+30*time.Second), 2, 3))
	b.wants(b.charge(acct1, base().Add(day+2*time.Minute), 1, 3), queue.ErrQuota)
	b.reopen()
	b.wants(b.charge(acct1, base().Add(day+2*time.Minute), 1, 3), queue.ErrQuota)
	// A clock that was set back does not empty the window; no limit is none.
	b.wants(b.charge(acct1, base().Add(day), 1, 3), queue.ErrQuota)
	b.ok(b.charge(acct1, base().Add(day), 20, 0))
}

func testUsage(b *bench) {
	day := 24 * time.Hour
	check := func(acct string, at time.Time, limit, used int64, frees time.Time) {
		b.Helper()
		u, err := b.Usage(context.Background(), acct, at, limit)
		b.ok(err)
		if u.Used != used || !u.Frees.Equal(frees) {
			b.Errorf("at %v under a limit of %d: %+v, want %d used, free at %v", at, limit, u, used, frees)
		}
	}
	check(acct1, base(), 3, 0, time.Time{})
	b.ok(b.charge(acct1, base().Add(30*time.Second), 2, 3))
	b.ok(b.charge(acct1, base().Add(time.Hour), 1, 3))
	b.ok(b.charge(acct2, base(), 7, 0))
	b.wants(b.charge(acct1, base().Add(time.Hour), 1, 3), queue.ErrQuota)
	// The minute of acceptance counts for a whole day after its end.
	first, second := base().Add(day+time.Minute), base().Add(day+time.Hour+time.Minute)
	for range 2 {
		at := base().Add(2 * time.Hour)
		check(acct1, at, 3, 3, first)
		check(acct1, at, 1, 3, second) // a limit that was lowered since
		check(acct1, at, 10, 3, first)
		check(acct1, at, 0, 3, first)
		check(acct2, at, 0, 7, first)
		check(acct1, first.Add(-time.Second), 3, 3, first)
		check(acct1, first, 3, 1, second)
		check(acct1, second, 3, 0, time.Time{})
		b.reopen()
	}
	b.ok(b.charge(acct1, first, 2, 3))
}

func testEpoch(b *bench) {
	if !b.LastSeen().IsZero() {
		b.Errorf("a new spool was last seen at %v", b.LastSeen())
	}
	for range 3 {
		was, before := b.Epoch(), time.Now().Add(-time.Millisecond)
		b.add(acct1, "x", "u@example.org")
		b.reopen()
		if b.Epoch() != was+1 {
			b.Errorf("epoch %d after %d", b.Epoch(), was)
		}
		if b.LastSeen().Before(before) || b.LastSeen().After(time.Now()) {
			b.Errorf("last seen at %v, used after %v", b.LastSeen(), before)
		}
	}
}
