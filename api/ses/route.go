package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/api/query"
)

// route is a line of the table.
type route struct{ query.Route }

// on makes the line of an operation that is there.
func on[In, Out any](name string, f func(context.Context, *api.Call, *In) (*Out, error)) route {
	return route{query.On(name, f)}
}

// sending marks an operation that sends.
func (r route) sending() route {
	r.Sends = true
	return r
}

// but notes what an operation lacks.
func (r route) but(lacks string) route {
	r.State, r.Note = api.Partial, lacks
	return r
}

// later makes the line of an operation that is not there yet.
func later(name string) route {
	return route{query.Route{Operation: api.Operation{Name: name, State: api.Later}}}
}

// until says what it waits for.
func (r route) until(why string) route {
	r.Note = why
	return r
}

// never says why an operation that is not there makes no sense here.
func (r route) never(why string) route {
	r.State, r.Note = api.NotApplicable, why
	return r
}

// none is the result of an operation that gives nothing back.
type none struct{}
