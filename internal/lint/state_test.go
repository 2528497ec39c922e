package lint_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// stateful are the packages and functions whose values change by being used, so
// that a variable of them is state although nothing is assigned.
var stateful = []string{
	"sync.", "atomic.", "rand.New", "time.New", "prometheus.New", "promauto.", "list.New", "bytes.", "slog.New",
	"http.Client", "net.Dialer", "context.With",
}

// stateRule: no variable of a package is ever changed, and nothing happens when
// a package is loaded. Errors, replies, patterns and tables stand still.
func stateRule(h *house) (wrong []string) {
	packages := make(map[string][]*file)
	for _, f := range h.product() {
		packages[f.dir] = append(packages[f.dir], f)
	}
	for _, files := range packages {
		vars := make(map[string]*ast.ValueSpec)
		for _, f := range files {
			for _, decl := range f.ast.Decls {
				switch d := decl.(type) {
				case *ast.FuncDecl:
					if d.Recv == nil && d.Name.Name == "init" {
						wrong = append(wrong, h.at(d.Pos())+": init function")
					}
				case *ast.GenDecl:
					if d.Tok == token.VAR {
						wrong = append(wrong, h.variables(d, vars)...)
					}
				}
			}
		}
		for _, f := range files {
			wrong = append(wrong, h.writes(f, vars)...)
		}
	}
	slices.Sort(wrong)
	return wrong
}

// variables notes the variables of a declaration and complains about those that
// can only be there to be changed.
func (h *house) variables(d *ast.GenDecl, vars map[string]*ast.ValueSpec) (wrong []string) {
	for _, s := range d.Specs {
		spec := s.(*ast.ValueSpec)
		embed := strings.Contains(comments(d.Doc)+comments(spec.Doc), "//go:embed")
		for i, name := range spec.Names {
			if name.Name == "_" {
				continue
			}
			vars[name.Name] = spec
			var value ast.Expr
			if i < len(spec.Values) {
				value = spec.Values[i]
			}
			switch {
			case len(spec.Values) == 0 && !embed:
				wrong = append(wrong, fmt.Sprintf("%s: variable %s has no value, so it must be there to be changed", h.at(name.Pos()), name.Name))
			case changing(spec.Type) || changing(value):
				wrong = append(wrong, fmt.Sprintf("%s: variable %s holds state", h.at(name.Pos()), name.Name))
			}
		}
	}
	return wrong
}

func comments(g *ast.CommentGroup) string {
	var b strings.Builder
	if g != nil {
		for _, c := range g.List {
			b.WriteString(c.Text)
		}
	}
	return b.String()
}

// changing reports whether a type or value is one that changes by being used. It
// looks at the outermost call or type alone, not at what a function does later.
func changing(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.CallExpr:
		if id, ok := x.Fun.(*ast.Ident); ok && (id.Name == "make" || id.Name == "new") {
			return true
		}
		return changing(x.Fun)
	case *ast.UnaryExpr:
		return x.Op == token.AND && changing(x.X)
	case *ast.StarExpr:
		return changing(x.X)
	case *ast.CompositeLit:
		return changing(x.Type)
	case *ast.IndexExpr:
		return changing(x.X)
	case *ast.ChanType:
		return true
	case *ast.SelectorExpr:
		pkg, ok := x.X.(*ast.Ident)
		return ok && slices.ContainsFunc(stateful, func(s string) bool {
			return strings.HasPrefix(pkg.Name+"."+x.Sel.Name, s)
		})
	}
	return false
}

// writes complains about every assignment to a variable of the package, to a
// part of it, and about its address being taken.
func (h *house) writes(f *file, vars map[string]*ast.ValueSpec) (wrong []string) {
	complain := func(e ast.Expr, what string) {
		id := base(e)
		if id == nil || vars[id.Name] == nil {
			return
		}
		// A name that the file resolves to something else is a local one.
		if id.Obj != nil && id.Obj.Decl != vars[id.Name] {
			return
		}
		wrong = append(wrong, fmt.Sprintf("%s: package variable %s is %s", h.at(id.Pos()), id.Name, what))
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			for _, e := range x.Lhs {
				if x.Tok != token.DEFINE {
					complain(e, "changed")
				}
			}
		case *ast.IncDecStmt:
			complain(x.X, "changed")
		case *ast.UnaryExpr:
			if x.Op == token.AND {
				complain(x.X, "given away by address")
			}
		case *ast.CallExpr:
			if id, ok := x.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear" || id.Name == "copy") && len(x.Args) > 0 {
				complain(x.Args[0], "changed")
			}
		}
		return true
	})
	return wrong
}

// base gives the variable at the root of x.f[i].g.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
