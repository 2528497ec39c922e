package admin

import (
	"context"
	"iter"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/sesame-mta/sesame/account"
)

// Terms is what a credential may be used for, and what its mail gets.
type Terms struct {
	From             []string       `json:"from,omitempty"`
	Networks         []netip.Prefix `json:"networks,omitempty"`
	RecipientDomains []string       `json:"recipient_domains,omitempty"`
	ConfigurationSet string         `json:"configuration_set,omitempty"`
	Tags             []account.Tag  `json:"tags,omitempty"`
}

// NewCredential is a credential with its secrets, which are shown this once.
type NewCredential struct {
	Account         string `json:"account"`
	AccountMade     bool   `json:"account_made"` // it did not exist before
	Username        string `json:"username"`     // for SMTP
	Password        string `json:"password"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
}

// Credential is one without its secrets.
type Credential struct {
	Account     string    `json:"account"`
	AccountMade bool      `json:"account_made,omitempty"`
	AccessKeyID string    `json:"access_key_id"`
	Status      string    `json:"status"` // "active" or "revoked"
	Created     time.Time `json:"created"`
	Revoked     time.Time `json:"revoked,omitzero"`
	LastUsed    time.Time `json:"last_used,omitzero"`
	Imported    bool      `json:"imported,omitempty"`
	Region      string    `json:"region,omitempty"`
	SigV2       bool      `json:"sigv2,omitempty"` // throttled on a budget of its own
	Terms
}

// ImportRequest is a key pair to take in.
type ImportRequest struct {
	Account     string `json:"account"`
	AccessKeyID string `json:"access_key_id"`
	Secret      string `json:"secret,omitempty"`
	Region      string `json:"region,omitempty"`
	SigV2       bool   `json:"sigv2,omitempty"`
	Password    string `json:"password,omitempty"`
	Terms       Terms  `json:"terms,omitzero"`
}

type createRequest struct {
	Account string `json:"account"`
	Terms   Terms  `json:"terms,omitzero"`
}

type termsRequest struct {
	AccessKeyID string `json:"access_key_id"`
	Terms       Terms  `json:"terms"`
}

func (s *Server) credentialRoutes() map[string]handler {
	return map[string]handler{
		"GET /v1/credentials":         s.listCredentials,
		"POST /v1/credentials":        s.createCredential,
		"POST /v1/credentials/import": s.importCredential,
		"GET /v1/credentials/show":    s.showCredential,
		"POST /v1/credentials/set":    s.setCredential,
		"DELETE /v1/credentials":      s.revokeCredential,
		"POST /v1/key/rotate":         s.rotateKey,
	}
}

func (s *Server) createCredential(r *http.Request) (any, error) {
	q, err := read[createRequest](r)
	if err != nil {
		return nil, err
	}
	// First, so that a mistake in it makes no account.
	terms, err := account.Terms(q.Terms).Normal()
	if err != nil {
		return nil, err
	}
	a, made, err := s.findOrMake(r.Context(), q.Account)
	if err != nil {
		return nil, err
	}
	c, secret, password, err := s.o.Accounts.CreateCredential(r.Context(), a.ID, terms)
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("credential created", "account", a.ID, "text", c.AccessKeyID)
	return NewCredential{
		Account: a.Name, AccountMade: made, Username: c.AccessKeyID, Password: password,
		AccessKeyID: c.AccessKeyID, SecretAccessKey: secret,
	}, nil
}

func (s *Server) importCredential(r *http.Request) (any, error) {
	q, id, err := readOf(s, r, func(q ImportRequest) string { return q.Account })
	if err != nil {
		return nil, err
	}
	c, err := s.o.Accounts.ImportCredential(r.Context(), id, account.Import{
		AccessKeyID: q.AccessKeyID, Secret: q.Secret, Region: q.Region, SigV2: q.SigV2,
		Password: q.Password, Terms: account.Terms(q.Terms),
	})
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("credential imported", "account", id, "text", c.AccessKeyID)
	if c.SigV2 {
		s.o.Log.Warn("credential has a SigV2 password, replace it", "account", id, "text", c.AccessKeyID)
	}
	return s.credential(c), nil
}

func (s *Server) listCredentials(r *http.Request) (any, error) {
	credentials, err := s.o.Accounts.ListCredentials(r.FormValue("account"))
	if err != nil {
		return nil, err
	}
	return each(credentials, s.credential), nil
}

func (s *Server) showCredential(r *http.Request) (any, error) {
	c, err := s.o.Accounts.Credential(r.FormValue("access_key_id"))
	if err != nil {
		return nil, s.noCredential(err)
	}
	return s.credential(c), nil
}

func (s *Server) setCredential(r *http.Request) (any, error) {
	q, err := read[termsRequest](r)
	if err != nil {
		return nil, err
	}
	c, err := s.o.Accounts.SetTerms(r.Context(), q.AccessKeyID, account.Terms(q.Terms))
	if err != nil {
		return nil, s.noCredential(err)
	}
	s.o.Log.Info("credential changed", "account", c.Account, "text", c.AccessKeyID)
	return s.credential(c), nil
}

func (s *Server) revokeCredential(r *http.Request) (any, error) {
	c, err := s.o.Accounts.Revoke(r.Context(), r.FormValue("access_key_id"))
	if err != nil {
		return nil, s.noCredential(err)
	}
	s.o.Log.Info("credential revoked", "account", c.Account, "text", c.AccessKeyID)
	return s.credential(c), nil
}

func (s *Server) credential(c account.Credential) Credential {
	status := "active"
	if c.Revoked() {
		status = "revoked"
	}
	return Credential{
		Account: s.name(c.Account), AccessKeyID: c.AccessKeyID, Status: status, Created: c.Created, Revoked: c.RevokedAt,
		LastUsed: c.LastUsed, Imported: c.Imported, Region: c.Region, SigV2: c.SigV2, Terms: Terms(c.Terms),
	}
}

// CreateCredential makes a credential, and its account when there is none.
func (c *Client) CreateCredential(ctx context.Context, account string, terms ...Terms) (NewCredential, error) {
	q := createRequest{Account: account}
	for _, t := range terms {
		q.Terms = t
	}
	return one[NewCredential](ctx, c, "POST", "/v1/credentials", nil, q)
}

// ImportCredential takes in a key pair that programs use already.
func (c *Client) ImportCredential(ctx context.Context, q ImportRequest) (Credential, error) {
	return one[Credential](ctx, c, "POST", "/v1/credentials/import", nil, q)
}

// Credentials lists those of an account, or with an empty name of all.
func (c *Client) Credentials(ctx context.Context, account string) iter.Seq2[Credential, error] {
	return many[Credential](ctx, c, "/v1/credentials", url.Values{"account": {account}})
}

// Credential gives one.
func (c *Client) Credential(ctx context.Context, accessKeyID string) (Credential, error) {
	return one[Credential](ctx, c, "GET", "/v1/credentials/show", url.Values{"access_key_id": {accessKeyID}}, nil)
}

// SetTerms replaces what a credential may be used for.
func (c *Client) SetTerms(ctx context.Context, accessKeyID string, t Terms) (Credential, error) {
	return one[Credential](ctx, c, "POST", "/v1/credentials/set", nil, termsRequest{accessKeyID, t})
}

// RevokeCredential ends a credential.
func (c *Client) RevokeCredential(ctx context.Context, accessKeyID string) (Credential, error) {
	return one[Credential](ctx, c, "DELETE", "/v1/credentials", url.Values{"access_key_id": {accessKeyID}}, nil)
}
