package ses

// noDelegates is what operations that send lack.
const noDelegates = "ARNs of sending authorization are passed over"

// Why some operations are not there yet.
const (
	laterMailed    = "the mail that asks for a verification is sesame's own"
	laterReceiving = "mail for people is not received"
	laterTracking  = "opens and clicks are not tracked"
)

// operations is the route table: one line for each operation of version 1, in the
// order of their names.
func (s *Server) operations() []route {
	return []route{
		later("CloneReceiptRuleSet").until(laterReceiving),
		on("CreateConfigurationSet", s.createConfigurationSet),
		on("CreateConfigurationSetEventDestination", s.createConfigurationSetEventDestination).but(notTold),
		later("CreateConfigurationSetTrackingOptions").until(laterTracking),
		later("CreateCustomVerificationEmailTemplate").until(laterMailed),
		later("CreateReceiptFilter").until(laterReceiving),
		later("CreateReceiptRule").until(laterReceiving),
		later("CreateReceiptRuleSet").until(laterReceiving),
		on("CreateTemplate", s.createTemplate),
		on("DeleteConfigurationSet", s.deleteConfigurationSet),
		on("DeleteConfigurationSetEventDestination", s.deleteConfigurationSetEventDestination),
		later("DeleteConfigurationSetTrackingOptions").until(laterTracking),
		later("DeleteCustomVerificationEmailTemplate").until(laterMailed),
		on("DeleteIdentity", s.deleteIdentity),
		later("DeleteIdentityPolicy").never("an identity is for its own account alone"),
		later("DeleteReceiptFilter").until(laterReceiving),
		later("DeleteReceiptRule").until(laterReceiving),
		later("DeleteReceiptRuleSet").until(laterReceiving),
		on("DeleteTemplate", s.deleteTemplate),
		on("DeleteVerifiedEmailAddress", s.deleteVerifiedEmailAddress),
		later("DescribeActiveReceiptRuleSet").until(laterReceiving),
		on("DescribeConfigurationSet", s.describeConfigurationSet).but(noTracking),
		later("DescribeReceiptRule").until(laterReceiving),
		later("DescribeReceiptRuleSet").until(laterReceiving),
		on("GetAccountSendingEnabled", s.getAccountSendingEnabled),
		later("GetCustomVerificationEmailTemplate").until(laterMailed),
		on("GetIdentityDkimAttributes", s.getIdentityDkimAttributes),
		on("GetIdentityMailFromDomainAttributes", s.getIdentityMailFromDomainAttributes),
		on("GetIdentityNotificationAttributes", s.getIdentityNotificationAttributes),
		on("GetIdentityPolicies", s.getIdentityPolicies).but("there are no policies"),
		on("GetIdentityVerificationAttributes", s.getIdentityVerificationAttributes),
		on("GetSendQuota", s.getSendQuota),
		on("GetSendStatistics", s.getSendStatistics),
		on("GetTemplate", s.getTemplate),
		on("ListConfigurationSets", s.listConfigurationSets),
		later("ListCustomVerificationEmailTemplates").until(laterMailed),
		on("ListIdentities", s.listIdentities),
		on("ListIdentityPolicies", s.listIdentityPolicies).but("there are no policies"),
		later("ListReceiptFilters").until(laterReceiving),
		later("ListReceiptRuleSets").until(laterReceiving),
		on("ListTemplates", s.listTemplates),
		on("ListVerifiedEmailAddresses", s.listVerifiedEmailAddresses),
		on("PutConfigurationSetDeliveryOptions", s.putConfigurationSetDeliveryOptions),
		later("PutIdentityPolicy").never("an identity is for its own account alone"),
		later("ReorderReceiptRuleSet").until(laterReceiving),
		later("SendBounce").until(laterReceiving),
		on("SendBulkTemplatedEmail", s.sendBulkTemplatedEmail).sending().but(noDelegates),
		later("SendCustomVerificationEmail").until(laterMailed),
		on("SendEmail", s.sendEmail).sending().but(noDelegates),
		on("SendRawEmail", s.sendRawEmail).sending().but(noDelegates),
		on("SendTemplatedEmail", s.sendTemplatedEmail).sending().but(noDelegates),
		later("SetActiveReceiptRuleSet").until(laterReceiving),
		on("SetIdentityDkimEnabled", s.setIdentityDkimEnabled),
		on("SetIdentityFeedbackForwardingEnabled", s.setIdentityFeedbackForwardingEnabled),
		on("SetIdentityHeadersInNotificationsEnabled", s.setIdentityHeadersInNotificationsEnabled),
		on("SetIdentityMailFromDomain", s.setIdentityMailFromDomain),
		on("SetIdentityNotificationTopic", s.setIdentityNotificationTopic),
		later("SetReceiptRulePosition").until(laterReceiving),
		on("TestRenderTemplate", s.testRenderTemplate),
		on("UpdateAccountSendingEnabled", s.updateAccountSendingEnabled),
		on("UpdateConfigurationSetEventDestination", s.updateConfigurationSetEventDestination).but(notTold),
		on("UpdateConfigurationSetReputationMetricsEnabled", s.updateConfigurationSetReputationMetricsEnabled).but(allCounted),
		on("UpdateConfigurationSetSendingEnabled", s.updateConfigurationSetSendingEnabled),
		later("UpdateConfigurationSetTrackingOptions").until(laterTracking),
		later("UpdateCustomVerificationEmailTemplate").until(laterMailed),
		later("UpdateReceiptRule").until(laterReceiving),
		on("UpdateTemplate", s.updateTemplate),
		on("VerifyDomainDkim", s.verifyDomainDkim),
		on("VerifyDomainIdentity", s.verifyDomainIdentity),
		on("VerifyEmailAddress", s.verifyEmailIdentity),
		on("VerifyEmailIdentity", s.verifyEmailIdentity),
	}
}
