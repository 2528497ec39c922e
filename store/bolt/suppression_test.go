package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/store/bolt"
	"github.com/sesame-mta/sesame/store/storetest"
)

func openSuppression(t testing.TB, dir string) *bolt.Suppression {
	t.Helper()
	s, err := bolt.OpenSuppression(bolt.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSuppressionListsKeepTheContract(t *testing.T) {
	storetest.RunSuppression(t, func(t testing.TB, dir string) storetest.Suppression { return openSuppression(t, dir) })
}

// production is one account without limits.
type production struct{}

func (production) Lookup(string) (account.Account, error) {
	return account.Account{ID: account.DefaultID, Name: account.DefaultName, Production: true}, nil
}

// bigList makes a CSV file of n addresses in no order.
func bigList(n int) io.Reader {
	return &maker{n: n, order: rand.New(rand.NewPCG(1, 2)).Perm(n)}
}

type maker struct {
	n     int
	order []int
	buf   bytes.Buffer
}

func (m *maker) Read(p []byte) (int, error) {
	for m.buf.Len() < len(p) && len(m.order) > 0 {
		fmt.Fprintf(&m.buf, "User.%d@customers-%d.example.org,BOUNCE\n", m.order[0]*7919%m.n, m.order[0]%5000)
		m.order = m.order[1:]
	}
	if m.buf.Len() == 0 {
		return 0, io.EOF
	}
	return m.buf.Read(p)
}

// resident gives the memory of this process in octets.
func resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc here: ", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestAMillionSuppressedAddresses measures what the specification asks for. A
// tenth of it runs each time, all of it with SESAME_MILLION=1.
func TestAMillionSuppressedAddresses(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	n := 100_000
	if os.Getenv("SESAME_MILLION") != "" {
		n = 1_000_000
	}
	s := openSuppression(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	l := suppression.New(suppression.Options{Store: s, Accounts: production{}})
	ctx := context.Background()
	input := bigList(n)
	debug.FreeOSMemory()
	before, most := resident(t), int64(0)
	start := time.Now()
	done, err := l.Import(ctx, account.DefaultID, input, suppression.ImportOptions{Form: suppression.CSV,
		Progress: func() { most = max(most, resident(t)-before) }})
	took := time.Since(start)
	if err != nil || done.Changed != n || done.Failed != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	t.Logf("%d imported in %v, %d MB at most", n, took, most>>20)
	if took > time.Minute {
		t.Errorf("it took %v", took)
	}
	if most > 300<<20 {
		t.Errorf("%d MB more memory", most>>20)
	}
	start = time.Now()
	if done, err = l.Import(ctx, account.DefaultID, bigList(n), suppression.ImportOptions{Form: suppression.CSV}); err != nil || done.Unchanged != n {
		t.Errorf("again: %+v, %v", done, err)
	}
	t.Logf("again in %v", time.Since(start))

	rule := l.Rule(account.DefaultID, "")
	const looks = 100_000
	for what, form := range map[string]string{"hit": "user.%d@customers-%d.example.org", "miss": "other.%d@customers-%d.example.org"} {
		to := make([]mail.Address, looks)
		for i := range to {
			j := i * 9973 % n
			if to[i], err = mail.ParseAddress(fmt.Sprintf(form, j*7919%n, j%5000)); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
		start = time.Now()
		for _, a := range to {
			m, err := l.Find(ctx, rule, a)
			if err != nil || (m != nil) != (what == "hit") {
				t.Fatalf("%s: %v, %v", a, m, err)
			}
		}
		each := time.Since(start) / looks
		t.Logf("a %s takes %v", what, each)
		if each > 100*time.Microsecond {
			t.Errorf("a %s takes %v", what, each)
		}
	}
	start, count := time.Now(), 0
	for _, err := range l.All(ctx, account.DefaultID, suppression.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != n {
		t.Errorf("%d of %d listed", count, n)
	}
	t.Logf("listed in %v", time.Since(start))
}

func TestCheckReadsTheLists(t *testing.T) {
	dir := t.TempDir()
	spool, err := bolt.Open(bolt.Options{Dir: dir, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	s := openSuppression(t, dir)
	a, err := mail.ParseAddress("Ann@example.org")
	if err != nil {
		t.Fatal(err)
	}
	e := suppression.Entry{Owner: account.DefaultID, Address: a, Reason: suppression.Bounce, Updated: time.Now()}
	if err := errors.Join(s.Put(t.Context(), []suppression.Entry{e}), s.Close(), spool.Close()); err != nil {
		t.Fatal(err)
	}
	verify(t, dir)
	damage(t, dir, "000000000001\x00ann@example.org", "000000000001\x00bob@example.org")
	if problems, err := bolt.Check(dir); err != nil || len(problems) == 0 {
		t.Errorf("an entry under another's key: %v, %v", problems, err)
	}
}

// damage writes something else in the place of a text in the file of the lists.
func damage(t *testing.T, dir, old, text string) {
	t.Helper()
	name := filepath.Join(dir, "suppression.db")
	all, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(all, []byte(old)) {
		t.Fatal("not there to be damaged")
	}
	if err := os.WriteFile(name, bytes.ReplaceAll(all, []byte(old), []byte(text)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheListsAreThisProcesssAlone(t *testing.T) {
	dir := t.TempDir()
	s := openSuppression(t, dir)
	if _, err := bolt.OpenSuppression(bolt.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(context.Background(), account.DefaultID, "a@example.org"); err == nil || errors.Is(err, account.ErrNotFound) {
		t.Errorf("after close: %v", err)
	}
}
