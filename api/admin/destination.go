package admin

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/event/webhook"
)

// DestinationName names a destination: its account, the configuration set or the
// identity that it belongs to, and its name there. One that belongs to a topic is a
// subscription of it.
type DestinationName struct {
	Account  string `json:"account"`
	Set      string `json:"configuration_set,omitempty"`
	Identity string `json:"identity,omitempty"`
	Topic    string `json:"topic,omitempty"`
	Name     string `json:"name"`
}

// Owner gives the set, the identity or the topic.
func (n DestinationName) Owner() string { return cmp.Or(n.Set, n.Identity, n.Topic) }

// Destination is a place that is told of the events of mail under a
// configuration set, or sent as an identity.
type Destination struct {
	DestinationName
	Kind       string                  `json:"kind"` // "webhook", "sns", "file", "metrics" or "topic"
	Target     string                  `json:"target"`
	Events     []string                `json:"events"`
	State      string                  `json:"state"` // "on", "unconfirmed", "disabled" or "parked"
	Parked     time.Time               `json:"parked,omitzero"`
	Signature  int                     `json:"signature_version,omitempty"`
	Created    time.Time               `json:"created"`
	Dimensions []destination.Dimension `json:"dimensions,omitempty"`
	// Secret is shown when the destination is made, and never again.
	Secret string `json:"secret,omitempty"`
}

// NewDestination is what a destination is made from.
type NewDestination struct {
	DestinationName
	Kind       string                  `json:"kind"`
	Target     string                  `json:"target"`
	Events     []string                `json:"events"`
	Signature  int                     `json:"signature_version"`    // of SNS: 1 or 2
	Dimensions []destination.Dimension `json:"dimensions,omitempty"` // of metrics
}

