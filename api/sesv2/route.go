package sesv2

import (
	"context"
	"strings"

	"github.com/sesame-mta/sesame/api"
)

// base begins every path.
const base = "/v2/email"

// route is a line of the table.
type route struct {
	api.Operation
	also []string // patterns by which older SDKs ask for it
	// sends: the rate of mail bounds it, not that of calls.
	sends bool
	run   func(ctx context.Context, c *api.Call, params map[string]string) (any, error) // nil: not there
}

// on makes the line of an operation that is there. In and Out are structs with the
// names of JSON; a field of In that is tagged `path:"Name"` or `query:"Name"` is
// taken from there.
func on[In, Out any](name, method, path string, f func(context.Context, *api.Call, *In) (*Out, error)) route {
	return route{Operation: api.Operation{Name: name, Method: method, Path: base + path, State: api.Done},
		run: func(ctx context.Context, c *api.Call, params map[string]string) (any, error) {
			in := new(In)
			done, err := decode(ctx, c, params, in)
			if err != nil {
				return nil, err
			}
			defer done()
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

// or gives another method and path of an operation, which is a whole one when it
// begins with the name of another version.
func (r route) or(method, path string) route {
	if !strings.HasPrefix(path, "/v1/") {
		path = base + path
	}
	r.also = append(r.also, method+" "+path)
	return r
}

// but notes what an operation lacks.
func (r route) but(lacks string) route {
	r.State, r.Note = api.Partial, lacks
	return r
}

// later makes the line of an operation that is not there yet.
func later(name, method, path string) route {
	return route{Operation: api.Operation{Name: name, Method: method, Path: base + path, State: api.Later}}
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

// none is the request or the result of an operation that has nothing in it.
type none struct{}
