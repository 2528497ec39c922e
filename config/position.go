package config

import (
	"fmt"

	"github.com/pelletier/go-toml/v2/unstable"
)

// position is a place in the file, from 1.
type position struct{ line, column int }

// locate finds where each key and each element of a list stands. The text has
// been read without error before.
func locate(text []byte) map[string]position {
	l := locator{at: make(map[string]position), count: make(map[string]int)}
	l.p.Reset(text)
	table := ""
	for l.p.NextExpression() {
		switch n := l.p.Expression(); n.Kind {
		case unstable.Table:
			table = l.key("", n)
		case unstable.ArrayTable:
			name := l.key("", n)
			table = fmt.Sprintf("%s[%d]", name, l.count[name])
			l.count[name]++
			l.at[table] = l.at[name]
		case unstable.KeyValue:
			l.keyValue(table, n)
		default: // comments
		}
	}
	return l.at
}

type locator struct {
	p     unstable.Parser
	at    map[string]position
	count map[string]int // tables seen of each [[array]]
}

// key notes every part of a dotted key and gives the whole.
func (l *locator) key(table string, n *unstable.Node) string {
	name := table
	for it := n.Key(); it.Next(); {
		name = join(name, string(it.Node().Data))
		s := l.p.Shape(it.Node().Raw).Start
		l.at[name] = position{s.Line, s.Column}
	}
	return name
}

func (l *locator) keyValue(table string, n *unstable.Node) {
	l.value(l.key(table, n), n.Value())
}

// value notes what lies inside a list or an inline table.
func (l *locator) value(name string, n *unstable.Node) {
	switch n.Kind {
	case unstable.Array:
		i := 0
		for it := n.Children(); it.Next(); i++ {
			element := fmt.Sprintf("%s[%d]", name, i)
			l.at[element] = l.at[name]
			if c := it.Node(); c.Raw.Length > 0 {
				s := l.p.Shape(c.Raw).Start
				l.at[element] = position{s.Line, s.Column}
			}
			l.value(element, it.Node())
		}
	case unstable.InlineTable:
		for it := n.Children(); it.Next(); {
			l.keyValue(name, it.Node())
		}
	default: // a plain value
	}
}

func join(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}
