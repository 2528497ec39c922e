package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sesame-mta/sesame/account/identity"
)

// What happens to mail while a MAIL FROM domain is not set up.
const (
	OnFailureDefault = "default" // the default takes its place
	OnFailureReject  = "reject"
)

func onFailure(reject bool) string {
	if reject {
		return OnFailureReject
	}
	return OnFailureDefault
}

// changeRequest names the identity that a change is about, and what there is to
// change. It is the body of all the POST requests for one identity.
type changeRequest struct {
	Account  string `json:"account"`
	Identity string `json:"identity"`

	Paused    bool              `json:"paused,omitempty"`
	Domain    string            `json:"domain,omitempty"`
	OnFailure string            `json:"on_failure,omitempty"`
	Selector  string            `json:"selector,omitempty"`
	Private   []byte            `json:"private,omitempty"`
	Defaults  identity.Defaults `json:"defaults,omitzero"`

	Notifications identity.Notifications `json:"notifications,omitzero"`
}

func (q changeRequest) owner() string { return q.Account }

// changing reads a request and gives the identity that f makes of it.
func (s *Server) changing(r *http.Request, what string, f func(ctx context.Context, id string, q changeRequest) (identity.Identity, error)) (any, error) {
	q, id, err := readOf(s, r, changeRequest.owner)
	if err != nil {
		return nil, err
	}
	i, err := f(r.Context(), id, q)
	if err != nil {
		return nil, s.noIdentity(err, id)
	}
	s.o.Log.Info("identity set", "account", id, "domain", i.Name, "text", what)
	s.wake()
	return s.identity(i), nil
}

func (s *Server) pauseIdentity(r *http.Request) (any, error) {
	return s.changing(r, "pause", func(ctx context.Context, id string, q changeRequest) (identity.Identity, error) {
		return s.o.Identities.Pause(ctx, id, q.Identity, q.Paused)
	})
}

func (s *Server) setMailFrom(r *http.Request) (any, error) {
	return s.changing(r, "mail from", func(ctx context.Context, id string, q changeRequest) (identity.Identity, error) {
		switch q.OnFailure {
		case "", OnFailureDefault, OnFailureReject:
		default:
			return identity.Identity{}, fmt.Errorf("%w: on failure is %q or %q", errRequest, OnFailureDefault, OnFailureReject)
		}
		return s.o.Identities.SetMailFrom(ctx, id, q.Identity, q.Domain, q.OnFailure == OnFailureReject)
	})
}

func (s *Server) rotateIdentity(r *http.Request) (any, error) {
	return s.changing(r, "rotate", func(ctx context.Context, id string, q changeRequest) (identity.Identity, error) {
		return s.o.Identities.RotateDKIM(ctx, id, q.Identity, q.Selector, q.Private)
	})
}

func (s *Server) setDefaults(r *http.Request) (any, error) {
	return s.changing(r, "defaults", func(ctx context.Context, id string, q changeRequest) (identity.Identity, error) {
		return s.o.Identities.SetDefaults(ctx, id, q.Identity, q.Defaults)
	})
}

// errNoLinks says that an address cannot be verified by mail.
var errNoLinks = fmt.Errorf("%w: no link can be mailed unless the file names public_url in [service] and public in [listen]; add the address with --verified instead", identity.ErrSetting)

// verifyIdentity begins a verification anew.
func (s *Server) verifyIdentity(r *http.Request) (any, error) {
	q, id, err := readOf(s, r, changeRequest.owner)
	if err != nil {
		return nil, err
	}
	i, err := s.o.Identities.Get(id, q.Identity)
	if err != nil {
		return nil, s.noIdentity(err, id)
	}
	if !i.IsDomain() && s.o.MailLink == nil {
		return nil, errNoLinks
	}
	if i, err = s.mailLink(r.Context(), i); err != nil {
		return nil, err
	}
	s.o.Log.Info("identity verification begun", "account", id, "domain", i.Name)
	s.wake()
	answer := s.identity(i)
	answer.Mailed = !i.IsDomain()
	return answer, nil
}

// checkIdentity asks DNS now.
func (s *Server) checkIdentity(r *http.Request) (any, error) {
	q, id, err := readOf(s, r, changeRequest.owner)
	if err != nil {
		return nil, err
	}
	if s.o.Checker == nil {
		return nil, fmt.Errorf("%w: this server checks nothing", errRequest)
	}
	i, problems, err := s.o.Checker.Check(r.Context(), id, q.Identity)
	if err != nil {
		return nil, s.noIdentity(err, id)
	}
	if problems == nil {
		problems = []string{}
	}
	return Checked{Identity: s.identity(i), Problems: problems}, nil
}
