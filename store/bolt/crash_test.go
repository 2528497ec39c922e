package bolt_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/internal/failpoint"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// childEnv makes the test binary a child that loads a spool until it is killed;
// its value is the directory.
const childEnv = "SESAME_STORE_CHILD"

// SESAME_SOAK makes the long version of the crash tests.
func soaking() bool { return os.Getenv("SESAME_SOAK") != "" }

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := loadSpool(dir, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// bodyOf is the content of a message, found again by its id: every eighth is
// long enough for a file of its own.
func bodyOf(id mail.ID, large bool) []byte {
	n := 40
	if large {
		n = 3000
	}
	return bytes.Repeat([]byte(id.String()+"\r\n"), n)
}

// loadSpool appends, settles and acknowledges from several goroutines and writes
// a line for each step that was confirmed, until somebody kills the process.
func loadSpool(dir string, out io.Writer) error {
	points, err := failpoint.FromEnv()
	if err != nil {
		return err
	}
	s, err := bolt.Open(bolt.Options{Dir: dir, Reserve: 1 << 20, MaxSmall: 64 << 10, Journal: 60 << 10, Failpoints: points})
	if err != nil {
		return err
	}
	minter, err := mail.NewMinter(make([]byte, 32), 0, s.Epoch())
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(what string, id mail.ID) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, "%s %s\n", what, id) // the reader may be gone: then so are we soon
	}
	say("open", minter.New(time.Now()))
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for w := range cap(errs) {
		wg.Go(func() { errs <- worker(s, minter, w, say) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return s.Close()
}

func worker(s *bolt.Spool, minter *mail.Minter, w int, say func(string, mail.ID)) error {
	ctx := context.Background()
	to, err := mail.ParseForwardPath("user@example.org")
	if err != nil {
		return err
	}
	for i := 0; i < 100_000; i++ {
		now := time.Now()
		id := minter.New(now)
		d, err := s.Draft(ctx)
		if err != nil {
			return err
		}
		if _, err := d.Write(bodyOf(id, i%8 == w%8)); err != nil {
			return err
		}
		_, err = s.Append(ctx, queue.Submission{
			Message: queue.Message{ID: id, Account: account1, To: []mail.ForwardPath{to, to}, Accepted: now, Size: d.Size(), Keep: i%2 == 0, Mail: []byte(id.String())},
			Content: d, Due: now, MaxAge: time.Hour,
			Charge: queue.Charge{Account: account1, Recipients: 2},
			Events: []event.Event{{Type: event.Send, Message: id, Account: account1, Time: now, Consumers: []string{"c", hook}}},
		})
		if err != nil {
			return err
		}
		say("accepted", id)
		if i%3 == 0 {
			continue
		}
		say("settling", id)
		err = s.Commit(ctx, queue.Settlement{
			ID: id, Entries: []queue.Settled{{N: 0, Result: mail.Delivered}, {N: 1, Result: mail.Failed}},
			Events: []event.Event{{Type: event.Bounce, Message: id, Account: account1, Time: now, Consumers: []string{"c", hook}}},
		})
		if err != nil {
			return err
		}
		say("settled", id)
		if i%2 == 0 {
			if err := tell(s, id, "k"); err != nil {
				return err
			}
			say("told", id)
			for _, consumer := range []string{"c", hook} {
				records, err := s.Read(ctx, consumer, 0, 10)
				if err != nil {
					return err
				}
				var seqs []uint64
				for _, r := range records {
					seqs = append(seqs, r.Seq)
				}
				if err := s.Ack(ctx, consumer, seqs...); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

const (
	account1 = "000000000001"
	hook     = "to/" + account1 + "/set/hook"
)

// child is what a killed child had confirmed.
type child struct {
	accepted, settling, settled, told map[string]bool
	opened                            bool
	stderr                            string
}

// runChild loads dir until a failpoint kills the child or, after so many
// accepted messages, we do.
func runChild(t *testing.T, dir, points string, enough int) child {
	t.Helper()
	return loadUntil(t, dir, points, enough, func() {})
}

// runChildThen does something to the child's disk before it is killed.
func runChildThen(t *testing.T, dir string, enough int, then func()) child {
	t.Helper()
	return loadUntil(t, dir, "", enough, then)
}

func loadUntil(t *testing.T, dir, points string, enough int, then func()) child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, failpoint.Env+"="+points)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := child{accepted: map[string]bool{}, settling: map[string]bool{}, settled: map[string]bool{}, told: map[string]bool{}}
	lines := bufio.NewScanner(out)
	// What is said to be on disk once that began to go was perhaps told by a kernel
	// that no longer wrote (ext4 answers some syncs so): only what came before counts.
	cut := false
	for lines.Scan() {
		what, id, ok := strings.Cut(lines.Text(), " ")
		if !ok || len(id) != 60 {
			break // cut off by the kill
		}
		if cut && what != "settling" {
			continue
		}
		switch what {
		case "open":
			c.opened = true
		case "accepted":
			c.accepted[id] = true
		case "settling":
			c.settling[id] = true
		case "settled":
			c.settled[id] = true
		case "told":
			c.told[id] = true
		}
		if len(c.accepted) == enough && what == "accepted" {
			cut = true
			then()
			_ = cmd.Process.Signal(syscall.SIGKILL) // it may have ended already
		}
	}
	err = cmd.Wait()
	c.stderr = stderr.String()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("child ended with %v, want killed", err)
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL && enough > 0 && len(c.accepted) < enough {
		t.Fatalf("child ended with %v: %s", err, c.stderr)
	}
	return c
}

// survey opens what a child left and compares it with what was confirmed.
func survey(t *testing.T, dir string, all []child) {
	t.Helper()
	s, err := bolt.Open(bolt.Options{Dir: dir, Reserve: 1 << 20})
	if err != nil {
		t.Fatalf("open after a crash: %v", err)
	}
	ctx := context.Background()
	have := make(map[string]int)
	var f queue.Filter
	for f.Limit = 1000; ; {
		page, err := s.Find(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			have[e.ID.String()]++
			f.AfterID, f.AfterN = e.ID, e.N
		}
		if len(page) < f.Limit {
			break
		}
	}
	late := make(map[string]int)
	records, err := s.Read(ctx, "late", 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := s.Read(ctx, hook, 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range waiting {
		if e := r.Event; string(e.Mail) != e.Message.String() {
			t.Errorf("event %d of %s has the mail object %q", r.Seq, e.Message, e.Mail)
		}
	}
	for _, r := range records {
		late[r.Event.Message.String()]++
	}
	for id, n := range late {
		if n != 1 {
			t.Errorf("%s was told of %d times", id, n)
		}
	}
	for _, c := range all {
		for id := range c.told {
			parsed, err := mail.ParseID(id)
			if err == nil {
				_, err = s.Kept(ctx, parsed)
			}
			if err != nil || late[id] != 1 {
				t.Errorf("%s was told of and has %d events, kept: %v", id, late[id], err)
			} else if err := tell(s, parsed, "k"); !errors.Is(err, queue.ErrRepeated) {
				t.Errorf("%s is told of again: %v", id, err)
			}
		}
		for id := range c.accepted {
			switch {
			case c.settled[id] && have[id] != 0:
				t.Errorf("%s was settled and is there again", id)
			case !c.settling[id] && have[id] != 2:
				t.Errorf("%s was accepted and has %d of 2 entries", id, have[id])
			}
		}
	}
	for text, n := range have {
		if n != 2 {
			t.Errorf("%s is half there: %d entries", text, n)
		}
		id, err := mail.ParseID(text)
		if err != nil {
			t.Fatal(err)
		}
		checkBody(t, s, id)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
}

func checkBody(t *testing.T, s *bolt.Spool, id mail.ID) {
	t.Helper()
	c, err := s.Open(context.Background(), id)
	if err != nil {
		t.Errorf("content of %s: %v", id, err)
		return
	}
	got, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err != nil || !bytes.Equal(got, bodyOf(id, len(got) > 64<<10)) {
		t.Errorf("content of %s is torn: %d octets, %v", id, len(got), err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestKillUnderLoadLosesNothingConfirmed(t *testing.T) {
	rounds := 4
	if soaking() {
		rounds = 2000
	}
	dir := t.TempDir()
	var all []child
	for n := range rounds {
		all = append(all, runChild(t, dir, "", 50+(n*97)%300))
		if n%2 == 1 {
			survey(t, dir, all)
		}
		if soaking() && n%50 == 49 {
			all, dir = nil, t.TempDir()
		}
	}
}

// TestCrashAtEachStepLosesNothingConfirmed is the proof of docs/states.md.
func TestCrashAtEachStepLosesNothingConfirmed(t *testing.T) {
	for _, point := range []string{
		"open.epoch", "open.sweep", "draft.write", "append.written", "append.synced", "append.renamed",
		"batch.directory", "batch.begin", "batch.write", "batch.commit", "batch.durable", "batch.answered",
		"content.remove", "checkpoint.write", "checkpoint.durable",
	} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			var all []child
			hits := []int{1, 7}
			if soaking() {
				hits = []int{1, 2, 3, 5, 8, 13, 21, 34, 50}
			}
			for _, hit := range hits {
				if strings.HasPrefix(point, "open.") {
					hit = 1
				}
				if strings.HasPrefix(point, "checkpoint.") {
					hit++ // the first is that of the start
				}
				all = append(all, runChild(t, dir, fmt.Sprintf("%s=kill@%d", point, hit), -1))
				if n := len(all); !strings.HasPrefix(point, "open.") && !all[n-1].opened {
					t.Fatalf("the child never began: %s", all[n-1].stderr)
				}
				survey(t, dir, all)
			}
		})
	}
}
