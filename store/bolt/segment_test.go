package bolt_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/internal/failpoint"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// unpack makes a data directory out of an archive.
func unpack(t *testing.T, archive string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o700)
		} else {
			var b []byte
			if b, err = io.ReadAll(files); err == nil {
				err = os.WriteFile(path, b, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// holds gives each entry with the sum of its content, and each event.
func holds(t *testing.T, s *bolt.Spool) string {
	t.Helper()
	var text strings.Builder
	entries, err := s.Find(t.Context(), queue.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b := body(t, s, e.ID)
		fmt.Fprintf(&text, "%s %d %s %d octets %08x\n", e.ID, e.N, e.State, len(b), crc32.ChecksumIEEE(b))
	}
	for _, consumer := range []string{"c", "d"} {
		records, err := s.Read(t.Context(), consumer, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			fmt.Fprintf(&text, "%s %d %s %s\n", consumer, r.Seq, r.Event.Type, r.Event.Message)
		}
	}
	return text.String()
}

func body(t *testing.T, s *bolt.Spool, id mail.ID) []byte {
	t.Helper()
	c, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err = errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

// The archives were made by the program of before segments (format 2), of the same
// spool, killed and stopped.
func TestASpoolOfBeforeSegmentsOpens(t *testing.T) {
	want, err := os.ReadFile("testdata/format2/want.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"killed", "stopped"} {
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, filepath.Join("testdata/format2", name+".tar.gz"))
			verify(t, dir)
			for range 2 {
				s := open(t, bolt.Options{Dir: dir})
				if got := holds(t, s); got != string(want) {
					t.Errorf("before:\n%s\nafter:\n%s", want, got)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				verify(t, dir)
			}
			if _, err := os.Stat(filepath.Join(dir, "journal")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the journal of before: %v", err)
			}
		})
	}
}

// segments gives the octets of all of them, and how many there are.
func segments(t *testing.T, dir string) (size int64, n int) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(dir, "segments"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		fi, err := f.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // it went meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		size += fi.Size()
		n++
	}
	return size, n
}

func TestSegmentsAreWrittenOverWhenTheirMailHasLeft(t *testing.T) {
	dir := t.TempDir()
	const segment = 1 << 20
	s := open(t, bolt.Options{Dir: dir, Journal: segment})
	m := mint(t, s)
	var under []mail.ID
	for n := range 200 {
		id, err := add(s, m, bytes.Repeat([]byte{byte(n)}, 60_000))
		if err != nil {
			t.Fatal(err)
		}
		if under = append(under, id); len(under) > 5 { // some is always there
			if err := deliver(s, under[0]); err != nil {
				t.Fatal(err)
			}
			under = under[1:]
		}
	}
	if size, n := segments(t, dir); n > 4 || size > 5*segment {
		t.Errorf("%d segments of %d octets", n, size)
	}
	for i, id := range under {
		if got := body(t, s, id); len(got) != 60_000 || got[0] != byte(200-len(under)+i) {
			t.Errorf("message %d has %d octets of %d", i, len(got), got[0])
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}

// stays appends messages of which one in twenty stays, and gives those with what
// they hold.
func stays(t *testing.T, s *bolt.Spool, n int) map[mail.ID][]byte {
	t.Helper()
	m := mint(t, s)
	left := make(map[mail.ID][]byte)
	for i := range n {
		text := bytes.Repeat(fmt.Appendf(nil, "message %d\r\n", i), 200)
		id, err := add(s, m, text)
		if err != nil {
			t.Fatal(err)
		}
		if i%20 == 0 {
			left[id] = text
		} else if err := deliver(s, id); err != nil {
			t.Fatal(err)
		}
	}
	return left
}

// shrinks waits until the segments are no larger than so much.
func shrinks(t *testing.T, s *bolt.Spool, dir string, most int64) {
	t.Helper()
	m := mint(t, s)
	for deadline := time.Now().Add(20 * time.Second); ; {
		size, n := segments(t, dir)
		if size <= most {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d segments of %d octets, %d at most were expected", n, size, most)
		}
		// Each checkpoint gives back what was emptied.
		id, err := add(s, m, make([]byte, 30_000))
		if err = errors.Join(err, deliver(s, id)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestContentThatStaysIsMovedTogether(t *testing.T) {
	dir := t.TempDir()
	const segment = 100 << 10
	s := open(t, bolt.Options{Dir: dir, Journal: segment})
	left := stays(t, s, 800)
	// Whoever reads meanwhile finds it, wherever it is.
	end := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				for id, want := range left {
					select {
					case <-end:
						return
					default:
					}
					c, err := s.Open(context.Background(), id)
					if err != nil {
						t.Errorf("%s while content moves: %v", id, err)
						return
					}
					got, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
					if err = errors.Join(err, c.Close()); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%s while content moves: %d octets, %v", id, len(got), err)
						return
					}
				}
			}
		})
	}
	shrinks(t, s, dir, 16*segment)
	close(end)
	readers.Wait()
	same := func(s *bolt.Spool) {
		t.Helper()
		for id, want := range left {
			if got := body(t, s, id); !bytes.Equal(got, want) {
				t.Errorf("%s has %d octets, %d expected", id, len(got), len(want))
			}
		}
	}
	same(s)
	dead := killed(t, dir)
	verify(t, dead)
	again := open(t, bolt.Options{Dir: dead})
	same(again)
	for id := range left {
		if err := deliver(s, id); err != nil {
			t.Fatal(err)
		}
	}
	shrinks(t, s, dir, 4*segment)
	if err := errors.Join(again.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
	verify(t, dead)
}

// Between the look for its place and the read a message may leave, and its segment
// with it: that is no damage.
func TestContentThatGoesWhileItIsReadIsNotFound(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	id, err := add(s, mint(t, s), []byte("x"))
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	points := &failpoint.Set{}
	var log syncBuffer
	s = open(t, bolt.Options{Dir: dir, Failpoints: points, Log: slog.New(slog.NewTextHandler(&log, nil))})
	points.ArmOnce("content.read", 1, func() error {
		return errors.Join(deliver(s, id), os.Remove(filepath.Join(dir, "segments", "00000001")))
	})
	if _, err := s.Open(t.Context(), id); !errors.Is(err, queue.ErrNotFound) || strings.Contains(log.String(), "damaged") {
		t.Errorf("open gave %v, the log %s", err, log.String())
	}
}

// What is delivered at once is read from memory, however much went before it.
func TestContentThatHasJustComeIsReadFromMemory(t *testing.T) {
	points := &failpoint.Set{}
	s := open(t, bolt.Options{Dir: t.TempDir(), MaxSmall: 256 << 10, Journal: 64 << 20, Failpoints: points})
	points.Arm("content.read", 1, failpoint.Fail(errors.New("read from the disk")))
	m := mint(t, s)
	for n := range 200 { // 40 MB, within one segment
		id, err := add(s, m, make([]byte, 200<<10))
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, s, id); len(got) != 200<<10 {
			t.Fatalf("message %d has %d octets", n, len(got))
		}
		if err := deliver(s, id); err != nil {
			t.Fatal(err)
		}
	}
}

// A segment that cannot be read in full is left as it is, and the others are tidied.
func TestADamagedSegmentIsLeftAndHoldsUpNoOther(t *testing.T) {
	dir := t.TempDir()
	const segment = 100 << 10
	var log syncBuffer
	s := open(t, bolt.Options{Dir: dir, Journal: segment, Log: slog.New(slog.NewTextHandler(&log, nil))})
	left := stays(t, s, 100)
	f, err := os.OpenFile(filepath.Join(dir, "segments", "00000001"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.WriteAt([]byte("damage"), 1000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for id, text := range stays(t, s, 800) {
		left[id] = text
	}
	shrinks(t, s, dir, 14*segment)
	lost := 0
	for id, want := range left {
		c, err := s.Open(t.Context(), id)
		if errors.Is(err, queue.ErrDamaged) {
			lost++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s has %d octets, %v", id, len(got), err)
		}
	}
	if lost != 1 {
		t.Errorf("%d messages have lost their content, want one", lost)
	}
	if !strings.Contains(log.String(), "content not moved") {
		t.Errorf("nothing was told: %s", log.String())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	problems, err := bolt.Check(dir)
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), "other octets") {
		t.Errorf("check gave %v, %v", problems, err)
	}
}

func TestAMissingSegmentIsTold(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir})
	id, err := add(s, mint(t, s), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "segments", "00000001")); err != nil {
		t.Fatal(err)
	}
	problems, err := bolt.Check(dir)
	if err != nil || len(problems) != 2 {
		t.Errorf("check gave %v, %v", problems, err)
	}
	var log syncBuffer
	s = open(t, bolt.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if _, err := s.Open(t.Context(), id); !errors.Is(err, queue.ErrDamaged) || !strings.Contains(log.String(), "segment 1") {
		t.Errorf("content gave %v, the log %s", err, log.String())
	}
	if _, err := add(s, mint(t, s), []byte("x")); err != nil {
		t.Errorf("append: %v", err)
	}
}

// syncBuffer is a log that several write to.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Frames of moved content are no smaller than those it came from when it is short.
func TestShortContentIsNotMovedForEver(t *testing.T) {
	dir := t.TempDir()
	s := open(t, bolt.Options{Dir: dir, Journal: 1})
	m := mint(t, s)
	for range 20 {
		if _, err := add(s, m, nil); err != nil {
			t.Fatal(err)
		}
	}
	last := func() string {
		files, err := os.ReadDir(filepath.Join(dir, "segments"))
		if err != nil {
			t.Fatal(err)
		}
		return files[len(files)-1].Name()
	}
	settles(t, "no content is moved any more", func() bool {
		before := last()
		<-time.After(100 * time.Millisecond) // a move waits for 20 ms at most
		return last() == before
	})
}

func TestADamagedCountOfASegmentCostsNoContent(t *testing.T) {
	dir := t.TempDir()
	o := bolt.Options{Dir: dir, Journal: 20 << 10}
	s := open(t, o)
	m := mint(t, s)
	var ids []mail.ID
	for n := range 12 {
		id, err := add(s, m, bytes.Repeat([]byte{byte(n)}, 10_000))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	corrupt(t, dir, func(bucket func(string) *bbolt.Bucket) error {
		return errors.Join(bucket("segments").Put([]byte{0, 0, 0, 1}, []byte{9}), bucket("segments").Put([]byte{7}, []byte{9}))
	})
	if problems, err := bolt.Check(dir); err != nil || len(problems) != 2 {
		t.Errorf("check gave %v, %v", problems, err)
	}
	s = open(t, o)
	for range 12 { // enough to write over what is free
		if _, err := add(s, m, make([]byte, 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	for n, id := range ids {
		if !bytes.Equal(body(t, s, id), bytes.Repeat([]byte{byte(n)}, 10_000)) {
			t.Errorf("message %d has other content", n)
		}
		if err := deliver(s, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}
