package admin

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/event/webhook"
)

// Destination is a place that is told of the events of mail under a
// configuration set.
type Destination struct {
	Account   string    `json:"account"`
	Set       string    `json:"configuration_set"`
	Name      string    `json:"name"`
	Kind      string    `json:"kind"` // "webhook", "sns" or "file"
	Target    string    `json:"target"`
	Events    []string  `json:"events"`
	State     string    `json:"state"` // "on", "unconfirmed", "disabled" or "parked"
	Parked    time.Time `json:"parked,omitzero"`
	Signature int       `json:"signature_version,omitempty"`
	Created   time.Time `json:"created"`
	// Secret is shown when the destination is made, and never again.
	Secret string `json:"secret,omitempty"`
}

// NewDestination is what a destination is made from.
type NewDestination struct {
	Account   string   `json:"account"`
	Set       string   `json:"configuration_set"`
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Target    string   `json:"target"`
	Events    []string `json:"events"`
	Signature int      `json:"signature_version"` // of SNS: 1 or 2
}

// Replay is what a destination is told again, beside what waits for it: nothing,
// the events from a number on, or those since a time.
type Replay struct {
	From  uint64    `json:"from,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// replayRequest is the body of POST /v1/destinations/replay.
type replayRequest struct {
	Account string `json:"account"`
	Set     string `json:"configuration_set"`
	Name    string `json:"name"`
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

func (s *Server) createDestination(r *http.Request) (any, error) {
	q, err := read[NewDestination](r)
	if err != nil {
		return nil, err
	}
	a, err := s.o.Accounts.Lookup(q.Account)
	if err != nil {
		return nil, err
	}
	d, secret, err := s.o.Sets.AddDestination(r.Context(), configset.Destination{Account: a.ID, Set: q.Set, Name: q.Name,
		Kind: configset.Kind(q.Kind), Target: q.Target, Events: q.Events, Signature: q.Signature})
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("destination created", "account", a.ID, "text", d.Set+"/"+d.Name)
	out := s.destination(d)
	if secret != nil {
		out.Secret = webhook.SecretText(secret)
	}
	return out, nil
}

func (s *Server) showDestination(r *http.Request) (any, error) {
	a, err := s.o.Accounts.Lookup(r.FormValue("account"))
	if err != nil {
		return nil, err
	}
	d, err := s.o.Sets.Destination(a.ID, r.FormValue("set"), r.FormValue("name"))
	if err != nil {
		return nil, err
	}
	return s.destination(d), nil
}

func (s *Server) deleteDestination(r *http.Request) (any, error) {
	a, err := s.o.Accounts.Lookup(r.FormValue("account"))
	if err != nil {
		return nil, err
	}
	d, err := s.o.Sets.Destination(a.ID, r.FormValue("set"), r.FormValue("name"))
	if err != nil {
		return nil, err
	}
	if err := s.o.Sets.DeleteDestination(r.Context(), a.ID, d.Set, d.Name); err != nil {
		return nil, err
	}
	s.o.Log.Info("destination deleted", "account", a.ID, "text", d.Set+"/"+d.Name)
	return s.destination(d), nil
}

// replayDestination takes a destination out of parking or makes it live again: what
// waits for it is told, what was asked for is told again, and new events are kept.
func (s *Server) replayDestination(r *http.Request) (any, error) {
	q, err := read[replayRequest](r)
	if err != nil {
		return nil, err
	}
	a, err := s.o.Accounts.Lookup(q.Account)
	if err != nil {
		return nil, err
	}
	d, err := s.o.Sets.Destination(a.ID, q.Set, q.Name)
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
	d, err = s.o.Sets.ChangeDestination(r.Context(), a.ID, q.Set, q.Name, func(d *configset.Destination) {
		d.Parked, d.Disabled, d.Resumed = time.Time{}, false, time.Now().UTC()
	})
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("destination resumed", "account", a.ID, "text", d.Set+"/"+d.Name, "to", again)
	return Replayed{s.destination(d), again}, nil
}

func (s *Server) listDestinations(r *http.Request) (any, error) {
	id := ""
	if name := r.FormValue("account"); name != "" {
		a, err := s.o.Accounts.Lookup(name)
		if err != nil {
			return nil, err
		}
		id = a.ID
	}
	set := r.FormValue("set")
	return list(func(_ context.Context, write func(any) error) error {
		for _, d := range s.o.Sets.AllDestinations(id) {
			if set != "" && d.Set != set {
				continue
			}
			if err := write(s.destination(d)); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

func (s *Server) destination(d configset.Destination) Destination {
	state := "on"
	switch {
	case !d.Parked.IsZero():
		state = "parked"
	case d.Disabled:
		state = "disabled"
	case d.Kind == configset.SNS && !d.Confirmed:
		state = "unconfirmed"
	}
	return Destination{Account: s.name(d.Account), Set: d.Set, Name: d.Name, Kind: string(d.Kind), Target: d.Target,
		Events: d.Events, State: state, Parked: d.Parked, Signature: d.Signature, Created: d.Created}
}

// CreateDestination makes a destination of a configuration set that exists.
func (c *Client) CreateDestination(ctx context.Context, d NewDestination) (Destination, error) {
	return one[Destination](ctx, c, "POST", "/v1/destinations", nil, d)
}

// Destination gives one.
func (c *Client) Destination(ctx context.Context, account, set, name string) (Destination, error) {
	return one[Destination](ctx, c, "GET", "/v1/destinations/show", destinationQuery(account, set, name), nil)
}

// DeleteDestination ends one; what waits for it is dropped.
func (c *Client) DeleteDestination(ctx context.Context, account, set, name string) (Destination, error) {
	return one[Destination](ctx, c, "DELETE", "/v1/destinations", destinationQuery(account, set, name), nil)
}

// ReplayDestination has one told what waits for it, parked or not, and again what
// is asked for.
func (c *Client) ReplayDestination(ctx context.Context, account, set, name string, r Replay) (Replayed, error) {
	return one[Replayed](ctx, c, "POST", "/v1/destinations/replay", nil, replayRequest{account, set, name, r})
}

// Destinations lists those of a set, of an account when set is empty, or of all.
func (c *Client) Destinations(ctx context.Context, account, set string) iter.Seq2[Destination, error] {
	return many[Destination](ctx, c, "/v1/destinations", url.Values{"account": {account}, "set": {set}})
}

func destinationQuery(account, set, name string) url.Values {
	return url.Values{"account": {account}, "set": {set}, "name": {name}}
}
