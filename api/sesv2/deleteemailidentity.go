package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

func (s *Server) deleteEmailIdentity(ctx context.Context, c *api.Call, in *emailIdentityRequest) (*none, error) {
	return &none{}, s.r.RemoveIdentity(ctx, c, in.EmailIdentity)
}
