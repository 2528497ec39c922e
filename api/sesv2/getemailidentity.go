package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api"
)

type mailFromAttributes struct {
	MailFromDomain       string         `json:",omitempty"`
	MailFromDomainStatus identity.State `json:",omitempty"`
	BehaviorOnMxFailure  string
}

type verificationInfo struct {
	LastCheckedTimestamp api.Time `json:",omitzero"`
	LastSuccessTimestamp api.Time `json:",omitzero"`
}

type getEmailIdentityResult struct {
	IdentityType             string
	FeedbackForwardingStatus bool
	VerifiedForSendingStatus bool
	VerificationStatus       identity.State
	VerificationInfo         verificationInfo
	DkimAttributes           dkimAttributes
	MailFromAttributes       mailFromAttributes
	Policies                 map[string]string
	Tags                     []resourceTag
	ConfigurationSetName     string `json:",omitempty"`
}

func (s *Server) getEmailIdentity(_ context.Context, c *api.Call, in *emailIdentityRequest) (*getEmailIdentityResult, error) {
	i, err := s.r.Identity(c, in.EmailIdentity)
	if err != nil {
		return nil, err
	}
	out := &getEmailIdentityResult{
		IdentityType: typeOf(i), FeedbackForwardingStatus: !i.NoForwarding, VerifiedForSendingStatus: i.Verified,
		VerificationStatus: i.Verification.State, VerificationInfo: s.verification(i), DkimAttributes: s.dkim(i),
		MailFromAttributes: mailFrom(i), Policies: map[string]string{}, Tags: resourceTags(i.Labels), ConfigurationSetName: i.Set,
	}
	return out, nil
}

// verification tells what is known of the looks at DNS. When the state is a bad one
// the last success is not remembered.
func (s *Server) verification(i identity.Identity) (v verificationInfo) {
	if s.r.Checker != nil {
		v.LastCheckedTimestamp = api.At(s.r.Checker.Looked(i))
	}
	if i.Verification.State == identity.Success {
		v.LastSuccessTimestamp = api.At(i.Verification.Since)
		if v.LastCheckedTimestamp.After(i.Verification.Since) {
			v.LastSuccessTimestamp = v.LastCheckedTimestamp
		}
	}
	return v
}

// What happens to mail while a MAIL FROM domain is not set up.
const (
	useDefault = "USE_DEFAULT_VALUE"
	rejectMail = "REJECT_MESSAGE"
)

func mailFrom(i identity.Identity) mailFromAttributes {
	out := mailFromAttributes{MailFromDomain: i.MailFrom.Domain, BehaviorOnMxFailure: useDefault}
	if i.MailFrom.Domain != "" {
		out.MailFromDomainStatus = i.MailFrom.Check.State
	}
	if i.MailFrom.Reject {
		out.BehaviorOnMxFailure = rejectMail
	}
	return out
}
