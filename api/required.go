package api

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Missing looks at a request for fields that are tagged `api:"required"` and have
// no value. It gives the error that SES gives, nil for none.
func Missing(request any) error {
	var missing []string
	need(reflect.ValueOf(request), "", &missing)
	if len(missing) == 0 {
		return nil
	}
	errors := "error"
	if len(missing) > 1 {
		errors = "errors"
	}
	for i, name := range missing {
		missing[i] = "Value null at '" + name + "' failed to satisfy constraint: Member must not be null"
	}
	return Invalid(fmt.Sprintf("%d validation %s detected: %s", len(missing), errors, strings.Join(missing, "; ")))
}

// maxMissing bounds the message.
const maxMissing = 20

func need(v reflect.Value, path string, missing *[]string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			need(v.Elem(), path, missing)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				need(v.Index(i), path+"."+strconv.Itoa(i+1)+".member", missing)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() || len(*missing) >= maxMissing {
				continue
			}
			name := strings.ToLower(f.Name[:1]) + f.Name[1:]
			if path != "" {
				name = path + "." + name
			}
			if v.Field(i).IsZero() {
				if f.Tag.Get("api") == "required" {
					*missing = append(*missing, name)
				}
				continue
			}
			need(v.Field(i), name, missing)
		}
	default: // has nothing in it
	}
}
