package handlebars

import "strings"

// maxDepth bounds blocks in each other.
const maxDepth = 100

// Template is a template that was understood. It is safe for concurrent use.
type Template struct {
	root  *program
	plain bool
	octet int
}

// Plain reports whether the template only puts values into text.
func (t *Template) Plain() bool { return t.plain }

// Size gives about how many octets the template takes in memory.
func (t *Template) Size() int { return t.octet }

// program is a sequence of nodes, and the partials that are defined in it.
type program struct {
	nodes    []node
	partials map[string]*program
}

// node is a piece of a program: exactly one of text, value, block and partial.
type node struct {
	text    string
	value   *path
	block   *block
	partial *partial
}

// block is a part that is done often, once or not at all.
type block struct {
	do      string // "each", "if", "unless" or "with"
	on      *path
	body    *program
	inverse *program // nil: none
}

// partial is a place where one that is defined elsewhere stands.
type partial struct {
	name   string
	on     *path // nil: the current value
	indent string
	line   int
}

// nodeSize is about what a node takes in memory beside its text.
const nodeSize = 160

// Parse reads a template. The error is a *SyntaxError.
func Parse(text string) (*Template, error) {
	list, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{list: list, plain: true, defined: map[string]bool{}}
	root, end, err := p.program(0)
	if err != nil {
		return nil, err
	}
	if end != nil {
		return nil, &SyntaxError{Line: end.line, Text: "there is no block that '" + short(end.text) + "' could end"}
	}
	for _, use := range p.uses {
		if !p.defined[use.name] {
			return nil, &SyntaxError{Line: use.line, Text: "the partial '" + short(use.name) + "' is not defined"}
		}
	}
	return &Template{root: root, plain: p.plain, octet: len(text) + nodeSize*len(list)}, nil
}

type parser struct {
	list    []token
	at      int
	plain   bool
	defined map[string]bool
	uses    []*partial
}

// program reads up to an else or a close, which it gives; nil is the end of all.
func (p *parser) program(depth int) (*program, *token, error) {
	out := &program{}
	for p.at < len(p.list) {
		t := &p.list[p.at]
		p.at++
		if depth >= maxDepth {
			return nil, nil, &SyntaxError{Line: t.line, Text: "too many blocks in each other"}
		}
		n := node{}
		var err error
		switch t.kind {
		case kindText:
			if n.text = t.text; n.text == "" {
				continue
			}
		case kindComment:
			continue
		case kindElse, kindClose:
			return out, t, nil
		case kindValue:
			n.value, err = p.value(t)
		case kindPartial:
			p.plain = false
			n.partial, err = p.partial(t)
		case kindDefine:
			p.plain = false
			if err = p.define(t, out, depth); err == nil {
				continue
			}
		case kindOpen:
			p.plain = false
			do, on, _ := strings.Cut(t.text, " ")
			n.block, err = p.block(t, do, do, strings.TrimSpace(on), depth)
		}
		if err != nil {
			return nil, nil, err
		}
		out.nodes = append(out.nodes, n)
	}
	return out, nil, nil
}

func (p *parser) value(t *token) (*path, error) {
	if t.text == "" {
		return nil, &SyntaxError{Line: t.line, Text: "a tag is empty"}
	}
	if helper, _, more := strings.Cut(t.text, " "); more && !strings.Contains(helper, "[") {
		return nil, &SyntaxError{t.line, "the helper '" + short(helper) + "' is not supported", true}
	}
	return parsePath(t.text, t.line)
}

// block reads what is between an open tag and its end. What it is closed by has a
// name of its own: one that follows an else ends with the block before.
func (p *parser) block(t *token, do, closes, on string, depth int) (*block, error) {
	switch do {
	case "each", "if", "unless", "with":
	default:
		return nil, &SyntaxError{t.line, "the block '" + short(do) + "' is not supported", true}
	}
	if on == "" {
		return nil, &SyntaxError{Line: t.line, Text: "the block '" + do + "' has no name"}
	}
	at, err := parsePath(on, t.line)
	if err != nil {
		return nil, err
	}
	b := &block{do: do, on: at}
	var end *token
	if b.body, end, err = p.program(depth + 1); err != nil {
		return nil, err
	}
	if end != nil && end.kind == kindElse {
		if end.text != "" {
			chained, rest, _ := strings.Cut(end.text, " ")
			inner, err := p.block(end, chained, closes, strings.TrimSpace(rest), depth+1)
			if err != nil {
				return nil, err
			}
			b.inverse = &program{nodes: []node{{block: inner}}}
			return b, nil
		}
		if b.inverse, end, err = p.program(depth + 1); err != nil {
			return nil, err
		}
	}
	return b, ends(t, end, closes)
}

// ends checks the end of a block.
func ends(t, end *token, name string) error {
	switch {
	case end == nil:
		return &SyntaxError{Line: t.line, Text: "the block '" + short(name) + "' is not closed"}
	case end.kind != kindClose || end.text != name:
		return &SyntaxError{Line: end.line, Text: "'" + short(end.text) + "' does not close the block '" + short(name) + "'"}
	}
	return nil
}

// define reads a partial that is defined in the template.
func (p *parser) define(t *token, in *program, depth int) error {
	word, rest, _ := strings.Cut(t.text, " ")
	name, ok := quoted(strings.TrimSpace(rest))
	if word != "inline" || !ok {
		return &SyntaxError{t.line, "'" + short(t.text) + "' is not supported", true}
	}
	body, end, err := p.program(depth + 1)
	if err != nil {
		return err
	}
	if err := ends(t, end, "inline"); err != nil {
		return err
	}
	if in.partials == nil {
		in.partials = map[string]*program{}
	}
	in.partials[name] = body
	p.defined[name] = true
	return nil
}

func quoted(text string) (string, bool) {
	if len(text) < 3 || text[0] != '"' && text[0] != '\'' || text[len(text)-1] != text[0] {
		return "", false
	}
	text = text[1 : len(text)-1]
	return text, !strings.ContainsAny(text, "\"'")
}

func (p *parser) partial(t *token) (*partial, error) {
	name, on, _ := strings.Cut(t.text, " ")
	if text, ok := quoted(name); ok {
		name = text
	} else if name == "" || strings.ContainsAny(name, notInNames) {
		return nil, &SyntaxError{t.line, "the partial '" + short(t.text) + "' is not supported", true}
	}
	out := &partial{name: name, indent: t.indent, line: t.line}
	if on = strings.TrimSpace(on); on != "" {
		var err error
		if out.on, err = parsePath(on, t.line); err != nil {
			return nil, err
		}
	}
	p.uses = append(p.uses, out)
	return out, nil
}
