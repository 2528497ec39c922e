package smtpd_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestReplies holds every reply that the room can send against
// testdata/replies.golden. It finds them in the source, so that none is left out.
func TestReplies(t *testing.T) {
	lines := []string{wire(auth.ErrInvalid), wire(auth.ErrTemporary)}
	for _, dir := range []string{".", "internal/guard"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				lines = append(lines, repliesOf(t, file)...)
			}
		}
	}
	lines = append(lines, greetings(t)...)
	slices.Sort(lines)
	got := strings.Join(slices.Compact(lines), "")
	const golden = "../testdata/replies.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("replies differ from %s (-update rewrites it):\n%s", golden, diff)
	}
}

func wire(r *mail.Reply) string {
	return strings.ReplaceAll(string(r.Wire(nil)), "\r\n", "\n")
}

// repliesOf finds the calls of mail.Refuse and mail.Recorded in a file.
func repliesOf(t *testing.T, file string) (lines []string) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 4 {
			return true
		}
		made := map[string]func(int, int, int, string) *mail.Reply{"Refuse": mail.Refuse, "Recorded": mail.Recorded}
		fun, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || made[fun.Sel.Name] == nil {
			return true
		}
		if filepath.Base(file) != "replies.go" {
			t.Errorf("%s makes a reply: it belongs into replies.go", file)
		}
		var n4 [3]int
		for i := range n4 {
			lit, ok := call.Args[i].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s: a reply whose code is not a number", file)
			}
			n4[i], _ = strconv.Atoi(lit.Value)
		}
		lines = append(lines, wire(made[fun.Sel.Name](n4[0], n4[1], n4[2], template(call.Args[3]))))
		return true
	})
	return lines
}

// template gives the text of an expression, with "{}" for what is not constant.
func template(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return template(e.X) + template(e.Y)
	}
	return "{}"
}

// greetings gives what is not a mail.Reply: the greeting, EHLO, HELO and the
// challenges.
func greetings(t *testing.T) (lines []string) {
	t.Helper()
	for _, line := range []string{"", "strict"} {
		p := newPlayer(t, settings(line))
		out, _ := p.play("EHLO x\r\nHELO x\r\n", whole)
		for l := range strings.Lines(strings.ReplaceAll(out, "\r\n", "\n")) {
			if f := strings.Fields(l); line == "strict" && f[0] == "220" {
				l = fmt.Sprintf("220 %s %s SimpleEmailService-d-{} {}\n", f[1], f[2])
			}
			lines = append(lines, l)
		}
	}
	return append(lines, "250-STARTTLS\n", "250-AUTH PLAIN LOGIN\n", "334 VXNlcm5hbWU6\n", "334 UGFzc3dvcmQ6\n")
}
