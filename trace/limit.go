package trace

import "github.com/sesame-mta/sesame/mail"

// Limit is a limit of ours that put mail off: a mail.Limit on disk.
type Limit struct {
	Name  string  `cbor:"1,keyasint" json:"name"`
	Whose string  `cbor:"2,keyasint,omitempty" json:"whose,omitempty"`
	Used  float64 `cbor:"3,keyasint,omitempty" json:"used,omitempty"`
	Max   float64 `cbor:"4,keyasint,omitempty" json:"max,omitempty"`
	Unit  string  `cbor:"5,keyasint,omitempty" json:"unit,omitempty"`
	Frees int64   `cbor:"6,keyasint,omitempty" json:"frees,omitempty"` // Unix seconds; 0 is not known
}

// LimitOf gives a limit as it is recorded; nil stays nil.
func LimitOf(l *mail.Limit) *Limit {
	if l == nil {
		return nil
	}
	out := &Limit{Name: string(l.Name), Whose: l.Whose, Used: l.Used, Max: l.Max, Unit: l.Unit}
	if !l.Frees.IsZero() {
		out.Frees = l.Frees.Unix()
	}
	return out
}
