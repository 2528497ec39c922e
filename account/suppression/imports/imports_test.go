package imports_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/account/suppression/imports"
)

const (
	shop  = "000000000002"
	other = "000000000003"
)

// lists notes what it is given to read.
type lists struct {
	mu      sync.Mutex
	sandbox bool
	got     []string
	hold    chan struct{} // where a read waits; nil does not
	err     error
}

func (l *lists) MayAdd(string) error {
	if l.sandbox {
		return suppression.ErrSandbox
	}
	return nil
}

func (l *lists) Import(ctx context.Context, owner string, r io.Reader, o suppression.ImportOptions) (suppression.Imported, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return suppression.Imported{}, err
	}
	if l.hold != nil {
		select {
		case <-l.hold:
		case <-ctx.Done():
			return suppression.Imported{}, ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := strings.Count(string(text), "\n")
	l.got = append(l.got, fmt.Sprint(owner, o.Form, o.Delete, n))
	return suppression.Imported{Lines: n, Failed: 1, Errors: []suppression.LineError{{Line: 2, Text: "not an address"}}}, l.err
}

// books is a book on a folder that the file list.csv of shop lies in.
type books struct {
	directory accounttest.Directory
	lists     lists
	dir       string
}

func newBooks(t *testing.T) *books {
	t.Helper()
	b := &books{dir: t.TempDir()}
	b.write(t, shop+"/list.csv", "a@example.org\nb\n")
	return b
}

func (b *books) write(t *testing.T, name, text string) {
	t.Helper()
	name = filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *books) open(t *testing.T) *imports.Book {
	t.Helper()
	book, err := imports.Open(t.Context(), imports.Options{Directory: &b.directory, Lists: &b.lists, Dir: b.dir})
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// run runs a book while f goes on.
func run(t *testing.T, book *imports.Book, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- book.Run(ctx) }()
	f()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

var good = imports.Job{Account: shop, URL: "file:list.csv", Form: suppression.CSV}

func TestAFileIsReadAndTheJobTellsOfIt(t *testing.T) {
	b := newBooks(t)
	synctest.Test(t, func(t *testing.T) {
		book := b.open(t)
		job, err := book.Create(t.Context(), good)
		if err != nil || job.State != imports.Created || len(job.ID) != 32 {
			t.Fatalf("%+v, %v", job, err)
		}
		run(t, book, synctest.Wait)
		time.Sleep(time.Second)
		off := good
		off.Delete, off.Form, off.URL = true, suppression.JSONL, "file:///list.csv"
		second, err := book.Create(t.Context(), off)
		if err != nil {
			t.Fatal(err)
		}
		run(t, book, synctest.Wait)
		if got := fmt.Sprint(b.lists.got); got != "["+shop+"csvfalse 2 "+shop+"jsonltrue 2]" {
			t.Errorf("read %s", got)
		}
		for _, book := range []*imports.Book{book, b.open(t)} {
			got, err := book.Get(shop, job.ID)
			if err != nil || got.State != imports.Completed || got.Lines != 2 || got.Bad != 1 || got.Why != "line 2: not an address" || got.Ended.IsZero() {
				t.Errorf("%+v, %v", got, err)
			}
			list := book.List(shop)
			if len(list) != 2 || list[0].ID != job.ID || list[1].ID != second.ID || !list[1].Delete {
				t.Errorf("listed %+v", list)
			}
			if _, err := book.Get(other, job.ID); !errors.Is(err, account.ErrNotFound) || len(book.List(other)) != 0 {
				t.Errorf("another account sees it: %v", err)
			}
		}
	})
}

func TestFilesThatAreNotTaken(t *testing.T) {
	b := newBooks(t)
	b.write(t, other+"/secret.csv", "a@example.org\n")
	for link, to := range map[string]string{"link.csv": "../" + other + "/secret.csv", "up": ".."} {
		if err := os.Symlink(to, filepath.Join(b.dir, shop, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(b.dir, shop, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	book := b.open(t)
	for url, want := range map[string]error{
		"s3://bucket/list.csv":             imports.ErrURL,
		"list.csv":                         imports.ErrURL,
		"file:":                            imports.ErrURL,
		"file:../x/secret.csv":             imports.ErrURL,
		"file:%2e%2e/secret.csv":           imports.ErrURL,
		"file://host/list.csv":             imports.ErrURL,
		"file:a/../list.csv":               imports.ErrURL,
		"file:list.csv?version=1":          imports.ErrURL,
		"file:none.csv":                    imports.ErrFile,
		"file:link.csv":                    imports.ErrFile,
		"file:up/" + other + "/secret.csv": imports.ErrFile,
		"file:up":                          imports.ErrFile,
		"file:pipe":                        imports.ErrFile,
	} {
		job := good
		job.URL = url
		if _, err := book.Create(t.Context(), job); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", url, err, want)
		}
	}
	job := good
	job.Form = "xml"
	if _, err := book.Create(t.Context(), job); !errors.Is(err, imports.ErrForm) {
		t.Errorf("another form: %v", err)
	}
	job = good
	job.Account = "000000000004"
	if _, err := book.Create(t.Context(), job); !errors.Is(err, imports.ErrFile) {
		t.Errorf("an account without a folder: %v", err)
	}
	b.lists.sandbox = true
	if _, err := book.Create(t.Context(), good); !errors.Is(err, suppression.ErrSandbox) {
		t.Errorf("in the sandbox: %v", err)
	}
	job = good
	job.Delete = true
	if _, err := book.Create(t.Context(), job); err != nil {
		t.Errorf("taking off in the sandbox: %v", err)
	}
	b.lists.sandbox, b.dir = false, ""
	if _, err := b.open(t).Create(t.Context(), good); !errors.Is(err, imports.ErrOff) {
		t.Errorf("without a folder: %v", err)
	}
}

func TestAFileOfTooManyLinesFails(t *testing.T) {
	b := newBooks(t)
	b.write(t, shop+"/most.csv", strings.Repeat("a@example.org\n", imports.MaxLines))
	b.write(t, shop+"/long.csv", strings.Repeat("a@example.org\n", imports.MaxLines+2))
	synctest.Test(t, func(t *testing.T) {
		book := b.open(t)
		for name, want := range map[string]imports.State{"most.csv": imports.Completed, "long.csv": imports.Failed, "gone.csv": imports.Failed} {
			b.write(t, shop+"/gone.csv", "")
			job := good
			job.URL = "file:" + name
			job, err := book.Create(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(b.dir, shop, "gone.csv")); err != nil {
				t.Fatal(err)
			}
			run(t, book, synctest.Wait)
			got, err := book.Get(shop, job.ID)
			if err != nil || got.State != want || (want == imports.Failed) != (got.Lines == 0) || strings.Contains(got.Why, b.dir) || got.Why == "" {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		b.lists.err = errors.New("read /secret/path: input/output error")
		job, err := book.Create(t.Context(), good)
		if err != nil {
			t.Fatal(err)
		}
		run(t, book, synctest.Wait)
		if got, _ := book.Get(shop, job.ID); got.State != imports.Failed || got.Why != "the file cannot be read" {
			t.Errorf("after an error: %+v", got)
		}
	})
}

func TestAJobThatWasBrokenOffBeginsAgain(t *testing.T) {
	b := newBooks(t)
	synctest.Test(t, func(t *testing.T) {
		b.lists.hold = make(chan struct{})
		book := b.open(t)
		job, err := book.Create(t.Context(), good)
		if err != nil {
			t.Fatal(err)
		}
		run(t, book, func() {
			synctest.Wait()
			if got, _ := book.Get(shop, job.ID); got.State != imports.Processing {
				t.Errorf("under way: %+v", got)
			}
		})
		close(b.lists.hold)
		book = b.open(t)
		run(t, book, synctest.Wait)
		if got, _ := book.Get(shop, job.ID); got.State != imports.Completed || len(b.lists.got) != 1 {
			t.Errorf("after a restart: %+v, read %v", got, b.lists.got)
		}
	})
}

func TestJobsAreBounded(t *testing.T) {
	b := newBooks(t)
	synctest.Test(t, func(t *testing.T) {
		book := b.open(t)
		n := 0
		for ; n < 50; n++ {
			if _, err := book.Create(t.Context(), good); err != nil {
				if !errors.Is(err, imports.ErrMany) {
					t.Fatal(err)
				}
				break
			}
		}
		if n != 10 {
			t.Errorf("%d at once", n)
		}
		first := book.List(shop)[0]
		for range 150 {
			run(t, book, synctest.Wait)
			time.Sleep(time.Second)
			if _, err := book.Create(t.Context(), good); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(book.List(shop)); n > 100 {
			t.Errorf("%d are kept", n)
		}
		if _, err := book.Get(shop, first.ID); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("the oldest: %v", err)
		}
	})
}

func TestTheJobsOfAnAccountEndWithIt(t *testing.T) {
	b := newBooks(t)
	b.write(t, other+"/list.csv", "a@example.org\n")
	synctest.Test(t, func(t *testing.T) {
		b.lists.hold = make(chan struct{})
		book := b.open(t)
		for range 3 {
			if _, err := book.Create(t.Context(), good); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		its := good
		its.Account = other
		kept, err := book.Create(t.Context(), its)
		if err != nil {
			t.Fatal(err)
		}
		run(t, book, func() {
			synctest.Wait()
			if err := book.RemoveAll(t.Context(), shop); err != nil {
				t.Fatal(err)
			}
			close(b.lists.hold)
			synctest.Wait()
		})
		if len(b.lists.got) != 1 || len(book.List(shop)) != 0 || len(b.open(t).List(shop)) != 0 {
			t.Errorf("read %v, listed %v", b.lists.got, book.List(shop))
		}
		if got, err := book.Get(other, kept.ID); err != nil || got.State != imports.Completed {
			t.Errorf("another's job: %+v, %v", got, err)
		}
	})
}
