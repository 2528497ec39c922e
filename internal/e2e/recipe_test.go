package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fence is the first line of a block that is a file: its indentation, language,
// file and, where a file has more than one block, name.
var fence = regexp.MustCompile("^( *)```([a-z0-9]*) file=(\\S+)(?: name=(\\S+))?$")

// recipe gives the block of a page of docs/howto that is marked with a file's
// name, so that what the reader copies is what the tests run.
func recipe(t testing.TB, page, file, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "howto", page))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	for i, line := range lines {
		m := fence.FindStringSubmatch(line)
		if m == nil || m[3] != file || m[4] != name {
			continue
		}
		var text strings.Builder
		for _, line := range lines[i+1:] {
			line = strings.TrimPrefix(line, m[1])
			if line == "```" {
				return text.String()
			}
			text.WriteString(line + "\n")
		}
	}
	t.Fatalf("docs/howto/%s has no block file=%s name=%s", page, file, name)
	return ""
}

// Every marked block can be found and none is empty; needs nothing installed.
func TestRecipesAreThere(t *testing.T) {
	pages, err := filepath.Glob("../../docs/howto/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(b), "\n") {
			if m := fence.FindStringSubmatch(line); m != nil {
				found++
				if recipe(t, filepath.Base(page), m[3], m[4]) == "" {
					t.Errorf("%s: %s is empty", page, m[3])
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d recipes, want all of them", found)
	}
}
