package bolt_test

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// heap gives the octets in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// However many messages come in at a time, their content is in memory only within
// bounds; what is beyond is on disk, and accepted all the same.
func TestManyDraftsTakeLittleMemory(t *testing.T) {
	const drafts, size, memory = 1000, 60_000, 4 << 20
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir, Memory: memory})
	m := mint(t, s)
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("0123456789"), size/10)
	begin := func() queue.Draft {
		t.Helper()
		d, err := s.Draft(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for rest := body; len(rest) > 0; rest = rest[min(4096, len(rest)):] {
			if _, err := d.Write(rest[:min(4096, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	before := heap()
	var all []queue.Draft
	for range drafts {
		all = append(all, begin())
	}
	if took := heap() - before; took > 2*memory {
		t.Errorf("%d drafts of %d octets take %d in memory, want about %d", drafts, size, took, memory)
	}
	if n := len(files(t, dir)); n < drafts/2 || n == drafts {
		t.Errorf("%d of %d drafts are in files", n, drafts)
	}
	for i, d := range all {
		if i%100 > 0 && i < drafts-2 {
			d.Discard()
			continue
		}
		now := time.Now()
		id, err := s.Append(t.Context(), queue.Submission{Content: d, Due: now, MaxAge: time.Hour,
			Message: queue.Message{ID: m.New(now), Account: account1, To: []mail.ForwardPath{to}, Accepted: now}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Open(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()+1)); err != nil || !bytes.Equal(got, body) {
			t.Errorf("draft %d: %d octets, %v", i, len(got), err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	// All of it was given back: as many drafts as fit are in memory again.
	kept := len(files(t, dir))
	all = nil
	for range memory / size / 2 {
		all = append(all, begin())
	}
	if n := len(files(t, dir)); n != kept {
		t.Errorf("%d drafts are in files when there is memory", n-kept)
	}
	for _, d := range all {
		d.Discard()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}
