package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// table puts the values of one table of the file into a struct.
func (l *loader) table(name string, tree map[string]any, into any) {
	v := reflect.ValueOf(into).Elem()
	fields := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		fields[v.Type().Field(i).Tag.Get("toml")] = v.Field(i)
	}
	for key, value := range tree {
		full := join(name, key)
		f, ok := fields[key]
		if !ok {
			l.fail(full, "unknown key%s", hint(name, key))
			continue
		}
		l.given[full] = true
		if f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[netip.Addr]() {
			if sub, ok := value.(map[string]any); ok {
				l.table(full, sub, f.Addr().Interface())
			} else {
				l.fail(full, "must be a table: [%s]", full)
			}
			continue
		}
		if _, ok := f.Interface().([]Source); !ok {
			l.set(full, value, f)
		}
	}
}

// sources reads the [[source]] tables, once the rest is known.
func (l *loader) sources(value any) {
	if value == nil {
		return
	}
	list, ok := value.([]any)
	for i := range list {
		_, table := list[i].(map[string]any)
		ok = ok && table
	}
	if !ok {
		l.fail("source", "must be a list of tables: [[source]]")
		return
	}
	for i, one := range list {
		s := newSource(l.c)
		l.table(fmt.Sprintf("source[%d]", i), one.(map[string]any), &s)
		l.c.Sources = append(l.c.Sources, s)
	}
}

// set puts one value into a field; a value of the wrong type is noted.
func (l *loader) set(key string, value any, f reflect.Value) {
	want := ""
	switch p := f.Addr().Interface().(type) {
	case *string:
		want = assign(p, value, "a text")
	case *bool:
		want = assign(p, value, "true or false")
	case *int:
		var n int64
		if want = assign(&n, value, "a whole number"); want == "" {
			*p = int(n)
		}
	case *int64:
		want = assign(p, value, "a whole number")
	case *time.Duration:
		want = parsed(p, value, time.ParseDuration, `a time such as "90s", "5m" or "96h"`)
	case *slog.Level:
		want = parsed(p, value, level, `"debug", "info", "warn" or "error"`)
	case *netip.Addr:
		want = parsed(p, value, netip.ParseAddr, `an address such as "192.0.2.10" or "2001:db8::10"`)
	case *netip.Prefix:
		want = parsed(p, value, prefix, `a network such as "10.0.0.0/8" or "2001:db8::/32", without bits beyond the prefix`)
	default:
		list, ok := value.([]any)
		if !ok {
			want = "a list"
			break
		}
		f.Set(reflect.MakeSlice(f.Type(), len(list), len(list)))
		for i := range list {
			l.set(fmt.Sprintf("%s[%d]", key, i), list[i], f.Index(i))
		}
	}
	if want != "" {
		l.fail(key, "must be %s", want)
		l.given[key] = false
	}
}

// assign takes a value of the field's own type. It gives what was wanted if it
// is another.
func assign[T any](p *T, value any, want string) string {
	v, ok := value.(T)
	if !ok {
		return want
	}
	*p = v
	return ""
}

// parsed takes a value that is written as a text.
func parsed[T any](p *T, value any, parse func(string) (T, error), want string) string {
	text, ok := value.(string)
	if !ok {
		return want
	}
	v, err := parse(text)
	if err != nil {
		return want
	}
	*p = v
	return ""
}

var errValue = errors.New("not a value of this type")

func level(text string) (slog.Level, error) {
	switch text {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, errValue
}

// prefix reads a network; an address alone is the network that has only it.
func prefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p != p.Masked() {
		err = errValue
	}
	return p, err
}

// hint says which key may have been meant by one that does not exist: the same
// one in another table, or the nearest in this.
func hint(table, key string) string {
	name, _, _ := strings.Cut(table, "[")
	best, distance := "", 3
	for _, k := range Keys() {
		t, last := "", k
		if i := strings.LastIndexByte(k, '.'); i >= 0 {
			t, last = k[:i], k[i+1:]
		}
		if last == key {
			switch t {
			case "":
				return "; it stands before the first table"
			case "source":
				return "; it belongs to [[source]]"
			}
			return fmt.Sprintf("; it belongs to [%s]", t)
		}
		if d := edits(last, key); t == name && d < distance {
			best, distance = last, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// edits counts the letters to change, add or take away between two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Keys gives all keys and tables of the file in the order of the documentation,
// as "delivery.retry"; a key of [[source]] is "source.name".
func Keys() []string { return keys("", reflect.TypeFor[Config]()) }

func keys(table string, t reflect.Type) []string {
	var list []string
	for i := range t.NumField() {
		f := t.Field(i)
		name := join(table, f.Tag.Get("toml"))
		list = append(list, name)
		ft := f.Type
		if ft == reflect.TypeFor[[]Source]() {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Struct && ft != reflect.TypeFor[netip.Addr]() {
			list = append(list, keys(name, ft)...)
		}
	}
	return slices.Clip(list)
}