// Replay is what a destination is told again, beside what waits for it: nothing,
// the events from a number on, or those since a time.
type Replay struct {
	From  uint64    `json:"from,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// replayRequest is the body of POST /v1/destinations/replay.
type replayRequest struct {
	DestinationName
	Replay
}

// Replayed is a destination and how many events it is told again.
type Replayed struct {
	Destination
	Again int `json:"again"`
}

func (s *Server) destinationRoutes() map[string]handler {
	return map[string]handler{
		"GET /v1/destinations":         s.listDestinations,
		"GET /v1/destinations/show":    s.showDestination,
		"POST /v1/destinations":        s.createDestination,
		"POST /v1/destinations/replay": s.replayDestination,
		"DELETE /v1/destinations":      s.deleteDestination,
	}
}

// destinationOwner gives what a destination belongs to.
func (s *Server) destinationOwner(n DestinationName) (destination.Owner, error) {
	a, err := s.account(n.Account)
	if err != nil {
		return destination.Owner{}, err
	}
	o := destination.Owner{Account: a.ID, Set: n.Set, Topic: n.Topic}
	if n.Identity != "" {
		i, err := s.o.Identities.Get(a.ID, n.Identity) // in the form in which it is kept
		if err != nil {
			return destination.Owner{}, s.noIdentity(err, a.ID)
		}
		o.Identity = i.Name
	}
	return o, nil
}

func (s *Server) createDestination(r *http.Request) (any, error) {
	q, err := read[NewDestination](r)
	if err != nil {
		return nil, err
	}
	o, err := s.destinationOwner(q.DestinationName)
	if err != nil {
		return nil, err
	}
	if o.Topic != "" {
		return nil, fmt.Errorf("%w: subscriptions are made by the API", errRequest)
	}
	d, secret, err := s.o.Destinations.Add(r.Context(), destination.Destination{Owner: o, Name: q.Name,
		Kind: destination.Kind(q.Kind), Target: q.Target, Events: q.Events, Signature: q.Signature, Dimensions: q.Dimensions})
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("destination created", "account", o.Account, "text", o.String()+"/"+d.Name)
	out := s.destination(d)
	if secret != nil {
		out.Secret = webhook.SecretText(secret)
	}
	return out, nil
}

// theDestination gives the one that a query names.
func (s *Server) theDestination(r *http.Request) (destination.Destination, error) {
	o, err := s.destinationOwner(DestinationName{Account: r.FormValue("account"), Set: r.FormValue("set"), Identity: r.FormValue("identity"), Topic: r.FormValue("topic")})
	if err != nil {
		return destination.Destination{}, err
	}
	return s.o.Destinations.Get(o, r.FormValue("name"))
}

func (s *Server) showDestination(r *http.Request) (any, error) {
	d, err := s.theDestination(r)
	if err != nil {
		return nil, err
	}
	return s.destination(d), nil
}

func (s *Server) deleteDestination(r *http.Request) (any, error) {
	d, err := s.theDestination(r)
	if err != nil {
		return nil, err
	}
	if err := s.o.Destinations.Delete(r.Context(), d.Owner, d.Name); err != nil {
		return nil, err
	}
	s.o.Log.Info("destination deleted", "account", d.Account, "text", d.Owner.String()+"/"+d.Name)
	return s.destination(d), nil
}

// replayDestination takes a destination out of parking or makes it live again: what
// waits for it is told, what was asked for is told again, and new events are kept.
func (s *Server) replayDestination(r *http.Request) (any, error) {
	q, err := read[replayRequest](r)
	if err != nil {
		return nil, err
	}
	o, err := s.destinationOwner(q.DestinationName)
	if err != nil {
		return nil, err
	}
	d, err := s.o.Destinations.Get(o, q.Name)
	if err != nil {
		return nil, err
	}
	again := 0
	if q.From > 0 || !q.Since.IsZero() {
		if s.o.TellAgain == nil {
			return nil, fmt.Errorf("%w: no events are kept", errRequest)
		}
		if again, err = s.o.TellAgain(r.Context(), d, q.From, q.Since); err != nil {
			return nil, err
		}
	}
	if d, err = s.o.Destinations.Resume(r.Context(), o, q.Name); err != nil {
		return nil, err
	}
	s.o.Log.Info("destination resumed", "account", o.Account, "text", o.String()+"/"+d.Name, "to", again)
	return Replayed{s.destination(d), again}, nil
}

func (s *Server) listDestinations(r *http.Request) (any, error) {
	set, identity, topic := r.FormValue("set"), r.FormValue("identity"), r.FormValue("topic")
	return narrowed(s, r, func(accountID string) []destination.Destination {
		return slices.DeleteFunc(s.o.Destinations.All(accountID), func(d destination.Destination) bool {
			return set != "" && d.Set != set || topic != "" && d.Owner.Topic != topic || identity != "" && !strings.EqualFold(d.Identity, identity)
		})
	}, s.destination)
}

func (s *Server) destination(d destination.Destination) Destination {
	state := "on"
	for _, way := range s.o.Destinations.Ways(d) {
		if !way.Parked.IsZero() {
			d.Parked = way.Parked // one of its subscriptions is
		}
	}
	switch {
	case !d.Parked.IsZero():
		state = "parked"
	case d.Disabled:
		state = "disabled"
	case d.Kind == destination.SNS && !d.Confirmed:
		state = "unconfirmed"
	}
	return Destination{DestinationName: DestinationName{s.name(d.Account), d.Set, d.Identity, d.Owner.Topic, d.Name}, Kind: string(d.Kind),
		Target: d.Target, Events: d.Events, State: state, Parked: d.Parked, Signature: d.Signature, Created: d.Created,
		Dimensions: d.Dimensions}
}

// CreateDestination makes a destination of a configuration set or an identity that
// exists.
func (c *Client) CreateDestination(ctx context.Context, d NewDestination) (Destination, error) {
	return one[Destination](ctx, c, "POST", "/v1/destinations", nil, d)
}

// Destination gives one.
func (c *Client) Destination(ctx context.Context, n DestinationName) (Destination, error) {
	return one[Destination](ctx, c, "GET", "/v1/destinations/show", n.query(), nil)
}

// DeleteDestination ends one; what waits for it is dropped.
func (c *Client) DeleteDestination(ctx context.Context, n DestinationName) (Destination, error) {
	return one[Destination](ctx, c, "DELETE", "/v1/destinations", n.query(), nil)
}

// ReplayDestination has one told what waits for it, parked or not, and again what
// is asked for.
func (c *Client) ReplayDestination(ctx context.Context, n DestinationName, r Replay) (Replayed, error) {
	return one[Replayed](ctx, c, "POST", "/v1/destinations/replay", nil, replayRequest{n, r})
}

// Destinations lists those that fit: of an account, of a set, of an identity, or
// where n says nothing, all.
func (c *Client) Destinations(ctx context.Context, n DestinationName) iter.Seq2[Destination, error] {
	return many[Destination](ctx, c, "/v1/destinations", n.query())
}

func (n DestinationName) query() url.Values {
	return url.Values{"account": {n.Account}, "set": {n.Set}, "identity": {n.Identity}, "topic": {n.Topic}, "name": {n.Name}}
}
