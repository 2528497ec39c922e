package config_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/config"
)

const (
	docsFile   = "../docs/configuration.md"
	docsMarker = "<!-- The tables below are made from config/config.go: go test ./config -update -->\n"
)

func TestDocumentationListsEveryKey(t *testing.T) {
	text, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	intro, got, found := strings.Cut(string(text), docsMarker)
	if !found {
		t.Fatal("docs/configuration.md has lost the line that parts what is written from what is made")
	}
	want := document(t)
	if *update {
		if err := os.WriteFile(docsFile, []byte(intro+docsMarker+want), 0o644); err != nil {
			t.Fatal(err)
		}
		got = want
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/configuration.md is not what config.go says; run go test ./config -update\n%s", diff)
	}
	for _, key := range config.Keys() {
		if name := key[strings.LastIndexByte(key, '.')+1:]; !strings.Contains(got, "`"+name+"`") && !strings.Contains(got, name+"]") {
			t.Errorf("key %s is not documented", key)
		}
	}
}

// document makes the tables: keys and defaults from the structs, meanings from
// the comments of their fields.
func document(t *testing.T) string {
	t.Helper()
	types, comments := readComments(t)
	plain, strict := reflect.ValueOf(*config.Default("")), reflect.ValueOf(*config.Strict(""))
	var b strings.Builder
	rows := func(v, s reflect.Value) {
		b.WriteString("\n| key | default | meaning |\n| --- | --- | --- |\n")
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[netip.Addr]() || f.Name == "Sources" {
				continue
			}
			value := show(v.Field(i))
			if other := show(s.Field(i)); other != value && f.Name != "Profile" {
				value += "; profile ses: " + other
			}
			switch v.Type().Name() + "." + f.Name {
			case "Config.Hostname", "Source.Name", "Source.Address":
				value = "must be given"
			}
			doc := comments[v.Type().Name()+"."+f.Name]
			if doc == "" {
				t.Errorf("field %s.%s has no comment", v.Type().Name(), f.Name)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Tag.Get("toml"), value, doc)
		}
	}
	b.WriteString("\n## Before the first table\n")
	rows(plain, strict)
	for i := range plain.NumField() {
		f := plain.Type().Field(i)
		switch {
		case f.Name == "Sources":
			source := reflect.ValueOf(config.Source{Pool: "default"})
			fmt.Fprintf(&b, "\n## [[%s]]\n\n%s It may stand more than once.\n", f.Tag.Get("toml"), types["Source"])
			rows(source, source)
		case f.Type.Kind() == reflect.Struct:
			fmt.Fprintf(&b, "\n## [%s]\n\n%s\n", f.Tag.Get("toml"), types[f.Type.Name()])
			rows(plain.Field(i), strict.Field(i))
		}
	}
	return b.String()
}

// readComments gives the comments of the types of config.go, as sentences that
// begin with a capital after the type's name, and of their fields.
func readComments(t *testing.T) (types, fields map[string]string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	types, fields = make(map[string]string), make(map[string]string)
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			ts := spec.(*ast.TypeSpec)
			st, ok := ts.Type.(*ast.StructType)
			if !ok {
				continue
			}
			doc := line(g.Doc)
			doc = strings.TrimPrefix(strings.TrimPrefix(doc, ts.Name.Name+" "), "is ")
			types[ts.Name.Name] = strings.ToUpper(doc[:1]) + doc[1:]
			for _, f := range st.Fields.List {
				fields[ts.Name.Name+"."+f.Names[0].Name] = line(f.Doc)
			}
		}
	}
	return types, fields
}

func line(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// show writes a default as it would stand in the file.
func show(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return fmt.Sprintf("`%q`", x)
	case time.Duration:
		return "`\"" + short(x) + "\"`"
	case slog.Level:
		return "`\"" + strings.ToLower(x.String()) + "\"`"
	case []string:
		return "`[" + quoted(x) + "]`"
	case []netip.Prefix:
		return "`[]`"
	case []time.Duration:
		var list []string
		for _, d := range x {
			list = append(list, short(d))
		}
		return "`[" + quoted(list) + "]`"
	}
	return fmt.Sprintf("`%v`", v.Interface())
}

func quoted(list []string) string {
	for i := range list {
		list[i] = fmt.Sprintf("%q", list[i])
	}
	return strings.Join(list, ", ")
}

// short writes 5m0s as 5m.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}
