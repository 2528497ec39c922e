package admin

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/reputation"
)

// ConfigSet is a configuration set of an account.
type ConfigSet struct {
	Account     string    `json:"account"`
	Name        string    `json:"name"`
	TLS         string    `json:"tls"`          // "optional" or "require"
	MaxDelivery int64     `json:"max_delivery"` // seconds; 0 is the server's
	Sending     bool      `json:"sending"`
	Pool        string    `json:"pool"`        // empty is the default pool
	Suppression string    `json:"suppression"` // "account", "none", "bounce", "complaint" or "all"
	Unsubscribe string    `json:"unsubscribe"` // the mailing list that recipients can leave
	Created     time.Time `json:"created"`
}

// SetChange is what to give a configuration set; nil leaves a value as it is, or
// in a new set at its default.
type SetChange struct {
	TLS         *string `json:"tls,omitempty"`
	MaxDelivery *int64  `json:"max_delivery,omitempty"`
	Sending     *bool   `json:"sending,omitempty"`
	Pool        *string `json:"pool,omitempty"`
	Suppression *string `json:"suppression,omitempty"`
	Unsubscribe *string `json:"unsubscribe,omitempty"`
}

// setRequest is the body of POST /v1/configsets and /v1/configsets/set.
type setRequest struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	SetChange
}

func (q setRequest) owner() string { return q.Account }

// suppressAccount is the word for a set that overrides nothing.
const suppressAccount = "account"

// maxSeconds keeps a time from running over; configset has the bound that counts.
const maxSeconds = 1 << 32

// apply changes a set.
func (c SetChange) apply(s *configset.Set) {
	if c.TLS != nil {
		s.TLS = configset.TLS(*c.TLS)
	}
	if c.MaxDelivery != nil {
		s.MaxDelivery = time.Duration(max(-1, min(*c.MaxDelivery, maxSeconds))) * time.Second
	}
	if c.Sending != nil {
		s.Sending = *c.Sending
	}
	if c.Pool != nil {
		s.Pool = *c.Pool
	}
	if c.Unsubscribe != nil {
		s.Unsubscribe = *c.Unsubscribe
	}
	if c.Suppression != nil {
		s.Suppression = configset.Suppression(*c.Suppression)
		switch *c.Suppression {
		case suppressAccount:
			s.Suppression = configset.SuppressAccount
		case "":
			s.Suppression = "no word" // which the book refuses
		}
	}
}

func (s *Server) configSetRoutes() map[string]handler {
	return map[string]handler{
		"GET /v1/configsets":      s.listSets,
		"GET /v1/configsets/show": s.showSet,
		"POST /v1/configsets":     s.createSet,
		"POST /v1/configsets/set": s.changeSet,
		"DELETE /v1/configsets":   s.deleteSet,
	}
}

func (s *Server) createSet(r *http.Request) (any, error) {
	q, id, err := readOf(s, r, setRequest.owner)
	if err != nil {
		return nil, err
	}
	set := configset.Set{Account: id, Name: q.Name, TLS: configset.Optional, Sending: true}
	q.apply(&set)
	if set, err = s.o.Sets.Create(r.Context(), set); err != nil {
		return nil, err
	}
	s.o.Log.Info("configuration set created", "account", id, "text", set.Name)
	return s.set(set), nil
}

func (s *Server) changeSet(r *http.Request) (any, error) {
	q, id, err := readOf(s, r, setRequest.owner)
	if err != nil {
		return nil, err
	}
	sent := false
	set, err := s.o.Sets.Change(r.Context(), id, q.Name, func(set *configset.Set) {
		sent = set.Sending
		q.apply(set)
	})
	if err != nil {
		return nil, s.noSet(err, id)
	}
	if set.Sending && !sent {
		s.freshStart(reputation.Subject{Account: id, Kind: reputation.ConfigSet, Name: set.Name})
	}
	s.o.Log.Info("configuration set changed", "account", id, "text", set.Name)
	return s.set(set), nil
}

func (s *Server) showSet(r *http.Request) (any, error) {
	id, name, err := s.owned(r)
	if err != nil {
		return nil, err
	}
	set, err := s.o.Sets.Get(id, name)
	if err != nil {
		return nil, s.noSet(err, id)
	}
	return s.set(set), nil
}

func (s *Server) deleteSet(r *http.Request) (any, error) {
	id, name, err := s.owned(r)
	if err != nil {
		return nil, err
	}
	set, err := s.o.Sets.Delete(r.Context(), id, name)
	if err != nil {
		return nil, s.noSet(err, id)
	}
	s.o.Log.Info("configuration set deleted", "account", id, "text", set.Name)
	return s.set(set), nil
}

func (s *Server) listSets(r *http.Request) (any, error) { return narrowed(s, r, s.o.Sets.List, s.set) }

func (s *Server) set(set configset.Set) ConfigSet {
	suppression := string(set.Suppression)
	if set.Suppression == configset.SuppressAccount {
		suppression = suppressAccount
	}
	return ConfigSet{Account: s.name(set.Account), Name: set.Name, TLS: string(set.TLS),
		MaxDelivery: int64(set.MaxDelivery / time.Second), Sending: set.Sending, Pool: set.Pool,
		Suppression: suppression, Unsubscribe: set.Unsubscribe, Created: set.Created}
}

// CreateConfigSet makes a configuration set of an account that exists.
func (c *Client) CreateConfigSet(ctx context.Context, account, name string, s SetChange) (ConfigSet, error) {
	return one[ConfigSet](ctx, c, "POST", "/v1/configsets", nil, setRequest{account, name, s})
}

// ChangeConfigSet changes one.
func (c *Client) ChangeConfigSet(ctx context.Context, account, name string, s SetChange) (ConfigSet, error) {
	return one[ConfigSet](ctx, c, "POST", "/v1/configsets/set", nil, setRequest{account, name, s})
}

// ConfigSet gives one.
func (c *Client) ConfigSet(ctx context.Context, account, name string) (ConfigSet, error) {
	return one[ConfigSet](ctx, c, "GET", "/v1/configsets/show", url.Values{"account": {account}, "name": {name}}, nil)
}

// DeleteConfigSet ends one.
func (c *Client) DeleteConfigSet(ctx context.Context, account, name string) (ConfigSet, error) {
	return one[ConfigSet](ctx, c, "DELETE", "/v1/configsets", url.Values{"account": {account}, "name": {name}}, nil)
}

// ConfigSets lists those of an account, or with an empty name of all.
func (c *Client) ConfigSets(ctx context.Context, account string) iter.Seq2[ConfigSet, error] {
	return many[ConfigSet](ctx, c, "/v1/configsets", url.Values{"account": {account}})
}
