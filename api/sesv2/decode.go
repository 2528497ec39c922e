package sesv2

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strconv"

	"github.com/sesame-mta/sesame/api"
)

// decode fills a request from the body, the path and the query. The memory that it
// takes is given back with done.
func decode(ctx context.Context, c *api.Call, params map[string]string, in any) (done func(), err error) {
	done = func() {}
	if c.Body.Size() > 0 { // of a GET too: older SDKs list import jobs so
		text, free, err := outline(ctx, c)
		if err != nil {
			return nil, err
		}
		done = free
		if err := read(text, c.Body, in); err != nil {
			done()
			return nil, err
		}
	}
	if err := fromURL(reflect.ValueOf(in).Elem(), params, c.Request); err != nil {
		done()
		return nil, err
	}
	if err := api.Missing(in); err != nil {
		done()
		return nil, err
	}
	return done, nil
}

// read reads JSON. Unknown names are passed over, as SES does.
func read(text []byte, body api.Body, in any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(in); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return api.Unreadable("Value at '" + wrong.Field + "' is a " + wrong.Value + ", which it must not be.")
		}
		return api.Unreadable("The request is not valid JSON.").WithCause(err)
	}
	if d.More() {
		return api.Unreadable("The request is not one JSON object.")
	}
	if err := api.Bind(in, body, api.EscapeJSON); err != nil {
		return api.Unreadable("Binary data is not base64.").WithCause(err)
	}
	return nil
}

// fromURL fills the fields that come from the path or the query.
func fromURL(v reflect.Value, params map[string]string, r *http.Request) error {
	query := r.URL.Query()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		values := query[f.Tag.Get("query")]
		if name := f.Tag.Get("path"); name != "" {
			values = []string{params[name]}
		}
		if len(values) == 0 {
			continue
		}
		switch field := v.Field(i); field.Kind() {
		case reflect.String:
			field.SetString(values[0])
		case reflect.Int, reflect.Int32, reflect.Int64:
			n, err := strconv.ParseInt(values[0], 10, 32)
			if err != nil {
				return api.Unreadable("Value at '" + f.Name + "' is not an integer.")
			}
			field.SetInt(n)
		case reflect.Slice:
			field.Set(reflect.ValueOf(values))
		case reflect.Struct: // a timestamp
			t, err := timestamp(values[0])
			if err != nil {
				return api.Unreadable("Value at '" + f.Name + "' is not a timestamp.")
			}
			field.Set(reflect.ValueOf(t))
		default:
			panic("sesv2: parameter of type " + field.Type().String())
		}
	}
	return nil
}
