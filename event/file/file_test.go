package file_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/eventtest"
	"github.com/sesame-mta/sesame/event/file"
)

func open(t testing.TB, o file.Options) *file.File {
	t.Helper()
	o.Encoder = &event.Encoder{Hostname: "mx1.example.org"}
	f, err := file.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// lines gives the sequence and the text of each line.
func lines(t *testing.T, name string) (got []eventtest.Got) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var e struct{ Sequence uint64 }
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got = append(got, eventtest.Got{Seq: e.Sequence, JSON: line})
	}
	return got
}

func TestContract(t *testing.T) {
	eventtest.Run(t, func(t *testing.T) eventtest.Bench {
		dir := t.TempDir()
		name := filepath.Join(dir, "shop", "events.jsonl")
		return eventtest.Bench{
			Open: func(t *testing.T) event.Sink { return open(t, file.Options{Dir: dir, Name: "shop/events.jsonl"}) },
			Got:  func(t *testing.T) []eventtest.Got { return lines(t, name) },
			Break: func(t *testing.T, broken bool) {
				// A folder in the place of the file cannot be written to, by root either.
				if !broken {
					if err := os.Remove(name); err != nil {
						t.Fatal(err)
					}
				} else if err := os.MkdirAll(name, 0o755); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func tell(t *testing.T, f *file.File, seq uint64) {
	t.Helper()
	if _, err := f.Tell(t.Context(), eventtest.Records(t, seq, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestALineThatACrashLeftUnfinishedGoes(t *testing.T) {
	for name, torn := range map[string]string{"a short one": `{"eventType":"Se`, "a long one": strings.Repeat("x", 200<<10), "nothing else": ""} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, file.Options{Dir: dir, Name: "a"})
			tell(t, f, 1)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			at, err := os.OpenFile(filepath.Join(dir, "a"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := at.WriteString(torn); err != nil {
				t.Fatal(err)
			}
			if err := at.Close(); err != nil {
				t.Fatal(err)
			}
			f = open(t, file.Options{Dir: dir, Name: "a"})
			defer f.Close()
			tell(t, f, 3)
			if got := lines(t, filepath.Join(dir, "a")); len(got) != 4 || got[3].Seq != 4 {
				t.Errorf("%d lines", len(got))
			}
		})
	}
}

func TestALargeFileIsPutAsideAndNoLineLost(t *testing.T) {
	dir := t.TempDir()
	f := open(t, file.Options{Dir: dir, Name: "a", MaxBytes: 1000})
	defer f.Close()
	for n := range 10 {
		tell(t, f, uint64(2*n+1))
	}
	names, err := filepath.Glob(filepath.Join(dir, "a*"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for _, name := range names {
		for _, l := range lines(t, name) {
			seen[l.Seq] = true
		}
	}
	if len(names) < 3 || len(seen) != 20 {
		t.Errorf("%d files, %d numbers", len(names), len(seen))
	}
}

func TestAnOldFileIsPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f := open(t, file.Options{Dir: dir, Name: "a", MaxAge: time.Hour})
		defer f.Close()
		tell(t, f, 1)
		time.Sleep(59 * time.Minute) // of the bubble's clock
		tell(t, f, 3)
		time.Sleep(time.Minute)
		tell(t, f, 5)
		if got := lines(t, filepath.Join(dir, "a")); len(got) != 2 || got[0].Seq != 5 {
			t.Errorf("got %v", got)
		}
	})
}

func TestNothingOutsideTheFolderIsTouched(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../a", "link/a", "/a"} {
		f := open(t, file.Options{Dir: dir, Name: name})
		if _, err := f.Tell(t.Context(), eventtest.Records(t, 1, 1)); err == nil {
			t.Errorf("%s was written", name)
		}
		_ = f.Close() // nothing was opened
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func ExampleFile_Tell() {
	dir, err := os.MkdirTemp("", "events")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	f, err := file.New(file.Options{Dir: dir, Name: "a.jsonl", Encoder: &event.Encoder{Hostname: "mx1.example.org"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	told, err := f.Tell(context.Background(), []event.Record{{Seq: 1, Event: event.Event{Type: event.Send}}})
	fmt.Println(told, err)
	// Output: [1] <nil>
}
