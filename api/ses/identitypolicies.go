package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

// There are no policies: an identity is for its own account alone.

type identityPoliciesRequest struct {
	Identity string `api:"required"`
}

type listIdentityPoliciesResult struct {
	PolicyNames []string
}

func (s *Server) listIdentityPolicies(_ context.Context, c *api.Call, in *identityPoliciesRequest) (*listIdentityPoliciesResult, error) {
	_, err := s.r.Identity(c, in.Identity)
	return &listIdentityPoliciesResult{}, err
}

type getIdentityPoliciesRequest struct {
	Identity    string   `api:"required"`
	PolicyNames []string `api:"required"`
}

type getIdentityPoliciesResult struct {
	Policies map[string]string
}

func (s *Server) getIdentityPolicies(_ context.Context, c *api.Call, in *getIdentityPoliciesRequest) (*getIdentityPoliciesResult, error) {
	_, err := s.r.Identity(c, in.Identity)
	return &getIdentityPoliciesResult{}, err
}
