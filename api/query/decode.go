package query

import (
	"encoding"
	"encoding/base64"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/sesame-mta/sesame/api"
)

// maxItems bounds a list.
const maxItems = 1000

// decode fills a request from the form. A field takes the parameter of its name; a
// list those of "member.1" and on, in the order of their numbers; a map those of
// "entry.1.key" and "entry.1.value".
func (f *form) decode(in any, c *api.Call) error {
	if err := f.fill(reflect.ValueOf(in).Elem(), ""); err != nil {
		return err
	}
	if err := api.Bind(in, c.Body, api.EscapeForm); err != nil {
		return errForm
	}
	return api.Missing(in)
}

func bad(path, what string) error {
	return api.Unreadable("Value at '" + path + "' is not " + what + ".")
}

func (f *form) fill(v reflect.Value, path string) error {
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok && v.Type() != reflect.TypeFor[api.Time]() {
		if err := t.UnmarshalText([]byte(f.value)); err != nil {
			return bad(path, "of its type")
		}
		return nil
	}
	var err error
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if err := f.fill(p.Elem(), path); err != nil {
			return err
		}
		v.Set(p)
	case reflect.String:
		v.SetString(f.value)
	case reflect.Bool:
		var b bool
		if b, err = strconv.ParseBool(f.value); err != nil {
			return bad(path, "a boolean")
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		var n int64
		if n, err = strconv.ParseInt(f.value, 10, v.Type().Bits()); err != nil {
			return bad(path, "an integer")
		}
		v.SetInt(n)
	case reflect.Float64:
		var n float64
		if n, err = strconv.ParseFloat(f.value, 64); err != nil {
			return bad(path, "a number")
		}
		v.SetFloat(n)
	case reflect.Slice:
		return f.list(v, path)
	case reflect.Map:
		return f.entries(v, path)
	case reflect.Struct:
		return f.fields(v, path)
	default:
		panic("query: request with a field of type " + v.Type().String())
	}
	return nil
}

func (f *form) fields(v reflect.Value, path string) error {
	if v.Type() == reflect.TypeFor[api.Time]() {
		t, err := time.Parse(time.RFC3339, f.value)
		if err != nil {
			return bad(path, "a timestamp")
		}
		v.Set(reflect.ValueOf(api.At(t)))
		return nil
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if sub := f.sub[field.Name]; sub != nil && field.IsExported() {
			if err := sub.fill(v.Field(i), path+field.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// numbered gives what stands under the numbers of a list, in their order.
func (f *form) numbered(name, path string) ([]*form, error) {
	list := f.sub[name]
	if list == nil {
		return nil, nil
	}
	byNumber := make(map[int]*form, len(list.sub))
	numbers := make([]int, 0, len(list.sub))
	for text, item := range list.sub {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || len(list.sub) > maxItems {
			return nil, bad(path, "a list")
		}
		if byNumber[n] == nil {
			numbers = append(numbers, n)
		}
		byNumber[n] = item
	}
	slices.Sort(numbers)
	out := make([]*form, len(numbers))
	for i, n := range numbers {
		out[i] = byNumber[n]
	}
	return out, nil
}

func (f *form) list(v reflect.Value, path string) error {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		data, err := base64.StdEncoding.DecodeString(f.value)
		if err != nil {
			return bad(path, "base64")
		}
		v.SetBytes(data)
		return nil
	}
	items, err := f.numbered("member", path)
	if err != nil {
		return err
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if err := item.fill(list.Index(i), path); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

func (f *form) entries(v reflect.Value, path string) error {
	items, err := f.numbered("entry", path)
	if err != nil {
		return err
	}
	m := make(map[string]string, len(items))
	for _, item := range items {
		m[item.text("key")] = item.text("value")
	}
	v.Set(reflect.ValueOf(m))
	return nil
}
