package admin

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/reputation"
)

// Reputation is how an account, an identity of its or a configuration set stands.
type Reputation struct {
	Account string    `json:"account"`
	Kind    string    `json:"kind"` // "account", "identity" or "configset"
	Name    string    `json:"name"` // of the identity or set
	State   string    `json:"state"`
	Since   time.Time `json:"since,omitzero"`
	// FreshStart is when counting began anew.
	FreshStart time.Time `json:"fresh_start,omitzero"`
	Bounces    Rate      `json:"bounces"` // hard ones
	Complaints Rate      `json:"complaints"`
}

// Rate is the part of mail that turned out badly.
type Rate struct {
	Rate  float64 `json:"rate"`
	Count int64   `json:"count"`
	Mails int64   `json:"mails"` // that it is a part of
}

// Statistics is what became of an account's mail in a quarter of an hour, counted
// in recipients.
type Statistics struct {
	Time       time.Time `json:"time"` // its begin
	Attempts   uint32    `json:"attempts"`
	Bounces    uint32    `json:"bounces"`
	Complaints uint32    `json:"complaints"`
	Rejects    uint32    `json:"rejects"`
}

func (s *Server) reputationRoutes() map[string]handler {
	return map[string]handler{
		"GET /v1/accounts/reputation": s.listReputation,
		"GET /v1/accounts/statistics": s.listStatistics,
	}
}

func (s *Server) freshStart(of reputation.Subject) {
	if s.o.Reputation != nil {
		s.o.Reputation.FreshStart(of)
	}
}

// listReputation lists that of one account and what belongs to it, or that of all
// accounts.
func (s *Server) listReputation(r *http.Request) (any, error) {
	accounts := s.o.Accounts.Accounts()
	name := r.FormValue("account")
	if name != "" {
		a, err := s.account(name)
		if err != nil {
			return nil, err
		}
		accounts = []account.Account{a}
	}
	return list(func(_ context.Context, write func(any) error) error {
		if s.o.Reputation == nil {
			return nil
		}
		for _, a := range accounts {
			ratings := s.o.Reputation.Ratings(a.ID)
			if name == "" {
				ratings = ratings[:1]
			}
			for _, rating := range ratings {
				if err := write(showRating(a, rating)); err != nil {
					return err
				}
			}
		}
		return nil
	}), nil
}

func showRating(a account.Account, r reputation.Rating) Reputation {
	rate := func(r reputation.Rate) Rate { return Rate{r.Share(), r.Bad, r.Mails} }
	return Reputation{Account: a.Name, Kind: string(r.Kind), Name: r.Name, State: r.State.String(), Since: r.Since,
		FreshStart: r.Fresh, Bounces: rate(r.Bounces), Complaints: rate(r.Complaints)}
}

func (s *Server) listStatistics(r *http.Request) (any, error) {
	a, err := s.account(r.FormValue("account"))
	if err != nil {
		return nil, err
	}
	var points []reputation.Point
	if s.o.Reputation != nil {
		points = s.o.Reputation.Statistics(a.ID)
	}
	return each(points, func(p reputation.Point) Statistics { return Statistics(p) }), nil
}

// Reputation lists that of an account, its configuration sets and its identities,
// or with an empty name that of all accounts.
func (c *Client) Reputation(ctx context.Context, account string) iter.Seq2[Reputation, error] {
	return many[Reputation](ctx, c, "/v1/accounts/reputation", url.Values{"account": {account}})
}

// Statistics lists what became of an account's mail in the last two weeks; quarters
// of an hour without mail are left out.
func (c *Client) Statistics(ctx context.Context, account string) iter.Seq2[Statistics, error] {
	return many[Statistics](ctx, c, "/v1/accounts/statistics", url.Values{"account": {account}})
}
