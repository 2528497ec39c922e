package ses

import (
	"context"
	"strings"

	"github.com/sesame-mta/sesame/api"
)

type verifyEmailRequest struct {
	EmailAddress string `api:"required"`
}

// checkAddress keeps domains out.
func checkAddress(name string) error {
	if !strings.Contains(name, "@") {
		return api.BadParameter("Invalid email address<" + name + ">.")
	}
	return nil
}

// verifyEmailIdentity mails a link, and another one when it is asked again.
func (s *Server) verifyEmailIdentity(ctx context.Context, c *api.Call, in *verifyEmailRequest) (*none, error) {
	if err := checkAddress(in.EmailAddress); err != nil {
		return nil, err
	}
	_, err := s.r.Verify(ctx, c, in.EmailAddress)
	return &none{}, err
}

type verifyDomainRequest struct {
	Domain string `api:"required"`
}

// check keeps addresses out.
func (in *verifyDomainRequest) check() error {
	if strings.Contains(in.Domain, "@") {
		return api.BadParameter("Invalid domain name <" + in.Domain + ">.")
	}
	return nil
}

type verifyDomainIdentityResult struct {
	VerificationToken string
}

func (s *Server) verifyDomainIdentity(ctx context.Context, c *api.Call, in *verifyDomainRequest) (*verifyDomainIdentityResult, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	i, err := s.r.Verify(ctx, c, in.Domain)
	return &verifyDomainIdentityResult{i.Token}, err
}

type verifyDomainDkimResult struct {
	DkimTokens []string
}

func (s *Server) verifyDomainDkim(ctx context.Context, c *api.Call, in *verifyDomainRequest) (*verifyDomainDkimResult, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	tokens, err := s.r.EasyTokens(ctx, c, in.Domain)
	return &verifyDomainDkimResult{tokens}, err
}
