package sesv2

import (
	"context"
	"slices"
	"strings"

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
	passes, err := filter(in.Filter)
	if err != nil {
		return nil, err
	}
	size, err := api.Size(in.PageSize, maxPage)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(s.r.Identities.List(c.AccountID()), func(i identity.Identity) bool { return !passes(i) })
	page, next, err := api.Page(list, func(i identity.Identity) string { return i.Name }, in.NextToken, size)
	if err != nil {
		return nil, err
	}
	out := &listEmailIdentitiesResult{EmailIdentities: []identityInfo{}, NextToken: next}
	for _, i := range page {
		out.EmailIdentities = append(out.EmailIdentities, identityInfo{typeOf(i), i.Name, i.Verified && !i.Paused, i.Verification.State})
	}
	return out, nil
}

// filter reads what identities are wanted.
func filter(by map[string]string) (func(identity.Identity) bool, error) {
	part, kind, state := strings.ToLower(by["IDENTITY_NAME_CONTAINS"]), by["IDENTITY_TYPE"], by["VERIFICATION_STATUS"]
	for key := range by {
		if err := api.OneOf("filter", key, "IDENTITY_NAME_CONTAINS", "IDENTITY_TYPE", "VERIFICATION_STATUS"); err != nil {
			return nil, err
		}
	}
	return func(i identity.Identity) bool {
		return strings.Contains(i.Name, part) && (kind == "" || kind == typeOf(i)) && (state == "" || state == string(i.Verification.State))
	}, nil
}
