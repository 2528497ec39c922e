package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// proof is a test, or a dialogue, as docs/ses-checklist.md names it.
var proof = regexp.MustCompile("`([a-z0-9/_-]+(?:_test\\.go:Test[A-Za-z0-9]+|\\.txtar))`")

// Each row of the checklist names tests, and all of them exist. Needs nothing
// installed.
func TestTheChecklistNamesTestsThatAreThere(t *testing.T) {
	const root = "../.."
	b, err := os.ReadFile(filepath.Join(root, "docs", "ses-checklist.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || strings.Contains(line, "---") || strings.HasPrefix(line, "| Item") {
			continue
		}
		item := strings.TrimPrefix(cells[0], "| ")
		rows[item] = true
		named := proof.FindAllStringSubmatch(cells[2], -1)
		if n := strings.Count(cells[2], "`") / 2; len(named) == 0 || n != len(named) {
			t.Errorf("item %s: %d of %d names are those of tests", item, len(named), n)
		}
		for _, m := range named {
			file, test, _ := strings.Cut(m[1], ":")
			text, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				t.Errorf("item %s: %v", item, err)
			} else if test != "" && !strings.Contains(string(text), "\nfunc "+test+"(t *testing.T) {") {
				t.Errorf("item %s: no %s in %s", item, test, file)
			}
		}
	}
	for _, item := range strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 22") {
		if !rows[item] {
			t.Errorf("item %s has no row", item)
		}
	}
}
