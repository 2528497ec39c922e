package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/api"
)

type sendQuota struct {
	Max24HourSend, MaxSendRate, SentLast24Hours float64
}

type suppressionAttributes struct {
	SuppressedReasons []string
}

type reviewDetails struct {
	Status string
}

type accountDetails struct {
	MailType                        string
	WebsiteURL                      string
	ContactLanguage                 string         `json:",omitempty"`
	UseCaseDescription              string         `json:",omitempty"`
	AdditionalContactEmailAddresses []string       `json:",omitempty"`
	ReviewDetails                   *reviewDetails `json:",omitempty"`
}

type vdmAttributes struct{ VdmEnabled string }

type getAccountResult struct {
	DedicatedIpAutoWarmupEnabled bool
	Details                      *accountDetails `json:",omitempty"`
	EnforcementStatus            string
	ProductionAccessEnabled      bool
	SendQuota                    sendQuota
	SendingEnabled               bool
	SuppressionAttributes        suppressionAttributes
	VdmAttributes                vdmAttributes
}

func (s *Server) getAccount(ctx context.Context, c *api.Call, _ *none) (*getAccountResult, error) {
	q, err := s.r.Quota(ctx, c)
	if err != nil {
		return nil, err
	}
	a := c.Account
	return &getAccountResult{
		Details: describe(a), EnforcementStatus: s.r.Reputation.Enforcement(a),
		ProductionAccessEnabled: a.Production, SendingEnabled: !a.Paused && !a.SendingOff,
		SendQuota:             sendQuota{q.MaxDay, q.MaxRate, q.Used},
		SuppressionAttributes: suppressionAttributes{api.Reasons(a.Suppress)},
		VdmAttributes:         vdmAttributes{"DISABLED"},
	}, nil
}

// describe gives what was told of an account; nil when nothing was.
func describe(a account.Account) *accountDetails {
	d := a.Details
	if d == nil {
		return nil
	}
	out := &accountDetails{MailType: d.MailType, WebsiteURL: d.WebsiteURL, ContactLanguage: d.Language,
		UseCaseDescription: d.UseCase, AdditionalContactEmailAddresses: d.Contacts}
	if review := a.Review(); review != account.ReviewNone {
		out.ReviewDetails = &reviewDetails{Status: string(review)}
	}
	return out
}
