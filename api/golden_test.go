package api_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestGolden makes the call of each file in testdata/ses and testdata/sesv2 and
// compares the answer, and what came to the desk of it. The request id is put out of
// the way. -update writes what is answered.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]*txtar.File{}
			for i := range a.Files {
				parts[a.Files[i].Name] = &a.Files[i]
			}
			request, want := parts["request"], parts["answer"]
			if request == nil || want == nil {
				t.Fatal("no request, or no answer")
			}
			line, body, _ := strings.Cut(string(request.Data), "\n")
			method, target, _ := strings.Cut(line, " ")
			kind := "application/json"
			if filepath.Base(filepath.Dir(name)) == "ses" {
				// One parameter a line, for people.
				kind = "application/x-www-form-urlencoded"
				body = strings.ReplaceAll(strings.TrimSpace(body), "\n", "&")
			}
			h := newHouse(t)
			got := h.call(method, target, strings.TrimSpace(body), "Content-Type", kind)
			var b bytes.Buffer
			fmt.Fprintf(&b, "%d %s\n", got.status, got.header.Get("Content-Type"))
			if e := got.header.Get("X-Amzn-Errortype"); e != "" {
				fmt.Fprintf(&b, "x-amzn-ErrorType: %s\n", e)
			}
			fmt.Fprintf(&b, "%s\n", strings.ReplaceAll(got.body, got.header.Get("X-Amzn-Requestid"), "REQUEST-ID"))
			for i, r := range h.desk.got {
				fmt.Fprintf(&b, "\ndesk: %s from %s to %v\n%s", r.Operation, r.From, r.To, strings.ReplaceAll(h.desk.texts[i], "\r\n", "\n"))
			}
			if *update {
				want.Data = b.Bytes()
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
