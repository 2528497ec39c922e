package lint_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// commentRule: every package says its job, in the form that go doc expects.
func commentRule(h *house) (wrong []string) {
	said := make(map[string]bool)
	for _, f := range h.product() {
		doc := f.ast.Doc.Text()
		if f.ast.Name.Name == "main" {
			said[f.dir] = said[f.dir] || doc != ""
		} else {
			said[f.dir] = said[f.dir] || strings.HasPrefix(doc, "Package "+f.ast.Name.Name+" ")
		}
	}
	for dir, ok := range said {
		if !ok {
			wrong = append(wrong, dir+": no package comment")
		}
	}
	slices.Sort(wrong)
	return wrong
}

// panicRule: a panic is for a bug in this program, and its text or a comment says
// which. A bare error says nothing.
func panicRule(h *house) (wrong []string) {
	for _, f := range h.product() {
		if double(f.dir) {
			continue
		}
		explained := make(map[int]bool)
		for _, g := range f.ast.Comments {
			for line := h.fset.Position(g.Pos()).Line; line <= h.fset.Position(g.End()).Line+1; line++ {
				explained[line] = true
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			id, ok := call.Fun.(*ast.Ident)
			if ok && id.Name == "panic" && !explained[h.fset.Position(call.Pos()).Line] && !quotes(call) {
				wrong = append(wrong, h.at(call.Pos())+": panic that does not say which bug it is for")
			}
			return true
		})
	}
	return wrong
}

// quotes reports whether a text stands in an expression.
func quotes(e ast.Expr) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		found = found || ok && lit.Kind == token.STRING
		return !found
	})
	return found
}

// sleepRule: a test that sleeps does so on a clock of its own.
func sleepRule(h *house) (wrong []string) {
	for _, f := range h.files {
		if f.test && strings.Contains(h.texts[f.path], "time."+"Sleep(") && !slices.Contains(f.imports, "testing/synctest") {
			wrong = append(wrong, f.path+": sleeps without testing/synctest")
		}
	}
	return wrong
}

// private are folders of the machine that somebody wrote on.
var private = regexp.MustCompile(`(^|[\s"'(=:])/(work|Users|home/[a-z]+|tmp/wt)/`)

// textRule: no text names a folder of its author's machine.
func textRule(h *house) (wrong []string) {
	for name, text := range h.texts {
		for i, line := range strings.Split(text, "\n") {
			if found := private.FindString(line); found != "" {
				wrong = append(wrong, fmt.Sprintf("%s:%d: names %s", name, i+1, strings.TrimSpace(found)))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}
