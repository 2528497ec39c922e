package ses

import (
	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/api/query"
)

// maxMessage is the most octets of a message, and maxBody of a call: base64 with
// its escapes, and the other parameters (spec section 1.7).
const (
	maxMessage = 10 << 20
	maxBody    = 16 << 20
)

// Server answers the calls of version 1. It is an api.Interface.
type Server struct {
	*query.Server
	r *api.Rooms
}

// New makes a server.
func New(r *api.Rooms) *Server {
	s := &Server{r: r}
	var routes []query.Route
	for _, o := range s.operations() {
		routes = append(routes, o.Route)
	}
	s.Server = query.New(query.Service{Space: "http://ses.amazonaws.com/doc/2010-12-01/", Version: "2010-12-01",
		MaxBody: maxBody, Routes: routes})
	return s
}
