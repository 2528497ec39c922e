package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

// route is a line of the table.
type route struct {
	api.Operation
	// sends: the rate of mail bounds it, not that of calls.
	sends bool
	run   func(ctx context.Context, c *api.Call, f *form) (any, error) // nil: not there
}

// on makes the line of an operation that is there. In and Out are structs, whose
// fields have the names of the parameters.
func on[In, Out any](name string, f func(context.Context, *api.Call, *In) (*Out, error)) route {
	return route{Operation: api.Operation{Name: name, State: api.Done}, run: func(ctx context.Context, c *api.Call, form *form) (any, error) {
		in := new(In)
		if err := form.decode(in, c); err != nil {
			return nil, err
		}
		out, err := f(ctx, c, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}}
}

// sending marks an operation that sends.
func (r route) sending() route {
	r.sends = true
	return r
}

// but notes what an operation lacks.
func (r route) but(lacks string) route {
	r.State, r.Note = api.Partial, lacks
	return r
}

// later makes the line of an operation that is not there yet.
func later(name string) route {
	return route{Operation: api.Operation{Name: name, State: api.Later}}
}

// none is the result of an operation that gives nothing back.
type none struct{}
