package ses

import (
	"context"
	"strings"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api"
)

type setIdentityDkimEnabledRequest struct {
	Identity    string `api:"required"`
	DkimEnabled bool
}

func (s *Server) setIdentityDkimEnabled(ctx context.Context, c *api.Call, in *setIdentityDkimEnabledRequest) (*none, error) {
	return &none{}, s.r.SetDKIM(ctx, c, in.Identity, in.DkimEnabled)
}

type setIdentityMailFromDomainRequest struct {
	Identity            string `api:"required"`
	MailFromDomain      string
	BehaviorOnMXFailure string
}

func (s *Server) setIdentityMailFromDomain(ctx context.Context, c *api.Call, in *setIdentityMailFromDomainRequest) (*none, error) {
	if err := api.OneOf("behaviorOnMXFailure", in.BehaviorOnMXFailure, rejectMail, useDefault); err != nil {
		return nil, err
	}
	return &none{}, s.r.SetMailFrom(ctx, c, in.Identity, in.MailFromDomain, in.BehaviorOnMXFailure == rejectMail)
}

// notificationTypes are what an identity tells of; in lower case they are the words
// of the books.
var notificationTypes = []string{"Bounce", "Complaint", "Delivery"}

type setIdentityNotificationTopicRequest struct {
	Identity         string `api:"required"`
	NotificationType string `api:"required"`
	SnsTopic         string
}

func (s *Server) setIdentityNotificationTopic(ctx context.Context, c *api.Call, in *setIdentityNotificationTopicRequest) (*none, error) {
	if err := api.OneOf("notificationType", in.NotificationType, notificationTypes...); err != nil {
		return nil, err
	}
	return &none{}, s.r.SetTopic(ctx, c, in.Identity, strings.ToLower(in.NotificationType), in.SnsTopic)
}

type setIdentityFeedbackForwardingEnabledRequest struct {
	Identity          string `api:"required"`
	ForwardingEnabled bool
}

// setIdentityFeedbackForwardingEnabled keeps the mail where nothing else is set up;
// version 2 lets it go and mails all the same.
func (s *Server) setIdentityFeedbackForwardingEnabled(ctx context.Context, c *api.Call, in *setIdentityFeedbackForwardingEnabledRequest) (*none, error) {
	if !in.ForwardingEnabled {
		i, err := s.r.Identity(c, in.Identity)
		if err != nil {
			return nil, err
		}
		if err := s.r.CanForgoMail(i); err != nil {
			return nil, err
		}
	}
	return &none{}, s.r.SetForwarding(ctx, c, in.Identity, in.ForwardingEnabled)
}

type setIdentityHeadersInNotificationsEnabledRequest struct {
	Identity         string `api:"required"`
	NotificationType string `api:"required"`
	Enabled          bool
}

func (s *Server) setIdentityHeadersInNotificationsEnabled(ctx context.Context, c *api.Call, in *setIdentityHeadersInNotificationsEnabledRequest) (*none, error) {
	if err := api.OneOf("notificationType", in.NotificationType, notificationTypes...); err != nil {
		return nil, err
	}
	_, err := s.r.ChangeIdentity(ctx, c, in.Identity, func(ctx context.Context, accountID, name string) (identity.Identity, error) {
		return s.r.Identities.SetHeaders(ctx, accountID, name, strings.ToLower(in.NotificationType), in.Enabled)
	})
	return &none{}, err
}
