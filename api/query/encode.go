package query

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/sesame-mta/sesame/api"
)

// writer writes XML into memory.
type writer struct{ buf bytes.Buffer }

func (w *writer) open(name string)  { w.buf.WriteString("<" + name + ">") }
func (w *writer) close(name string) { w.buf.WriteString("</" + name + ">") }

func (w *writer) element(name, text string) {
	w.open(name)
	_ = xml.EscapeText(&w.buf, []byte(text)) // to memory
	w.close(name)
}

// response makes the answer of an operation (spec section 10.2).
func response(space, name, id string, result any) []byte {
	w := &writer{}
	w.buf.WriteString("<" + name + `Response xmlns="` + space + `">`)
	w.open(name + "Result")
	w.fields(reflect.ValueOf(result).Elem())
	w.close(name + "Result")
	w.open("ResponseMetadata")
	w.element("RequestId", id)
	w.close("ResponseMetadata")
	w.close(name + "Response")
	return w.buf.Bytes()
}

// fault makes the answer of a call that failed.
func fault(space, id string, shape api.Shape, e *api.Error) []byte {
	w := &writer{}
	w.buf.WriteString(`<ErrorResponse xmlns="` + space + `">`)
	w.open("Error")
	side := "Sender"
	if shape.Status >= http.StatusInternalServerError {
		side = "Receiver"
	}
	w.element("Type", side)
	w.element("Code", shape.Code)
	w.element("Message", e.Message)
	for _, name := range slices.Sorted(maps.Keys(e.Data)) {
		w.element(name, e.Data[name])
	}
	w.close("Error")
	w.element("RequestId", id)
	w.close("ErrorResponse")
	return w.buf.Bytes()
}

// fields writes the fields of a struct in their order. Nil pointers, empty texts
// and times that are none are left out.
func (w *writer) fields(v reflect.Value) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			w.value(f.Name, v.Field(i))
		}
	}
}

func (w *writer) value(name string, v reflect.Value) {
	if t, ok := v.Interface().(api.Time); ok {
		if !t.IsZero() {
			w.element(name, t.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano))
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			if v = v.Elem(); v.Kind() == reflect.String && v.Len() == 0 {
				w.element(name, "")
				return
			}
			w.value(name, v)
		}
	case reflect.String:
		if v.Len() > 0 {
			w.element(name, v.String())
		}
	case reflect.Bool:
		w.element(name, strconv.FormatBool(v.Bool()))
	case reflect.Int, reflect.Int32, reflect.Int64:
		w.element(name, strconv.FormatInt(v.Int(), 10))
	case reflect.Float64:
		w.element(name, strconv.FormatFloat(v.Float(), 'f', -1, 64))
	case reflect.Slice:
		w.slice(name, v)
	case reflect.Map:
		w.open(name)
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return bytes.Compare([]byte(a.String()), []byte(b.String())) })
		for _, key := range keys {
			w.open("entry")
			w.element("key", key.String())
			if value := v.MapIndex(key); value.Kind() == reflect.String {
				w.element("value", value.String()) // an empty one too: boto3 wants both
			} else {
				w.value("value", value)
			}
			w.close("entry")
		}
		w.close(name)
	case reflect.Struct:
		w.open(name)
		w.fields(v)
		w.close(name)
	default:
		panic("query: result with a field of type " + v.Type().String())
	}
}

func (w *writer) slice(name string, v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		w.element(name, base64.StdEncoding.EncodeToString(v.Bytes()))
		return
	}
	w.open(name)
	for i := range v.Len() {
		if item := v.Index(i); item.Kind() == reflect.String {
			w.element("member", item.String())
		} else {
			w.value("member", item)
		}
	}
	w.close(name)
}
