package sesv2

import (
	"bytes"
	"encoding/json"
)

// encode writes JSON as SES does: names in angle brackets stay readable, which
// encoding/json escapes for the sake of web pages.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
