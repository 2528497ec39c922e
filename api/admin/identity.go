package admin

import (
	"context"
	"net/http"

	"github.com/sesame-mta/sesame/account/identity"
)

// Checker looks at DNS for an operator; *identity.Checker.
type Checker interface {
	Check(ctx context.Context, accountID, name string) (identity.Identity, []string, error)
	Wake()
}

func (s *Server) identityRoutes() map[string]handler {
	return map[string]handler{
		"GET /v1/identities":            s.listIdentities,
		"POST /v1/identities":           s.addIdentity,
		"DELETE /v1/identities":         s.removeIdentity,
		"GET /v1/identities/records":    s.identityRecords,
		"GET /v1/identities/show":       s.showIdentity,
		"POST /v1/identities/verify":    s.verifyIdentity,
		"POST /v1/identities/check":     s.checkIdentity,
		"POST /v1/identities/pause":     s.pauseIdentity,
		"POST /v1/identities/mail-from": s.setMailFrom,
		"POST /v1/identities/rotate":    s.rotateIdentity,
		"POST /v1/identities/defaults":  s.setDefaults,

		"POST /v1/identities/notifications": s.setNotifications,
		"GET /v1/host/records":              s.hostRecords,
		"GET /v1/service/records":           s.serviceRecords,
	}
}

// addRequest is the body of POST /v1/identities.
type addRequest struct {
	Account  string `json:"account"`
	Identity string `json:"identity"`
	Verified bool   `json:"verified"`
	DKIM     bool   `json:"dkim"`
	Ed25519  bool   `json:"ed25519"`
	Selector string `json:"selector,omitempty"`
	Private  []byte `json:"private,omitempty"`
}

func (s *Server) addIdentity(r *http.Request) (any, error) {
	q, err := read[addRequest](r)
	if err != nil {
		return nil, err
	}
	// First, so that a mistake in it makes no account.
	if err := identity.CheckName(q.Identity); err != nil {
		return nil, err
	}
	a, made, err := s.findOrMake(r.Context(), q.Account)
	if err != nil {
		return nil, err
	}
	i, err := s.o.Identities.Add(r.Context(), a.ID, q.Identity, identity.AddOptions{Verified: q.Verified, DKIM: q.DKIM,
		Ed25519: q.Ed25519, Selector: q.Selector, Private: q.Private})
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("identity added", "account", a.ID, "domain", i.Name, "status", i.Status())
	mailed := false
	if !i.Verified && !i.IsDomain() && s.o.MailLink != nil {
		if i, err = s.mailLink(r.Context(), i); err != nil {
			return nil, err
		}
		mailed = true
	}
	s.wake()
	answer := s.identity(i)
	answer.AccountMade, answer.Mailed = made, mailed
	return answer, nil
}

func (s *Server) wake() {
	if s.o.Checker != nil {
		s.o.Checker.Wake()
	}
}

// mailLink begins the verification of an identity anew, for an address by mail.
func (s *Server) mailLink(ctx context.Context, i identity.Identity) (identity.Identity, error) {
	i, link, err := s.o.Identities.Restart(ctx, i.Account, i.Name)
	if err != nil || link == "" {
		return i, err
	}
	return i, s.o.MailLink(ctx, i, link)
}

func (s *Server) identity(i identity.Identity) Identity {
	records := s.o.Identities.Records(i)
	if records == nil {
		records = []identity.Record{} // an empty list in JSON too
	}
	answer := Identity{
		Account: s.name(i.Account), Identity: i.Name, Status: i.Status(), Created: i.Created, Records: records,
		Verification: i.Verification.State, DKIM: i.DKIM.State, Paused: i.Paused, Rotating: i.Rotating, Signing: i.Sign, Labels: i.Labels,
		ConfigurationSet: i.Set, Tags: i.Tags, Forwarding: !i.NoForwarding, Headers: i.Headers,
	}
	if i.NoForwarding {
		answer.Mailing = s.unheard(i)
	}
	if m := i.MailFrom; m.Domain != "" {
		answer.MailFrom = &MailFrom{Domain: m.Domain, OnFailure: onFailure(m.Reject), State: m.Check.State}
	}
	for _, k := range i.Keys {
		use := string(k.Use)
		if use == "" {
			use = "signing"
		}
		answer.Keys = append(answer.Keys, Key{Selector: k.Selector, Algorithm: k.Algorithm.String(), Use: use})
	}
	return answer
}

func (s *Server) listIdentities(r *http.Request) (any, error) {
	return narrowed(s, r, s.o.Identities.List, s.identity)
}

// theIdentity gives the one that the query names.
func (s *Server) theIdentity(r *http.Request) (identity.Identity, error) {
	a, err := s.account(r.FormValue("account"))
	if err != nil {
		return identity.Identity{}, err
	}
	i, err := s.o.Identities.Get(a.ID, r.FormValue("identity"))
	return i, s.noIdentity(err, a.ID)
}

func (s *Server) showIdentity(r *http.Request) (any, error) {
	i, err := s.theIdentity(r)
	if err != nil {
		return nil, err
	}
	return s.identity(i), nil
}

func (s *Server) removeIdentity(r *http.Request) (any, error) {
	i, err := s.theIdentity(r)
	if err != nil {
		return nil, err
	}
	if err := s.o.Identities.Remove(r.Context(), i.Account, i.Name); err != nil {
		return nil, err
	}
	s.o.Log.Info("identity removed", "account", i.Account, "domain", i.Name)
	return s.identity(i), nil
}

func (s *Server) identityRecords(r *http.Request) (any, error) {
	i, err := s.theIdentity(r)
	if err != nil {
		return nil, err
	}
	return records(s.o.Identities.Records(i)), nil
}

func (s *Server) hostRecords(*http.Request) (any, error) {
	return records(s.o.Identities.HostRecords()), nil
}

func (s *Server) serviceRecords(*http.Request) (any, error) {
	rs, err := s.o.Identities.ServiceRecords()
	if err != nil {
		return nil, err
	}
	return records(rs), nil
}

func records(rs []identity.Record) list {
	return each(rs, func(r identity.Record) identity.Record { return r })
}
