package sesv2

import (
	"time"

	"github.com/sesame-mta/sesame/api"
)

// timestamp reads a time in a query: SDKs write a date there, people seconds.
func timestamp(text string) (t api.Time, err error) {
	if date, err := time.Parse(time.RFC3339, text); err == nil {
		return api.At(date), nil
	}
	return t, t.UnmarshalJSON([]byte(text))
}
