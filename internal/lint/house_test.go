package lint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"testing"
)

// module is the path that imports of our own packages begin with.
const module = "github.com/sesame-mta/sesame/"

// house is the source tree, parsed.
type house struct {
	fset  *token.FileSet
	files []*file
	texts map[string]string // all text files, by path
}

// file is one Go file.
type file struct {
	path    string // "delivery/route/order.go"
	dir     string // "delivery/route"
	test    bool   // _test.go
	ast     *ast.File
	imports []string
}

// room gives the top-level folder of a package's path.
func room(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// maxText is the largest file that is looked into.
const maxText = 1 << 20

// read parses a tree.
func read(t *testing.T, tree fs.FS) *house {
	t.Helper()
	h := &house{fset: token.NewFileSet(), texts: make(map[string]string)}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", ".cache", "bin", "dist", "node_modules":
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxText || name == ".git" {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), "\x00") {
			h.texts[name] = string(text)
		}
		if path.Ext(name) == ".go" && !strings.Contains(name, "testdata/") {
			return h.add(name, text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) add(name string, text []byte) error {
	parsed, err := parser.ParseFile(h.fset, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	f := &file{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), ast: parsed}
	for _, i := range parsed.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return err
		}
		f.imports = append(f.imports, p)
	}
	h.files = append(h.files, f)
	return nil
}

// product gives the files that are not tests.
func (h *house) product() []*file {
	var list []*file
	for _, f := range h.files {
		if !f.test {
			list = append(list, f)
		}
	}
	return list
}

// at gives "file:line" of a place.
func (h *house) at(p token.Pos) string {
	pos := h.fset.Position(p)
	return pos.Filename + ":" + strconv.Itoa(pos.Line)
}
