package handlebars

import (
	"fmt"
	"strings"
)

// SyntaxError is what is wrong with a template.
type SyntaxError struct {
	Line int
	Text string
	// Unsupported: Handlebars has it, and this package has not.
	Unsupported bool
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// kind is what a token is.
type kind int

const (
	kindText    kind = iota + 1
	kindValue        // {{x}}, {{{x}}}, {{&x}}
	kindOpen         // {{#x}}
	kindDefine       // {{#*x}}
	kindElse         // {{else}}, {{^}}
	kindClose        // {{/x}}
	kindPartial      // {{>x}}
	kindComment      // {{!x}}
)

// token is a piece of a template: text, or what stands between braces.
type token struct {
	kind kind
	text string // of a tag what is behind its sign
	line int
	// bareLeft and bareRight: a ~ takes all white space on that side.
	bareLeft, bareRight bool
	// indent stands before a partial that has a line for itself.
	indent string
}

// lexer parts a template into tokens.
type lexer struct {
	rest string
	line int
	tags int
	out  []token
	text strings.Builder // not yet a token
}

// lex gives the tokens of a template, with the white space taken away that belongs
// to lines on which only a tag stands.
func lex(text string) ([]token, error) {
	l := &lexer{rest: text, line: 1}
	for l.rest != "" {
		at := strings.Index(l.rest, "{{")
		if at < 0 {
			l.take(len(l.rest))
			break
		}
		if at > 0 && l.rest[at-1] == '\\' {
			if at < 2 || l.rest[at-2] != '\\' {
				// The backslash makes the braces a text.
				l.take(at - 1)
				l.rest = l.rest[1:]
				l.take(2)
				continue
			}
			l.take(at - 1) // a backslash that was escaped itself
			l.rest = l.rest[1:]
			at = 0
		}
		l.take(at)
		if err := l.tag(); err != nil {
			return nil, err
		}
	}
	l.flush()
	trim(l.out)
	return l.out, nil
}

// take makes the next n octets text.
func (l *lexer) take(n int) {
	l.text.WriteString(l.rest[:n])
	l.rest = l.rest[n:]
}

func (l *lexer) flush() {
	if l.text.Len() > 0 {
		text := l.text.String()
		l.out = append(l.out, token{kind: kindText, text: text, line: l.line})
		l.line += strings.Count(text, "\n")
		l.text.Reset()
	}
}

// maxTags bounds the tags of a template, each of which takes much more memory than
// it has octets.
const maxTags = 20_000

func (l *lexer) wrong(text string) error { return &SyntaxError{Line: l.line, Text: text} }

// tag reads a tag: two braces, or three, are next.
func (l *lexer) tag() error {
	l.flush()
	if l.tags++; l.tags > maxTags {
		return l.wrong("too many tags")
	}
	if strings.HasPrefix(l.rest, "{{{{") {
		return &SyntaxError{l.line, "four braces are not supported", true}
	}
	body := l.rest[2:]
	last := ""
	if inner := strings.TrimPrefix(body, "~"); strings.HasPrefix(inner, "!--") {
		last = "--"
	} else if strings.HasPrefix(inner, "{") {
		last = "}"
	}
	end, closes := closing(body, last)
	if end < 0 {
		return l.wrong("a tag is not closed")
	}
	whole := l.rest[:2+end+len(closes)]
	t := token{line: l.line, text: l.rest[2 : 2+end]}
	l.rest = l.rest[len(whole):]
	l.line += strings.Count(whole, "\n")
	t.bareRight = strings.Contains(closes, "~")
	t.text, t.bareLeft = strings.CutPrefix(t.text, "~")
	if last == "" {
		if text, ok := strings.CutSuffix(t.text, "~"); ok {
			t.text, t.bareRight = text, true
		}
	}
	sign(&t)
	l.out = append(l.out, t)
	return nil
}

// closing finds the end of a tag, which is last and two braces, perhaps with a ~
// between them.
func closing(body, last string) (end int, closes string) {
	if last == "" {
		return strings.Index(body, "}}"), "}}"
	}
	for at := 0; ; at++ {
		i := strings.Index(body[at:], last)
		if i < 0 {
			return -1, ""
		}
		at += i
		for _, closes := range []string{last + "}}", last + "~}}"} {
			if strings.HasPrefix(body[at:], closes) {
				return at, closes
			}
		}
	}
}

// sign reads the sign of a tag. What white space is in it counts as one blank.
func sign(t *token) {
	t.text = strings.Join(strings.Fields(t.text), " ")
	for _, s := range []struct {
		sign string
		kind kind
	}{
		{"!", kindComment}, {"#*", kindDefine}, {"#", kindOpen}, {"/", kindClose}, {">", kindPartial},
		{"&", kindValue}, {"{", kindValue},
	} {
		if rest, ok := strings.CutPrefix(t.text, s.sign); ok {
			t.kind, t.text = s.kind, strings.TrimSpace(rest)
			return
		}
	}
	first, rest, _ := strings.Cut(t.text, " ")
	switch {
	case t.text == "^":
		t.kind, t.text = kindElse, ""
	case strings.HasPrefix(t.text, "^"):
		t.kind = kindOpen // of a block that nobody knows
	case first == "else":
		t.kind, t.text = kindElse, rest
	default:
		t.kind = kindValue
	}
}

// trim takes away white space beside tags: all of it beside a ~, and the line of a
// tag that stands on one alone and makes no text.
func trim(list []token) {
	type cut struct{ left, right bool } // of a text: its first line, its last
	cuts, all := make([]cut, len(list)), make([]cut, len(list))
	for i := range list {
		t := &list[i]
		if t.kind == kindText {
			continue
		}
		if t.bareLeft && i > 0 {
			all[i-1].right = true
		}
		if t.bareRight && i+1 < len(list) {
			all[i+1].left = true
		}
		if t.kind == kindValue || !endsLine(list, i) || !beginsLine(list, i) {
			continue
		}
		if i > 0 {
			cuts[i-1].right = true
			if t.kind == kindPartial {
				text := list[i-1].text
				t.indent = text[len(strings.TrimRight(text, blanks)):]
			}
		}
		if i+1 < len(list) {
			cuts[i+1].left = true
		}
	}
	for i := range list {
		text := list[i].text
		if list[i].kind != kindText {
			continue
		}
		switch {
		case all[i].left:
			text = strings.TrimLeft(text, spaces)
		case cuts[i].left:
			text = strings.TrimLeft(text, blanks)
			text = strings.TrimPrefix(strings.TrimPrefix(text, "\r"), "\n")
		}
		switch {
		case all[i].right:
			text = strings.TrimRight(text, spaces)
		case cuts[i].right:
			text = strings.TrimRight(text, blanks)
		}
		list[i].text = text
	}
}

const (
	blanks = " \t"
	spaces = " \t\r\n"
)

// beginsLine reports whether nothing but blanks stands before a tag on its line.
func beginsLine(list []token, i int) bool {
	if i == 0 {
		return true
	}
	before := list[i-1]
	if before.kind != kindText {
		return false
	}
	rest := strings.TrimRight(before.text, blanks)
	return strings.HasSuffix(rest, "\n") || rest == "" && i == 1
}

// endsLine reports whether nothing but blanks stands behind a tag on its line.
func endsLine(list []token, i int) bool {
	if i+1 == len(list) {
		return true
	}
	behind := list[i+1]
	if behind.kind != kindText {
		return false
	}
	rest := strings.TrimLeft(behind.text, blanks)
	return strings.HasPrefix(rest, "\n") || strings.HasPrefix(rest, "\r\n") || rest == "" && i+2 == len(list)
}
