package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api"
)

type putEmailIdentityDkimAttributesRequest struct {
	EmailIdentity  string `path:"EmailIdentity" json:"-" api:"required"`
	SigningEnabled bool
}

func (s *Server) putEmailIdentityDkimAttributes(ctx context.Context, c *api.Call, in *putEmailIdentityDkimAttributesRequest) (*none, error) {
	return &none{}, s.r.SetDKIM(ctx, c, in.EmailIdentity, in.SigningEnabled)
}

type putEmailIdentityDkimSigningAttributesRequest struct {
	EmailIdentity           string `path:"EmailIdentity" json:"-" api:"required"`
	SigningAttributesOrigin string `api:"required"`
	SigningAttributes       *dkimSigningAttributes
}

type putEmailIdentityDkimSigningAttributesResult struct {
	DkimStatus        identity.State
	DkimTokens        []string
	SigningHostedZone string `json:",omitempty"`
}

func (s *Server) putEmailIdentityDkimSigningAttributes(ctx context.Context, c *api.Call, in *putEmailIdentityDkimSigningAttributesRequest) (*putEmailIdentityDkimSigningAttributesResult, error) {
	if err := in.SigningAttributes.check(); err != nil {
		return nil, err
	}
	a := in.SigningAttributes
	if a == nil {
		a = &dkimSigningAttributes{}
	}
	var (
		i   identity.Identity
		err error
	)
	switch {
	case in.SigningAttributesOrigin == originEasy && a.DomainSigningSelector == "":
		i, err = s.r.UseEasy(ctx, c, in.EmailIdentity)
	case in.SigningAttributesOrigin == originExternal && a.DomainSigningSelector != "":
		i, err = s.r.ChangeIdentity(ctx, c, in.EmailIdentity, func(ctx context.Context, accountID, name string) (identity.Identity, error) {
			return s.r.Identities.Bring(ctx, accountID, name, a.DomainSigningSelector, []byte(a.DomainSigningPrivateKey))
		})
	case in.SigningAttributesOrigin == originEasy, in.SigningAttributesOrigin == originExternal:
		err = api.BadParameter("SigningAttributes must hold a key with EXTERNAL, and only then.")
	default:
		err = api.BadParameter("SigningAttributesOrigin must be AWS_SES or EXTERNAL.")
	}
	if err != nil {
		return nil, err
	}
	d := s.dkim(i)
	return &putEmailIdentityDkimSigningAttributesResult{d.Status, d.Tokens, d.SigningHostedZone}, nil
}

type putEmailIdentityMailFromAttributesRequest struct {
	EmailIdentity       string `path:"EmailIdentity" json:"-" api:"required"`
	BehaviorOnMxFailure string
	MailFromDomain      string
}

func (s *Server) putEmailIdentityMailFromAttributes(ctx context.Context, c *api.Call, in *putEmailIdentityMailFromAttributesRequest) (*none, error) {
	if err := api.OneOf("behaviorOnMxFailure", in.BehaviorOnMxFailure, useDefault, rejectMail); err != nil {
		return nil, err
	}
	return &none{}, s.r.SetMailFrom(ctx, c, in.EmailIdentity, in.MailFromDomain, in.BehaviorOnMxFailure == rejectMail)
}

type putEmailIdentityFeedbackAttributesRequest struct {
	EmailIdentity          string `path:"EmailIdentity" json:"-" api:"required"`
	EmailForwardingEnabled bool
}

func (s *Server) putEmailIdentityFeedbackAttributes(ctx context.Context, c *api.Call, in *putEmailIdentityFeedbackAttributesRequest) (*none, error) {
	return &none{}, s.r.SetForwarding(ctx, c, in.EmailIdentity, in.EmailForwardingEnabled)
}

type putEmailIdentityConfigurationSetAttributesRequest struct {
	EmailIdentity        string `path:"EmailIdentity" json:"-" api:"required"`
	ConfigurationSetName string
}

func (s *Server) putEmailIdentityConfigurationSetAttributes(ctx context.Context, c *api.Call, in *putEmailIdentityConfigurationSetAttributesRequest) (*none, error) {
	return &none{}, s.r.SetDefaultSet(ctx, c, in.EmailIdentity, in.ConfigurationSetName)
}
