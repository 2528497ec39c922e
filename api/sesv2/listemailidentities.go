package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api"
)

// maxPage is the most identities in one answer.
const maxPage = 1000

type listEmailIdentitiesRequest struct {
	Filter    map[string]string
	NextToken string `query:"NextToken"`
	PageSize  int    `query:"PageSize"`
}

type identityInfo struct {
	IdentityType       string
	IdentityName       string
	SendingEnabled     bool
	VerificationStatus identity.State
}

type listEmailIdentitiesResult struct {
	EmailIdentities []identityInfo
	NextToken       string `json:",omitempty"`
}

func (s *Server) listEmailIdentities(_ context.Context, c *api.Call, in *listEmailIdentitiesRequest) (*listEmailIdentitiesResult, error) {
	if len(in.Filter) > 0 {
		return nil, api.BadParameter("Filters of identities are not available.")
	}
	size, err := api.Size(in.PageSize, maxPage)
	if err != nil {
		return nil, err
	}
	page, next, err := api.Page(s.r.Identities.List(c.AccountID()), func(i identity.Identity) string { return i.Name }, in.NextToken, size)
	if err != nil {
		return nil, err
	}
	out := &listEmailIdentitiesResult{EmailIdentities: []identityInfo{}, NextToken: next}
	for _, i := range page {
		out.EmailIdentities = append(out.EmailIdentities, identityInfo{typeOf(i), i.Name, i.Verified && !i.Paused, i.Verification.State})
	}
	return out, nil
}
