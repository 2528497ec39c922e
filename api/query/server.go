package query

import (
	"context"
	"net/http"

	"github.com/sesame-mta/sesame/api"
)

// Service is what one service has of its own.
type Service struct {
	// Space is the name space of its answers, Version the one that callers may name.
	Space, Version string
	// MaxBody is the most octets of a call.
	MaxBody int64
	Routes  []Route
}

// Server answers the calls of a service. It is an api.Interface.
type Server struct {
	s      Service
	routes map[string]Route
}

// New makes a server.
func New(s Service) *Server {
	routes := make(map[string]Route, len(s.Routes))
	for _, o := range s.Routes {
		routes[o.Name] = o
	}
	return &Server{s, routes}
}

// Operations gives the route table.
func (s *Server) Operations() []api.Operation {
	out := make([]api.Operation, len(s.s.Routes))
	for i, o := range s.s.Routes {
		out[i] = o.Operation
	}
	return out
}

// MaxBody implements api.Interface.
func (s *Server) MaxBody() int64 { return s.s.MaxBody }

// Serve implements api.Interface.
func (s *Server) Serve(ctx context.Context, c *api.Call) *api.Answer {
	name, result, err := s.serve(ctx, c)
	if err != nil {
		a := s.Refuse(c.ID, api.Explain(err))
		a.Operation = name
		return a
	}
	return &api.Answer{Operation: name, Status: http.StatusOK, Header: xmlHeader(), Body: response(s.s.Space, name, c.ID, result)}
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
	if v := form.text("Version"); v != "" && v != s.s.Version {
		return "", nil, api.NoOperation("Could not find operation " + shown(action) + " for version " + shown(v))
	}
	o, ok := s.routes[action]
	if !ok {
		return "", nil, api.NoOperation("Could not find operation " + shown(action) + " for version " + s.s.Version)
	}
	if o.run == nil {
		return o.Name, nil, api.NotThere()
	}
	if !o.Sends {
		if err := c.Admit(o.Name); err != nil {
			return o.Name, nil, err
		}
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
	return &api.Answer{Status: shape.Status, Code: shape.Code, Cause: e.Cause, Header: xmlHeader(), Body: fault(s.s.Space, id, shape, e)}
}

func xmlHeader() http.Header { return http.Header{"Content-Type": {"text/xml"}} }
