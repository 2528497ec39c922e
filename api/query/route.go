package query

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

// Route is a line of a table.
type Route struct {
	api.Operation
	// Sends: the rate of mail bounds it, not that of calls.
	Sends bool
	run   func(ctx context.Context, c *api.Call, f *form) (any, error) // nil: not there
}

// On makes the line of an operation that is there. In and Out are structs, whose
// fields have the names of the parameters.
func On[In, Out any](name string, f func(context.Context, *api.Call, *In) (*Out, error)) Route {
	return Route{Operation: api.Operation{Name: name, State: api.Done}, run: func(ctx context.Context, c *api.Call, form *form) (any, error) {
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
