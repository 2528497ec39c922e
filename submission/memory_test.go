package submission_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
	"github.com/sesame-mta/sesame/submission/admission"
)

// discSpool keeps content in files, as the store does with what is large.
type discSpool struct {
	dir string
	n   atomic.Int64
}

type discDraft struct {
	*os.File
	size int64
}

func (d *discDraft) Write(p []byte) (int, error) {
	n, err := d.File.Write(p)
	d.size += int64(n)
	return n, err
}
func (d *discDraft) Size() int64 { return d.size }
func (d *discDraft) Discard()    { _ = errors.Join(d.Close(), os.Remove(d.Name())) } // twice is no harm

func (s *discSpool) Draft(context.Context) (queue.Draft, error) {
	f, err := os.CreateTemp(s.dir, "draft")
	return &discDraft{File: f}, err
}
func (s *discSpool) Room(int64) error { return nil }
func (s *discSpool) Append(_ context.Context, q queue.Submission) (mail.ID, error) {
	s.n.Add(1)
	return q.Message.ID, nil
}

// stalled is content whose sender takes his time before the last octets.
type stalled struct {
	io.Reader
	once sync.Once
	at   func()        // called when all before was read
	gate chan struct{} // closed to go on
}

func (c *stalled) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		c.once.Do(func() { c.at(); <-c.gate })
	}
	return n, err
}
func (c *stalled) Facts() submission.Facts { return submission.Facts{} }

// bigHeader is a header section of nearly the largest size.
var bigHeader = "From: a@example.org\r\n" + strings.Repeat("X-Filler: "+strings.Repeat("x", 900)+"\r\n", 280) + "\r\n"

// Senders of large header sections who never come to an end cost little memory.
func TestHeaderSectionsOnTheirWayInTakeLittleMemory(t *testing.T) {
	const senders = 200
	s := &discSpool{dir: t.TempDir()}
	d := desk(t, nil, func(o *submission.Options) { o.Spool, o.Queue, o.MessageBytes = s, s, 1<<20 })
	var reading, done sync.WaitGroup
	gate := make(chan struct{})
	before := heap()
	for range senders {
		reading.Add(1)
		r := request(t, "", submission.Facts{})
		r.Content = &stalled{Reader: strings.NewReader(bigHeader), at: reading.Done, gate: gate}
		done.Go(func() {
			if _, err := d.Submit(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
	reading.Wait()
	if each := (heap() - before) / senders; each > 100<<10 {
		t.Errorf("each of %d senders takes %d octets, the header section has %d", senders, each, len(bigHeader))
	}
	close(gate)
	done.Wait()
	if s.n.Load() != senders {
		t.Errorf("%d of %d accepted", s.n.Load(), senders)
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Header sections of messages that are looked at are in memory, so not all of
// them are looked at at a time; the others wait, and nobody is refused.
func TestMessagesAreLookedAtWithinBoundsOfMemory(t *testing.T) {
	dir := filepath.Clean(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		const senders, bound = 300, 32 << 20
		s := &discSpool{dir: dir}
		var inside, most atomic.Int64
		slow := admission.Rule{Name: "slow", Check: func(_ context.Context, c *admission.Candidate) error {
			now := inside.Add(c.HeaderSize)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				continue
			}
			<-time.After(time.Second)
			inside.Add(-c.HeaderSize)
			return nil
		}}
		d := desk(t, nil, func(o *submission.Options) {
			o.Spool, o.Queue, o.MessageBytes, o.Rules = s, s, 1<<20, []admission.Rule{slow}
		})
		var done sync.WaitGroup
		for range senders {
			r := request(t, bigHeader, submission.Facts{})
			done.Go(func() {
				if _, err := d.Submit(t.Context(), r); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		if s.n.Load() != senders || most.Load() > bound || most.Load() < bound/2 {
			t.Errorf("%d of %d accepted, at most %d octets of header sections at a time", s.n.Load(), senders, most.Load())
		}
		// Whoever leaves while he waits is not waited for.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var reply *mail.Reply
		if _, err := d.Submit(ctx, request(t, bigHeader, submission.Facts{})); !errors.As(err, &reply) || !reply.Temporary() {
			t.Errorf("after the end of the session: %v", err)
		}
	})
}
