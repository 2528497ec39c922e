package sesv2

import (
	"context"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/api"
)

type putAccountDetailsRequest struct {
	MailType                        string  `api:"required"`
	WebsiteURL                      *string `api:"required"`
	ContactLanguage                 string
	UseCaseDescription              string
	AdditionalContactEmailAddresses []string
	ProductionAccessEnabled         *bool
}

func (s *Server) putAccountDetails(ctx context.Context, c *api.Call, in *putAccountDetailsRequest) (*none, error) {
	asks := in.ProductionAccessEnabled != nil && *in.ProductionAccessEnabled
	if c.Account.Production && in.ProductionAccessEnabled != nil && !asks {
		return nil, api.BadParameter("Production access cannot be given up.")
	}
	for member, set := range map[string]struct {
		value string
		words []string
	}{"mailType": {in.MailType, []string{"MARKETING", "TRANSACTIONAL"}}, "contactLanguage": {in.ContactLanguage, []string{"EN", "JA"}}} {
		if err := api.OneOf(member, set.value, set.words...); err != nil {
			return nil, err
		}
	}
	return &none{}, s.r.Describe(ctx, c, account.Details{
		MailType: in.MailType, WebsiteURL: *in.WebsiteURL, Language: in.ContactLanguage, UseCase: in.UseCaseDescription,
		Contacts: in.AdditionalContactEmailAddresses, Told: time.Now().UTC().Truncate(time.Second), Asks: asks,
	})
}
