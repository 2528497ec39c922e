package ses

import (
	"context"
	"slices"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api"
)

// state gives a state in the words of version 1 (spec section 4.1).
func state(s identity.State) string {
	switch s {
	case identity.Pending:
		return "Pending"
	case identity.Success:
		return "Success"
	case identity.Failed:
		return "Failed"
	case identity.TemporaryFailure:
		return "TemporaryFailure"
	case identity.NotStarted:
	}
	return "NotStarted"
}

type identitiesRequest struct {
	Identities []string `api:"required"`
}

// maxIdentities is the most identities to ask for at once.
const maxIdentities = 100

// attributes gives what f tells of each identity that is there, under the name by
// which it was asked for. The others are left out.
func attributes[T any](s *Server, c *api.Call, in *identitiesRequest, f func(identity.Identity) T) (map[string]T, error) {
	if len(in.Identities) > maxIdentities {
		return nil, api.Constraint("identities", "have length less than or equal to 100")
	}
	out := make(map[string]T, len(in.Identities))
	for _, name := range in.Identities {
		if i, err := s.r.Identity(c, name); err == nil {
			out[name] = f(i)
		}
	}
	return out, nil
}

type verificationAttributes struct {
	VerificationStatus string
	VerificationToken  string
}

type getIdentityVerificationAttributesResult struct {
	VerificationAttributes map[string]verificationAttributes
}

func (s *Server) getIdentityVerificationAttributes(_ context.Context, c *api.Call, in *identitiesRequest) (*getIdentityVerificationAttributesResult, error) {
	out, err := attributes(s, c, in, func(i identity.Identity) verificationAttributes {
		return verificationAttributes{state(i.Verification.State), i.Token}
	})
	return &getIdentityVerificationAttributesResult{out}, err
}

type dkimAttributes struct {
	DkimEnabled            bool
	DkimVerificationStatus string
	DkimTokens             []string
}

type getIdentityDkimAttributesResult struct {
	DkimAttributes map[string]dkimAttributes
}

func (s *Server) getIdentityDkimAttributes(_ context.Context, c *api.Call, in *identitiesRequest) (*getIdentityDkimAttributesResult, error) {
	out, err := attributes(s, c, in, func(i identity.Identity) dkimAttributes {
		p := s.r.Plan(i)
		return dkimAttributes{s.r.Identities.SignsFor(i), state(p.State), p.Tokens}
	})
	return &getIdentityDkimAttributesResult{out}, err
}

// What happens to mail while a MAIL FROM domain is not set up.
const (
	useDefault = "UseDefaultValue"
	rejectMail = "RejectMessage"
)

type mailFromAttributes struct {
	MailFromDomain       string
	MailFromDomainStatus string
	BehaviorOnMXFailure  string
}

type getIdentityMailFromDomainAttributesResult struct {
	MailFromDomainAttributes map[string]mailFromAttributes
}

func (s *Server) getIdentityMailFromDomainAttributes(_ context.Context, c *api.Call, in *identitiesRequest) (*getIdentityMailFromDomainAttributesResult, error) {
	out, err := attributes(s, c, in, func(i identity.Identity) mailFromAttributes {
		m := mailFromAttributes{MailFromDomain: i.MailFrom.Domain, BehaviorOnMXFailure: useDefault}
		if i.MailFrom.Domain != "" {
			m.MailFromDomainStatus = state(i.MailFrom.Check.State)
		}
		if i.MailFrom.Reject {
			m.BehaviorOnMXFailure = rejectMail
		}
		return m
	})
	return &getIdentityMailFromDomainAttributesResult{out}, err
}

type notificationAttributes struct {
	BounceTopic, ComplaintTopic, DeliveryTopic string
	ForwardingEnabled                          bool
	HeadersInBounceNotificationsEnabled        bool
	HeadersInComplaintNotificationsEnabled     bool
	HeadersInDeliveryNotificationsEnabled      bool
}

type getIdentityNotificationAttributesResult struct {
	NotificationAttributes map[string]notificationAttributes
}

func (s *Server) getIdentityNotificationAttributes(_ context.Context, c *api.Call, in *identitiesRequest) (*getIdentityNotificationAttributesResult, error) {
	out, err := attributes(s, c, in, func(i identity.Identity) notificationAttributes {
		shows := func(word string) bool { return slices.Contains(i.Headers, word) }
		return notificationAttributes{
			s.r.TopicOf(i, "bounce"), s.r.TopicOf(i, "complaint"), s.r.TopicOf(i, "delivery"),
			!i.NoForwarding, shows("bounce"), shows("complaint"), shows("delivery"),
		}
	})
	return &getIdentityNotificationAttributesResult{out}, err
}
