package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type deleteIdentityRequest struct {
	Identity string `api:"required"`
}

// deleteIdentity has nothing to say of one that is not there (spec section 10.2).
func (s *Server) deleteIdentity(ctx context.Context, c *api.Call, in *deleteIdentityRequest) (*none, error) {
	return &none{}, s.r.DropIdentity(ctx, c, in.Identity)
}

type deleteVerifiedEmailAddressRequest struct {
	EmailAddress string `api:"required"`
}

// deleteVerifiedEmailAddress is of the time before there were domains, and leaves
// them alone.
func (s *Server) deleteVerifiedEmailAddress(ctx context.Context, c *api.Call, in *deleteVerifiedEmailAddressRequest) (*none, error) {
	if err := checkAddress(in.EmailAddress); err != nil {
		return nil, err
	}
	return &none{}, s.r.DropIdentity(ctx, c, in.EmailAddress)
}
