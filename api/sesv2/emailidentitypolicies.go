package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type getEmailIdentityPoliciesResult struct {
	Policies map[string]string
}

// getEmailIdentityPolicies tells of none: an identity is for its own account alone.
func (s *Server) getEmailIdentityPolicies(_ context.Context, c *api.Call, in *emailIdentityRequest) (*getEmailIdentityPoliciesResult, error) {
	_, err := s.r.Identity(c, in.EmailIdentity)
	return &getEmailIdentityPoliciesResult{map[string]string{}}, err
}
