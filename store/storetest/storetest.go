// Package storetest is the contract of a storage engine: whatever implements the
// seams of queue, event and account must pass it. It is a part of store. It
// knows the seams only, never an engine.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Engine is what is tested: a spool that is its own outbox and ledger.
type Engine interface {
	queue.Spool
	event.Outbox
	event.Archive
	quota.Ledger
	io.Closer
}

// Books is a directory that can be closed.
type Books interface {
	account.Directory
	io.Closer
}

// Opener opens the engine over what lies in dir. After a Close the same
// directory is opened again.
type Opener func(t testing.TB, dir string) Engine

// Run tests an engine. Verify, when not nil, proves the engine's own invariants
// over a closed directory.
func Run(t *testing.T, open Opener, verify func(t testing.TB, dir string)) {
	for _, test := range []struct {
		name string
		run  func(*bench)
	}{
		{"what was appended is there, also after reopen", testAppend},
		{"append is idempotent by id", testSameID},
		{"append keeps events alone", testEventsOnly},
		{"append is idempotent by key for 24 hours", testSameKey},
		{"a refused append leaves nothing", testRefusedAppend},
		{"a notice stays idempotent when it has gone", testNotice},
		{"content of any size comes back as it was", testContent},
		{"commit settles, defers and passes over", testCommit},
		{"hold, release and retry", testAlter},
		{"lines and pages come in order", testPaging},
		{"paging is stable under writes", testPagingUnderWrites},
		{"find pages through all entries in order", testFind},
		{"events come in order without gaps until acknowledged", testOutbox},
		{"a bounce keeps the content until it is acknowledged", testPins},
		{"the mail object is kept once until its last event is told", testMailObjects},
		{"a message to be kept outlives its last recipient", testKept},
		{"a settlement with a key happens once", testTold},
		{"events of what came back are told as they were", testFeedbackEvents},
		{"the quota is never exceeded by one", testQuota},
		{"the quota holds 24 hours and over a reopen", testQuotaWindow},
		{"usage tells what counts and when it ceases", testUsage},
		{"the epoch grows and the last time is known", testEpoch},
		{"no account sees another's", testAccounts},
		{"random operations do what the model does", testModel},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &bench{T: t, open: open, verify: verify, dir: t.TempDir()}
			b.Engine = open(t, b.dir)
			t.Cleanup(func() { b.close() })
			test.run(b)
		})
	}
}

// bench is one test's engine with helpers.
type bench struct {
	*testing.T
	Engine
	open   Opener
	verify func(t testing.TB, dir string)
	dir    string
	seq    int
}

const (
	acct1 = "000000000001"
	acct2 = "000000000002"
)

// base is the time of the tests: whole milliseconds.
func base() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }

func (b *bench) close() {
	if b.Engine == nil {
		return
	}
	if err := b.Engine.Close(); err != nil {
		b.Errorf("close: %v", err)
	}
	b.Engine = nil
	if b.verify != nil {
		b.verify(b.T, b.dir)
	}
}

func (b *bench) reopen() {
	b.Helper()
	b.close()
	b.Engine = b.open(b.T, b.dir)
}

// ok ends the test when err is not nil.
func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// wants ends the test when err is not the one wanted.
func (b *bench) wants(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Fatalf("error %v, want %v", err, want)
	}
}

// id gives a fresh id with the time t.
func (b *bench) id(t time.Time) mail.ID {
	b.Helper()
	b.seq++
	m, err := mail.NewMinter(bytes.Repeat([]byte{byte(b.seq), byte(b.seq >> 8)}, 16), 0, 1)
	b.ok(err)
	return m.New(t)
}

func to(text string) mail.ForwardPath {
	p, err := mail.ParseForwardPath(text)
	if err != nil {
		panic(err)
	}
	return p
}

// submission gives one with content, due and accepted at base.
func (b *bench) submission(acct, text string, rcpts ...string) queue.Submission {
	b.Helper()
	d, err := b.Draft(context.Background())
	b.ok(err)
	_, err = io.WriteString(d, text)
	b.ok(err)
	m := queue.Message{ID: b.id(base()), Account: acct, Accepted: base(), Size: d.Size()}
	for _, r := range rcpts {
		m.To = append(m.To, to(r))
	}
	return queue.Submission{Message: m, Content: d, Due: base(), MaxAge: time.Hour}
}

// add appends a message and gives its id.
func (b *bench) add(acct, text string, rcpts ...string) mail.ID {
	b.Helper()
	id, err := b.Append(context.Background(), b.submission(acct, text, rcpts...))
	b.ok(err)
	return id
}

// body reads the whole content.
func (b *bench) body(id mail.ID) string {
	b.Helper()
	c, err := b.Engine.Open(context.Background(), id)
	b.ok(err)
	defer func() { b.ok(c.Close()) }()
	text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	b.ok(err)
	return string(text)
}

// gone checks that nothing of a message is left.
func (b *bench) gone(id mail.ID) {
	b.Helper()
	_, _, err := b.Load(context.Background(), id, nil)
	b.wants(err, queue.ErrNotFound)
	_, err = b.Engine.Open(context.Background(), id)
	b.wants(err, queue.ErrNotFound)
}

func (b *bench) depth(messages, recipients, held int64) {
	b.Helper()
	d := b.Depth()
	if d.Messages != messages || d.Recipients != recipients || d.Held != held {
		b.Fatalf("depth %d messages, %d recipients, %d held, want %d, %d, %d",
			d.Messages, d.Recipients, d.Held, messages, recipients, held)
	}
}

// all pages through Find with a small limit.
func (b *bench) all(f queue.Filter) []queue.Entry {
	b.Helper()
	var out []queue.Entry
	f.Limit = 3
	for {
		page, err := b.Find(context.Background(), f)
		b.ok(err)
		out = append(out, page...)
		if len(page) < f.Limit {
			return out
		}
		last := page[len(page)-1]
		f.AfterID, f.AfterN = last.ID, last.N
	}
}

func (b *bench) settle(id mail.ID, result mail.Result, ns ...int) {
	b.Helper()
	st := queue.Settlement{ID: id}
	for _, n := range ns {
		st.Entries = append(st.Entries, queue.Settled{N: n, Result: result})
	}
	b.ok(b.Commit(context.Background(), st))
}

// names gives entries as short text, for comparing.
func names(entries []queue.Entry) string {
	text := ""
	for _, e := range entries {
		text += fmt.Sprintf("%s/%d@%d ", e.To, e.N, e.Due.UnixMilli()-base().UnixMilli())
	}
	return text
}
