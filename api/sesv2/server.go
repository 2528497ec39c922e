package sesv2

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/sesame-mta/sesame/api"
)

// Server answers the calls of version 2. It is an api.Interface.
type Server struct {
	r      *api.Rooms
	table  []route
	routes map[string]*route // by pattern
	mux    *http.ServeMux    // finds patterns; it serves nothing
}

// New makes a server.
func New(r *api.Rooms) *Server {
	s := &Server{r: r, mux: http.NewServeMux(), routes: make(map[string]*route)}
	s.table = s.operations()
	for i := range s.table {
		o := &s.table[i]
		for _, pattern := range append([]string{o.Method + " " + o.Path}, o.also...) {
			s.routes[pattern] = o
			s.mux.Handle(pattern, http.NotFoundHandler())
		}
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

// MaxBody implements api.Interface: a message in base64, where each of its
// characters may be escaped once in a while, and the rest of the call.
func (s *Server) MaxBody() int64 { return s.r.MessageBytes/3*4 + s.r.MessageBytes/16 + 2<<20 }

// find gives the operation that a request is for, and the parts of its path that
// are parameters.
func (s *Server) find(r *http.Request) (*route, map[string]string) {
	// The slash at the end is in some versions of the SDKs, and not in others.
	path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
	u, err := url.Parse(path)
	if err != nil {
		return nil, nil
	}
	_, pattern := s.mux.Handler(&http.Request{Method: r.Method, URL: u, Host: r.Host})
	o := s.routes[pattern]
	if o == nil {
		return nil, nil
	}
	_, form, _ := strings.Cut(pattern, " ")
	names, values := strings.Split(form, "/"), strings.Split(path, "/")
	if len(names) != len(values) {
		return nil, nil // a path that the mux would have cleaned
	}
	params := make(map[string]string)
	for i, name := range names {
		if !strings.HasPrefix(name, "{") {
			continue
		}
		value, err := url.PathUnescape(values[i])
		if err != nil || value == "" {
			return nil, nil
		}
		params[strings.Trim(name, "{}")] = value
	}
	return o, params
}

// Serve implements api.Interface.
func (s *Server) Serve(ctx context.Context, c *api.Call) *api.Answer {
	o, params := s.find(c.Request)
	if o == nil {
		return s.Refuse(c.ID, api.NoOperation("The requested operation is not recognized by the service."))
	}
	body, err := s.serve(ctx, c, o, params)
	if err != nil {
		a := s.Refuse(c.ID, api.Explain(err))
		a.Operation = o.Name
		return a
	}
	return &api.Answer{Operation: o.Name, Status: http.StatusOK, Header: jsonHeader(), Body: body}
}

func (s *Server) serve(ctx context.Context, c *api.Call, o *route, params map[string]string) ([]byte, error) {
	if o.run == nil {
		return nil, api.NotThere()
	}
	if !o.sends {
		if err := c.Admit(o.Name); err != nil {
			return nil, err
		}
		if err := c.Spend(); err != nil {
			return nil, err
		}
	}
	out, err := o.run(ctx, c, params)
	if err != nil {
		return nil, err
	}
	return encode(out)
}

// Refuse implements api.Interface.
func (s *Server) Refuse(_ string, e *api.Error) *api.Answer {
	shape := e.REST
	if shape.Code == "" {
		shape = api.Internal("").REST
	}
	h := jsonHeader()
	h.Set("x-amzn-ErrorType", shape.Code)
	body, _ := encode(map[string]string{"message": cmp.Or(e.RESTMessage, e.Message)}) // strings always can be written
	return &api.Answer{Status: shape.Status, Code: shape.Code, Cause: e.Cause, Header: h, Body: body}
}

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json"}} }
