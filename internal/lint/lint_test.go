package lint_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// rules are all rules of the house; each gives what breaks it.
var rules = map[string]func(*house) []string{
	"a room imports only rooms to its left":  ladderRule,
	"libraries stay in their homes":          homesRule,
	"there are not too many rooms":           roomsRule,
	"every package has a comment":            commentRule,
	"packages have no state":                 stateRule,
	"a panic says which bug it is for":       panicRule,
	"tests do not wait for the clock":        sleepRule,
	"no text names a folder of its author's": textRule,
}

func TestHouse(t *testing.T) {
	h := read(t, os.DirFS("../.."))
	if len(h.files) < 50 {
		t.Fatalf("only %d files found", len(h.files))
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			for _, wrong := range rule(h) {
				t.Error(wrong)
			}
		})
	}
}

// TestRulesSeeWhatBreaksThem keeps the rules themselves honest.
func TestRulesSeeWhatBreaksThem(t *testing.T) {
	const head = "// Package p is p.\npackage p\n"
	tests := []struct {
		about string
		rule  func(*house) []string
		path  string
		text  string
		want  string
	}{
		{"an import to the left", ladderRule, "queue/q.go", head + `import "github.com/sesame-mta/sesame/mail"`, ""},
		{"an import to the right", ladderRule, "queue/q.go", head + `import "github.com/sesame-mta/sesame/dispatch"`,
			"queue/q.go: queue may not import dispatch, which is to its right"},
		{"a closet's import to the right", ladderRule, "mail/message/q.go", head + `import "github.com/sesame-mta/sesame/account/identity"`,
			"mail/message/q.go: mail/message may not import account/identity, which is to its right"},
		{"a test's import to the right", ladderRule, "queue/q_test.go", head + `import "github.com/sesame-mta/sesame/dispatch"`, ""},
		{"a tool that imports a room", ladderRule, "internal/q/q.go", head + `import "github.com/sesame-mta/sesame/mail"`,
			"internal/q/q.go: internal/q may not import mail, which is to its right"},
		{"an unknown room", ladderRule, "util/q.go", head, `util/q.go: room "util" is not on the ladder`},
		{"a library at home", homesRule, "store/bolt/q.go", head + `import "go.etcd.io/bbolt"`, ""},
		{"a library away from home", homesRule, "queue/q.go", head + `import "go.etcd.io/bbolt"`,
			"queue/q.go: queue is not a home of go.etcd.io/bbolt"},
		{"a part of a library away from home", homesRule, "queue/q.go", head + `import "github.com/emersion/go-msgauth/dkim"`,
			"queue/q.go: queue is not a home of github.com/emersion/go-msgauth/dkim"},
		{"a library whose name only begins alike", homesRule, "queue/q.go", head + `import "go.etcd.io/bboltx"`, ""},
		{"the configuration in a room", homesRule, "smtpd/q.go", head + `import "github.com/sesame-mta/sesame/config"`,
			"smtpd/q.go: smtpd is not a home of github.com/sesame-mta/sesame/config"},
		{"the engine in a room", homesRule, "dispatch/q.go", head + `import "github.com/sesame-mta/sesame/store/bolt"`,
			"dispatch/q.go: dispatch is not a home of github.com/sesame-mta/sesame/store/bolt"},
		{"a double in the program", homesRule, "delivery/q.go", head + `import "github.com/sesame-mta/sesame/internal/testdns"`,
			"delivery/q.go: delivery is not a home of github.com/sesame-mta/sesame/internal/testdns"},
		{"a test's library", homesRule, "queue/q_test.go", head + `import "go.etcd.io/bbolt"`, ""},
		{"a package without comment", commentRule, "queue/q.go", "package queue", "queue: no package comment"},
		{"a comment that names another", commentRule, "queue/q.go", "// Package p is p.\npackage queue", "queue: no package comment"},
		{"a command's comment", commentRule, "cmd/sesame/main.go", "// Sesame sends mail.\npackage main", ""},
		{"an init function", stateRule, "queue/q.go", head + "func init() {}", "queue/q.go:3: init function"},
		{"a variable without value", stateRule, "queue/q.go", head + "var x int",
			"queue/q.go:3: variable x has no value, so it must be there to be changed"},
		{"an error and a table", stateRule, "queue/q.go", head + "var errX, table = f(), map[string]int{\"a\": 1}", ""},
		{"an embedded file", stateRule, "queue/q.go", head + "//go:embed x\nvar x string", ""},
		{"an assertion", stateRule, "queue/q.go", head + "var _ I = T{}", ""},
		{"a variable that is changed", stateRule, "queue/q.go", head + "var x = 1\nfunc f() { x = 2 }",
			"queue/q.go:4: package variable x is changed"},
		{"a variable that is counted up", stateRule, "queue/q.go", head + "var x = 1\nfunc f() { x++ }",
			"queue/q.go:4: package variable x is changed"},
		{"a table that is changed", stateRule, "queue/q.go", head + "var x = []int{1}\nfunc f() { x[0] = 2 }",
			"queue/q.go:4: package variable x is changed"},
		{"a map that is emptied", stateRule, "queue/q.go", head + "var x = T{}\nfunc f() { delete(x.m, 1) }",
			"queue/q.go:4: package variable x is changed"},
		{"a variable whose address is taken", stateRule, "queue/q.go", head + "var x = 1\nfunc f() *int { return &x }",
			"queue/q.go:4: package variable x is given away by address"},
		{"a local of the same name", stateRule, "queue/q.go", head + "var x = 1\nfunc f() { x := 2; x = 3; _ = x }", ""},
		{"a lock", stateRule, "queue/q.go", head + "var mu = sync.Mutex{}", "queue/q.go:3: variable mu holds state"},
		{"a counter", stateRule, "queue/q.go", head + "var n = new(atomic.Int64)", "queue/q.go:3: variable n holds state"},
		{"a metric", stateRule, "queue/q.go", head + "var n = prometheus.NewCounter(o)", "queue/q.go:3: variable n holds state"},
		{"a map to fill", stateRule, "queue/q.go", head + "var n = make(map[string]int)", "queue/q.go:3: variable n holds state"},
		{"a panic", panicRule, "queue/q.go", head + "func f() { panic(err) }",
			"queue/q.go:3: panic that does not say which bug it is for"},
		{"a panic with a text", panicRule, "queue/q.go", head + "func f() { panic(\"queue: \" + s) }", ""},
		{"a panic that says why", panicRule, "queue/q.go", head + "func f() {\n\tpanic(1) // the caller broke its promise\n}", ""},
		{"a panic in a contract test", panicRule, "store/storetest/q.go", head + "func f() { panic(err) }", ""},
		{"a panic in a test", panicRule, "queue/q_test.go", head + "func f() { panic(1) }", ""},
		{"a sleep", sleepRule, "queue/q_test.go", head + "import \"time\"\nfunc f() { time." + "Sleep(1) }",
			"queue/q_test.go: sleeps without testing/synctest"},
		{"a sleep in a bubble", sleepRule, "queue/q_test.go", head + "import \"testing/synctest\"\nfunc f() { time." + "Sleep(1) }", ""},
		{"an author's folder", textRule, "README.md", "see /Use" + "rs/jo/sesame", "README.md:1: names /Use" + "rs/"},
		{"an address on the web", textRule, "README.md", "see https://example.org/wo" + "rk/sesame", ""},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			h := read(t, fstest.MapFS{tt.path: {Data: []byte(tt.text)}})
			if diff := cmp.Diff(tt.want, strings.Join(tt.rule(h), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTooManyRoomsAreSeen(t *testing.T) {
	tree := fstest.MapFS{}
	for _, name := range strings.Split("abcdefghijklmnopqrstuvwxy", "") {
		tree[name+"/x.go"] = &fstest.MapFile{Data: []byte("package " + name)}
	}
	if got := roomsRule(read(t, tree)); len(got) != 1 {
		t.Errorf("25 rooms gave %v", got)
	}
}
