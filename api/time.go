package api

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// Time is a time in a request or an answer: seconds since 1970 in version 2, a
// date in version 1. The zero value is none; write it with omitzero.
type Time struct{ time.Time }

// At makes a Time.
func At(t time.Time) Time { return Time{t} }

// MarshalJSON gives seconds, with as many decimals as it needs, to the
// millisecond.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads seconds.
func (t *Time) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	s, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.Abs(s) > 1<<40 {
		return errors.New("not a timestamp")
	}
	t.Time = time.UnixMilli(int64(s * 1000)).UTC()
	return nil
}
