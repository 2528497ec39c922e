package handlebars

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
)

// Budget bounds what renderings may do together.
type Budget struct {
	Steps  int // about: nodes done, and values looked at
	Octets int // of output
}

// What Render answers beside *MissingError and the error of a context.
var (
	ErrOutput = errors.New("the rendered text is too large")
	ErrWork   = errors.New("the template takes too long to render")
)

// MissingError is what Render answers when a value is not in the data.
type MissingError struct{ Name string }

// Error gives the sentence of SES.
func (e *MissingError) Error() string {
	return "Attribute '" + e.Name + "' is not present in the rendering data."
}

// maxFrames bounds values and partials in each other: a partial may use itself.
const maxFrames = 200

// Render fills the template. What it takes is taken from the budget.
func (t *Template) Render(ctx context.Context, d Data, b *Budget) (string, error) {
	top := d.top
	if top == nil {
		top = &object{}
	}
	r := &renderer{ctx: ctx, budget: b, behind: d.behind}
	if err := r.program(t.root, &frame{value: top}); err != nil {
		return "", err
	}
	return string(r.out), nil
}

// frame is a value that the template stands in.
type frame struct {
	value any
	outer *frame
	depth int
	// item: it is one of several, number index of count, under key.
	item         bool
	index, count int
	key          string
}

type renderer struct {
	ctx    context.Context
	budget *Budget
	behind *object
	out    []byte
	// scopes are the partials of the programs under way, innermost last.
	scopes []map[string]*program
	looked int
}

// checkEvery is how many steps go between two looks at the context.
const checkEvery = 4096

func (r *renderer) step() error {
	if r.budget.Steps--; r.budget.Steps < 0 {
		return ErrWork
	}
	if r.looked++; r.looked%checkEvery == 0 {
		return r.ctx.Err()
	}
	return nil
}

func (r *renderer) write(text string) error {
	if r.budget.Octets -= len(text); r.budget.Octets < 0 {
		return ErrOutput
	}
	r.out = append(r.out, text...)
	return nil
}

func (r *renderer) program(p *program, f *frame) error {
	if p == nil {
		return nil
	}
	if p.partials != nil {
		r.scopes = append(r.scopes, p.partials)
		defer func() { r.scopes = r.scopes[:len(r.scopes)-1] }()
	}
	for i := range p.nodes {
		if err := r.step(); err != nil {
			return err
		}
		n := &p.nodes[i]
		var err error
		switch {
		case n.value != nil:
			err = r.value(n.value, f)
		case n.block != nil:
			err = r.block(n.block, f)
		case n.partial != nil:
			err = r.partial(n.partial, f)
		default:
			err = r.write(n.text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// value writes a value. One that is null is missing, as at SES.
func (r *renderer) value(p *path, f *frame) error {
	v, err := r.find(p, f)
	if err != nil {
		return err
	}
	if v == nil {
		return &MissingError{p.text}
	}
	return r.print(v)
}

// print writes a value: a text as it is, a list or an object as JSON.
func (r *renderer) print(v any) error {
	if text, ok := v.(string); ok {
		return r.write(text)
	}
	text := appendJSON(nil, v)
	r.budget.Steps -= len(text) / 64 // which it took to make
	return r.write(string(text))
}

// enter goes into a value.
func (f *frame) enter(v any) (*frame, error) {
	if f.depth >= maxFrames {
		return nil, ErrWork
	}
	return &frame{value: v, outer: f, depth: f.depth + 1}, nil
}

func (r *renderer) block(b *block, f *frame) error {
	v, err := r.find(b.on, f)
	if err != nil {
		return err
	}
	switch b.do {
	case "each":
		return r.each(b, v, f)
	case "unless":
		if holds(v) {
			return r.program(b.inverse, f)
		}
		return r.program(b.body, f)
	}
	switch {
	case !holds(v):
		return r.program(b.inverse, f)
	case b.do == "if":
		return r.program(b.body, f)
	}
	in, err := f.enter(v)
	if err != nil {
		return err
	}
	return r.program(b.body, in)
}

func (r *renderer) each(b *block, v any, f *frame) error {
	o, _ := v.(*object)
	list, _ := v.([]any)
	count := len(list)
	if o != nil {
		count = len(o.keys)
	}
	if count == 0 {
		return r.program(b.inverse, f)
	}
	in, err := f.enter(nil)
	if err != nil {
		return err
	}
	in.item, in.count = true, count
	for i := range count {
		if err := r.step(); err != nil {
			return err
		}
		in.index = i
		if o != nil {
			in.key, in.value = o.keys[i], o.values[o.keys[i]]
		} else {
			in.key, in.value = itoa(i), list[i]
		}
		if err := r.program(b.body, in); err != nil {
			return err
		}
	}
	return nil
}

func (r *renderer) partial(p *partial, f *frame) error {
	var body *program
	for i := len(r.scopes) - 1; i >= 0 && body == nil; i-- {
		if err := r.step(); err != nil {
			return err
		}
		body = r.scopes[i][p.name]
	}
	if body == nil {
		return &MissingError{"> " + p.name}
	}
	v := f.value
	if p.on != nil {
		var err error
		if v, err = r.find(p.on, f); err != nil {
			return err
		}
	}
	in, err := f.enter(v)
	if err != nil {
		return err
	}
	if p.on == nil { // it stands where it is used, and is nothing to go out of
		in.outer, in.item, in.index, in.count, in.key = f.outer, f.item, f.index, f.count, f.key
	}
	if p.indent == "" {
		return r.program(body, in)
	}
	before := r.out
	r.out = nil
	err = r.program(body, in)
	text := r.out
	r.out = before
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) { // which count again
		if err := r.step(); err != nil {
			return err
		}
		if err := r.write(p.indent); err != nil {
			return err
		}
		if err := r.write(string(line)); err != nil {
			return err
		}
	}
	return nil
}

// find gives the value at a path, nil when there is none.
func (r *renderer) find(p *path, f *frame) (any, error) {
	if p.data != "" {
		return r.special(p, f)
	}
	for range p.up {
		if f = f.outer; f == nil {
			return nil, nil
		}
	}
	if len(p.keys) == 0 {
		return f.value, nil
	}
	v, ok := member(f.value, p.keys[0])
	for !ok && !p.here && f.outer != nil { // then around it
		if err := r.step(); err != nil {
			return nil, err
		}
		f = f.outer
		v, ok = member(f.value, p.keys[0])
	}
	if !ok && !p.here && r.behind != nil {
		v = r.behind.values[p.keys[0]]
	}
	return r.down(v, p.keys[1:])
}

func (r *renderer) down(v any, keys []string) (any, error) {
	for _, key := range keys {
		if err := r.step(); err != nil {
			return nil, err
		}
		v, _ = member(v, key)
	}
	return v, nil
}

// special gives what each and the rendering itself know.
func (r *renderer) special(p *path, f *frame) (any, error) {
	if p.data == "root" {
		for f.outer != nil {
			f = f.outer
		}
		return r.down(f.value, p.keys)
	}
	up := p.up
	for ; f != nil; f = f.outer {
		if f.item {
			if up == 0 {
				break
			}
			up--
		}
	}
	if f == nil || len(p.keys) > 0 {
		return nil, nil
	}
	switch p.data {
	case "index":
		return json.Number(itoa(f.index)), nil
	case "key":
		return f.key, nil
	case "first":
		return f.index == 0, nil
	}
	return f.index == f.count-1, nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// number reads a place in a list.
func number(key string) (int, bool) {
	n, err := strconv.Atoi(key)
	return n, err == nil && n >= 0 && key[0] != '+'
}
