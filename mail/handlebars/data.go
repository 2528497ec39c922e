package handlebars

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Data is what a template is filled with: an object of JSON, its members in their
// order. The zero value is empty.
type Data struct {
	top    *object
	behind *object // nil: nothing
}

// object keeps the order of its members, which each follows.
type object struct {
	keys   []string
	values map[string]any // nil, bool, json.Number, string, []any or *object
}

func (o *object) set(key string, value any) {
	if o.values == nil {
		o.values = map[string]any{}
	}
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

// maxDataDepth bounds objects and lists in each other.
const maxDataDepth = 100

// ErrData is what ReadData answers to a text that is no object of JSON.
var ErrData = errors.New("rendering data is not a JSON object")

// ReadData reads an object of JSON. A text that is empty is an empty object.
func ReadData(text string) (Data, error) {
	if strings.TrimSpace(text) == "" {
		return Data{}, nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := read(d, 0)
	if err != nil {
		return Data{}, ErrData
	}
	top, ok := v.(*object)
	if !ok {
		return Data{}, ErrData
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Data{}, ErrData
	}
	return Data{top: top}, nil
}

func read(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil || depth > maxDataDepth {
		return nil, errors.Join(err, ErrData)
	}
	switch t {
	case json.Delim('{'):
		o := &object{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := read(d, depth+1)
			if err != nil {
				return nil, err
			}
			key, _ := name.(string) // what else, inside an object
			o.set(key, v)
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := read(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return t, err
}

// Texts makes data of names and texts in turn.
func Texts(pairs ...string) Data {
	o := &object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.set(pairs[i], pairs[i+1])
	}
	return Data{top: o}
}

// Empty reports whether there is nothing in it.
func (d Data) Empty() bool { return d.top == nil || len(d.top.keys) == 0 }

// Over gives the data with the members of defaults that it has not itself.
func (d Data) Over(defaults Data) Data {
	if d.Empty() {
		return Data{defaults.top, d.behind}
	}
	if defaults.Empty() {
		return d
	}
	out := &object{}
	for _, o := range []*object{defaults.top, d.top} {
		for _, key := range o.keys {
			out.set(key, o.values[key])
		}
	}
	return Data{out, d.behind}
}

// Before gives the data with members that are found by their names where nothing
// else is, and are no part of it.
func (d Data) Before(more Data) Data { return Data{d.top, more.top} }

// member gives what stands under a key of a value.
func member(v any, key string) (any, bool) {
	switch v := v.(type) {
	case *object:
		got, ok := v.values[key]
		return got, ok
	case []any:
		if key == "length" {
			return json.Number(itoa(len(v))), true
		}
		if n, ok := number(key); ok && n < len(v) {
			return v[n], true
		}
	}
	return nil, false
}

// holds reports whether a value counts as true.
func holds(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0 // too large a number is none that is zero
	case []any:
		return len(v) > 0
	}
	return true
}

// appendJSON writes a value as JSON.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		return append(b, v...)
	case string:
		return append(b, quote(v)...)
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item)
		}
		return append(b, ']')
	case *object:
		b = append(b, '{')
		for i, key := range v.keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(append(append(b, quote(key)...), ':'), v.values[key])
		}
		return append(b, '}')
	}
	return b
}

// quote gives a text as JSON, with no more escapes than it needs.
func quote(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // texts always can be written
	return strings.TrimSuffix(b.String(), "\n")
}
