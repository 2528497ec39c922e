package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api"
)

type dkimSigningAttributes struct {
	DomainSigningSelector         string
	DomainSigningPrivateKey       string
	NextSigningKeyLength          string
	DomainSigningAttributesOrigin string
}

// maxPrivateKey bounds a private key in octets (spec section 4.4).
const maxPrivateKey = 20480

// check says what is wrong with the attributes in themselves.
func (a *dkimSigningAttributes) check() error {
	if a == nil {
		return nil
	}
	path := "dkimSigningAttributes."
	if err := api.OneOf(path+"nextSigningKeyLength", a.NextSigningKeyLength, "RSA_1024_BIT", keyLength); err != nil {
		return err
	}
	if err := api.Within(path+"domainSigningPrivateKey", a.DomainSigningPrivateKey, maxPrivateKey); err != nil {
		return err
	}
	switch {
	case a.NextSigningKeyLength != "" && a.NextSigningKeyLength != keyLength:
		return api.BadParameter("Keys of 1024 bits are not made here.")
	case a.DomainSigningAttributesOrigin != "" && a.DomainSigningAttributesOrigin != originEasy && a.DomainSigningAttributesOrigin != originExternal:
		return api.BadParameter("Keys of other regions are not available.")
	case (a.DomainSigningSelector == "") != (a.DomainSigningPrivateKey == ""):
		return api.BadParameter("DomainSigningSelector and DomainSigningPrivateKey must be given together.")
	case a.DomainSigningSelector != "" && a.NextSigningKeyLength != "":
		return api.BadParameter("NextSigningKeyLength cannot be given with a key.")
	}
	return nil
}

type createEmailIdentityRequest struct {
	EmailIdentity         string `api:"required"`
	ConfigurationSetName  string
	DkimSigningAttributes *dkimSigningAttributes
	Tags                  []resourceTag
}

type createEmailIdentityResult struct {
	IdentityType             string
	VerifiedForSendingStatus bool
	DkimAttributes           dkimAttributes
}

func (s *Server) createEmailIdentity(ctx context.Context, c *api.Call, in *createEmailIdentityRequest) (*createEmailIdentityResult, error) {
	o := identity.AddOptions{DKIM: true, Set: in.ConfigurationSetName, Labels: labels(in.Tags)}
	if a := in.DkimSigningAttributes; a != nil {
		if isAddress(in.EmailIdentity) {
			return nil, api.BadParameter("DkimSigningAttributes are for domains only.")
		}
		if err := a.check(); err != nil {
			return nil, err
		}
		o.Selector, o.Private = a.DomainSigningSelector, []byte(a.DomainSigningPrivateKey)
	}
	i, err := s.r.AddIdentity(ctx, c, in.EmailIdentity, o)
	if err != nil {
		return nil, err
	}
	return &createEmailIdentityResult{typeOf(i), i.Verified, s.dkim(i)}, nil
}
