package ses

import (
	"context"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api"
)

// Types of identities.
const (
	typeAddress = "EmailAddress"
	typeDomain  = "Domain"
)

// maxPage is the most identities in one answer.
const maxPage = 1000

type listIdentitiesRequest struct {
	IdentityType string
	NextToken    string
	MaxItems     int
}

type listIdentitiesResult struct {
	Identities []string
	NextToken  string
}

func (s *Server) listIdentities(_ context.Context, c *api.Call, in *listIdentitiesRequest) (*listIdentitiesResult, error) {
	if err := api.OneOf("identityType", in.IdentityType, typeAddress, typeDomain); err != nil {
		return nil, err
	}
	size, err := api.Size(in.MaxItems, maxPage)
	if err != nil {
		return nil, err
	}
	page, next, err := api.Page(s.names(c, in.IdentityType, false), func(name string) string { return name }, in.NextToken, size)
	return &listIdentitiesResult{page, next}, err
}

type listVerifiedEmailAddressesResult struct {
	VerifiedEmailAddresses []string
}

func (s *Server) listVerifiedEmailAddresses(_ context.Context, c *api.Call, _ *none) (*listVerifiedEmailAddressesResult, error) {
	return &listVerifiedEmailAddressesResult{s.names(c, typeAddress, true)}, nil
}

// names gives the names of identities of one type, or of all.
func (s *Server) names(c *api.Call, kind string, verified bool) (names []string) {
	for _, i := range s.r.Identities.List(c.AccountID()) {
		if (kind == "" || kind == typeOf(i)) && (i.Verified || !verified) {
			names = append(names, i.Name)
		}
	}
	return names
}

func typeOf(i identity.Identity) string {
	if i.IsDomain() {
		return typeDomain
	}
	return typeAddress
}
