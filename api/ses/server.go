package ses

import (
	"context"
	"net/http"

	"github.com/sesame-mta/sesame/api"
)

// version is the one that callers may name (spec section 10.2).
const version = "2010-12-01"

// maxMessage is the most octets of a message, and maxBody of a call: base64 with
// its escapes, and the other parameters (spec section 1.7).
const (
	maxMessage = 10 << 20
	maxBody    = 16 << 20
)

// Server answers the calls of version 1. It is an api.Interface.
type Server struct {
	r      *api.Rooms
	routes map[string]route
	table  []route
}

// New makes a server.
func New(r *api.Rooms) *Server {
	s := &Server{r: r}
	s.table = s.operations()
	s.routes = make(map[string]route, len(s.table))
	for _, o := range s.table {
		s.routes[o.Name] = o
	}
	return s
}

// Operations gives the route table.
func (s *Server) Operations() []api.Operation {
	out := make([]api.Operation, len(s.table))
	for i, o := range s.table {
		out[i] = o.Operation
	}
	return out
}

// MaxBody implements api.Interface.
func (s *Server) MaxBody() int64 { return maxBody }

// Serve implements api.Interface.
func (s *Server) Serve(ctx context.Context, c *api.Call) *api.Answer {
	name, result, err := s.serve(ctx, c)
	if err != nil {
		a := s.Refuse(c.ID, api.Explain(err))
		a.Operation = name
		return a
	}
	return &api.Answer{Operation: name, Status: http.StatusOK, Header: xmlHeader(), Body: response(name, c.ID, result)}
}

func (s *Server) serve(ctx context.Context, c *api.Call) (name string, result any, err error) {
	if m := c.Request.Method; m != http.MethodPost && m != http.MethodGet || c.Request.URL.Path != "/" {
		return "", nil, api.NoOperation("Unknown path or method.")
	}
	form, done, err := read(ctx, c)
	if err != nil {
		return "", nil, err
	}
	defer done()
	action := form.text("Action")
	if action == "" {
		return "", nil, api.Query("MissingAction", "The request must contain the parameter Action.")
	}
	if v := form.text("Version"); v != "" && v != version {
		return "", nil, api.NoOperation("Could not find operation " + shown(action) + " for version " + shown(v))
	}
	o, ok := s.routes[action]
	if !ok {
		return "", nil, api.NoOperation("Could not find operation " + shown(action) + " for version " + version)
	}
	if o.run == nil {
		return o.Name, nil, api.NotThere()
	}
	if !o.sends {
		if err := c.Spend(); err != nil {
			return o.Name, nil, err
		}
	}
	result, err = o.run(ctx, c, form)
	return o.Name, result, err
}

// shown gives what of a caller's word is said back.
func shown(word string) string { return word[:min(len(word), 64)] }

// Refuse implements api.Interface.
func (s *Server) Refuse(id string, e *api.Error) *api.Answer {
	shape := e.Query
	if shape.Code == "" {
		shape = api.Internal("").Query
	}
	return &api.Answer{Status: shape.Status, Code: shape.Code, Cause: e.Cause, Header: xmlHeader(), Body: fault(id, shape, e)}
}

func xmlHeader() http.Header { return http.Header{"Content-Type": {"text/xml"}} }
