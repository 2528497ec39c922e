package sesv2

// noDelegates is why there are no policies of identities.
const noDelegates = "an identity is for its own account alone"

// Why some operations are not there yet.
const (
	laterSMIME    = "mail is signed by DKIM, not yet by S/MIME"
	laterContacts = "there are no contact lists; a set with one-click unsubscribe keeps who left a list"
	laterMailed   = "the mail that asks for a verification is sesame's own"
	laterTenants  = "an account is the only kind of tenant, and its operator makes it"
	laterTracking = "opens and clicks are not tracked"
)

// Why some operations make no sense here.
const (
	noSources    = "source addresses are the operator's, in the [[source]] tables"
	noVDM        = "there is no Virtual Deliverability Manager: metrics are Prometheus', the life of a message is GetMessageInsights"
	noExports    = "there is no S3: events go to destinations, and GetMessageInsights tells of a message"
	noDashboard  = "a service of Amazon over mailboxes of its own"
	noRegions    = "one server is one region"
	noEntities   = "GetAccount tells how an account stands, sesame account reputation its identities and sets"
	noPrices     = "nothing costs anything"
	noValidation = "a service of Amazon over what all its customers send"
)

// operations is the route table: one line for each operation of version 2, in the
// order of their names.
func (s *Server) operations() []route {
	return []route{
		later("AssociateEmailIdentityCertificate", "POST", "/identity/certificates").until(laterSMIME),
		later("BatchGetMetricData", "POST", "/metrics/batch").never(noVDM),
		later("CancelExportJob", "PUT", "/export-jobs/{JobId}/cancel").never(noExports),
		on("CreateConfigurationSet", "POST", "/configuration-sets", s.createConfigurationSet).but(noTracking + "; " + allCounted),
		on("CreateConfigurationSetEventDestination", "POST", "/configuration-sets/{ConfigurationSetName}/event-destinations", s.createConfigurationSetEventDestination).but(notTold),
		later("CreateContact", "POST", "/contact-lists/{ContactListName}/contacts").until(laterContacts),
		later("CreateContactList", "POST", "/contact-lists").until(laterContacts),
		later("CreateCustomVerificationEmailTemplate", "POST", "/custom-verification-email-templates").until(laterMailed),
		later("CreateDedicatedIpPool", "POST", "/dedicated-ip-pools").never(noSources),
		later("CreateDeliverabilityTestReport", "POST", "/deliverability-dashboard/test").never(noDashboard),
		on("CreateEmailIdentity", "POST", "/identities", s.createEmailIdentity).but("keys of 1024 bits and of other regions are not available"),
		later("CreateEmailIdentityPolicy", "POST", "/identities/{EmailIdentity}/policies/{PolicyName}").never(noDelegates),
		on("CreateEmailTemplate", "POST", "/templates", s.createEmailTemplate),
		later("CreateExportJob", "POST", "/export-jobs").never(noExports),
		on("CreateImportJob", "POST", "/import-jobs", s.createImportJob).but("the file is one below [api] import_dir, and goes into the suppression list; there are no contact lists"),
		later("CreateMultiRegionEndpoint", "POST", "/multi-region-endpoints").never(noRegions),
		later("CreateTenant", "POST", "/tenants").until(laterTenants),
		later("CreateTenantResourceAssociation", "POST", "/tenants/resources").until(laterTenants),
		on("DeleteConfigurationSet", "DELETE", "/configuration-sets/{ConfigurationSetName}", s.deleteConfigurationSet),
		on("DeleteConfigurationSetEventDestination", "DELETE", "/configuration-sets/{ConfigurationSetName}/event-destinations/{EventDestinationName}", s.deleteConfigurationSetEventDestination),
		later("DeleteContact", "DELETE", "/contact-lists/{ContactListName}/contacts/{EmailAddress}").until(laterContacts),
		later("DeleteContactList", "DELETE", "/contact-lists/{ContactListName}").until(laterContacts),
		later("DeleteCustomVerificationEmailTemplate", "DELETE", "/custom-verification-email-templates/{TemplateName}").until(laterMailed),
		later("DeleteDedicatedIpPool", "DELETE", "/dedicated-ip-pools/{PoolName}").never(noSources),
		on("DeleteEmailIdentity", "DELETE", "/identities/{EmailIdentity}", s.deleteEmailIdentity),
		later("DeleteEmailIdentityPolicy", "DELETE", "/identities/{EmailIdentity}/policies/{PolicyName}").never(noDelegates),
		on("DeleteEmailTemplate", "DELETE", "/templates/{TemplateName}", s.deleteEmailTemplate),
		later("DeleteMultiRegionEndpoint", "DELETE", "/multi-region-endpoints/{EndpointName}").never(noRegions),
		on("DeleteSuppressedDestination", "DELETE", "/suppression/addresses/{EmailAddress}", s.deleteSuppressedDestination),
		later("DeleteTenant", "POST", "/tenants/delete").until(laterTenants),
		later("DeleteTenantResourceAssociation", "POST", "/tenants/resources/delete").until(laterTenants),
		later("DisassociateEmailIdentityCertificate", "POST", "/identity/certificates/delete").until(laterSMIME),
		on("GetAccount", "GET", "/account", s.getAccount),
		later("GetBlacklistReports", "GET", "/deliverability-dashboard/blacklist-report").never(noDashboard),
		on("GetConfigurationSet", "GET", "/configuration-sets/{ConfigurationSetName}", s.getConfigurationSet),
		on("GetConfigurationSetEventDestinations", "GET", "/configuration-sets/{ConfigurationSetName}/event-destinations", s.getConfigurationSetEventDestinations),
		later("GetContact", "GET", "/contact-lists/{ContactListName}/contacts/{EmailAddress}").until(laterContacts),
		later("GetContactList", "GET", "/contact-lists/{ContactListName}").until(laterContacts),
		later("GetCustomVerificationEmailTemplate", "GET", "/custom-verification-email-templates/{TemplateName}").until(laterMailed),
		on("GetDedicatedIp", "GET", "/dedicated-ips/{Ip}", s.getDedicatedIP),
		on("GetDedicatedIpPool", "GET", "/dedicated-ip-pools/{PoolName}", s.getDedicatedIPPool),
		on("GetDedicatedIps", "GET", "/dedicated-ips", s.getDedicatedIPs),
		later("GetDeliverabilityDashboardOptions", "GET", "/deliverability-dashboard").never(noDashboard),
		later("GetDeliverabilityTestReport", "GET", "/deliverability-dashboard/test-reports/{ReportId}").never(noDashboard),
		later("GetDomainDeliverabilityCampaign", "GET", "/deliverability-dashboard/campaigns/{CampaignId}").never(noDashboard),
		later("GetDomainStatisticsReport", "GET", "/deliverability-dashboard/statistics-report/{Domain}").never(noDashboard),
		later("GetEmailAddressInsights", "POST", "/email-address-insights").never(noValidation),
		on("GetEmailIdentity", "GET", "/identities/{EmailIdentity}", s.getEmailIdentity).but("nothing is told of why a verification failed, nor of the SOA record"),
		on("GetEmailIdentityPolicies", "GET", "/identities/{EmailIdentity}/policies", s.getEmailIdentityPolicies).but("there are no policies"),
		on("GetEmailTemplate", "GET", "/templates/{TemplateName}", s.getEmailTemplate),
		later("GetExportJob", "GET", "/export-jobs/{JobId}").never(noExports),
		on("GetImportJob", "GET", "/import-jobs/{JobId}", s.getImportJob),
		on("GetMessageInsights", "GET", "/insights/{MessageId}", s.getMessageInsights).but("from the trace: no opens and clicks; the subject only of mail that a destination hears of, tags only within [feedback] keep_for"),
		later("GetMultiRegionEndpoint", "GET", "/multi-region-endpoints/{EndpointName}").never(noRegions),
		later("GetReputationEntity", "GET", "/reputation/entities/{ReputationEntityType}/{ReputationEntityReference}").never(noEntities),
		on("GetSuppressedDestination", "GET", "/suppression/addresses/{EmailAddress}", s.getSuppressedDestination),
		later("GetTenant", "POST", "/tenants/get").until(laterTenants),
		on("ListConfigurationSets", "POST", "/list-configuration-sets", s.listConfigurationSets).or("GET", "/configuration-sets"),
		later("ListContactLists", "GET", "/contact-lists").until(laterContacts),
		later("ListContacts", "POST", "/contact-lists/{ContactListName}/contacts/list").or("GET", "/contact-lists/{ContactListName}/contacts").until(laterContacts),
		later("ListCustomVerificationEmailTemplates", "GET", "/custom-verification-email-templates").until(laterMailed),
		on("ListDedicatedIpPools", "GET", "/dedicated-ip-pools", s.listDedicatedIPPools),
		later("ListDeliverabilityTestReports", "GET", "/deliverability-dashboard/test-reports").never(noDashboard),
		later("ListDomainDeliverabilityCampaigns", "GET", "/deliverability-dashboard/domains/{SubscribedDomain}/campaigns").never(noDashboard),
		on("ListEmailIdentities", "POST", "/list-identities", s.listEmailIdentities).or("GET", "/identities"),
		later("ListEmailIdentityCertificates", "POST", "/identity/certificates/list").until(laterSMIME),
		on("ListEmailTemplates", "GET", "/templates", s.listEmailTemplates),
		later("ListExportJobs", "POST", "/list-export-jobs").never(noExports),
		on("ListImportJobs", "POST", "/import-jobs/list", s.listImportJobs).or("GET", "/import-jobs"),
		later("ListMultiRegionEndpoints", "GET", "/multi-region-endpoints").never(noRegions),
		later("ListRecommendations", "POST", "/vdm/recommendations").never(noVDM),
		later("ListReputationEntities", "POST", "/reputation/entities").never(noEntities),
		later("ListResourceTenants", "POST", "/resources/tenants/list").until(laterTenants),
		on("ListSuppressedDestinations", "GET", "/suppression/addresses", s.listSuppressedDestinations),
		on("ListTagsForResource", "GET", "/tags", s.listTagsForResource),
		later("ListTenantResources", "POST", "/tenants/resources/list").until(laterTenants),
		later("ListTenants", "POST", "/tenants/list").until(laterTenants),
		later("PutAccountDedicatedIpWarmupAttributes", "PUT", "/account/dedicated-ips/warmup").never(noSources),
		on("PutAccountDetails", "POST", "/account/details", s.putAccountDetails),
		later("PutAccountPricingAttributes", "PUT", "/account/pricing-attributes").never(noPrices),
		on("PutAccountSendingAttributes", "PUT", "/account/sending", s.putAccountSendingAttributes),
		on("PutAccountSuppressionAttributes", "PUT", "/account/suppression", s.putAccountSuppressionAttributes),
		later("PutAccountVdmAttributes", "PUT", "/account/vdm").never(noVDM),
		later("PutConfigurationSetArchivingOptions", "PUT", "/configuration-sets/{ConfigurationSetName}/archiving-options").never("Mail Manager, whose archives they are, is a service of its own"),
		on("PutConfigurationSetDeliveryOptions", "PUT", "/configuration-sets/{ConfigurationSetName}/delivery-options", s.putConfigurationSetDeliveryOptions),
		on("PutConfigurationSetReputationOptions", "PUT", "/configuration-sets/{ConfigurationSetName}/reputation-options", s.putConfigurationSetReputationOptions).but(allCounted),
		on("PutConfigurationSetSendingOptions", "PUT", "/configuration-sets/{ConfigurationSetName}/sending", s.putConfigurationSetSendingOptions),
		on("PutConfigurationSetSuppressionOptions", "PUT", "/configuration-sets/{ConfigurationSetName}/suppression-options", s.putConfigurationSetSuppressionOptions).but(noTenants),
		later("PutConfigurationSetTrackingOptions", "PUT", "/configuration-sets/{ConfigurationSetName}/tracking-options").until(laterTracking),
		later("PutConfigurationSetVdmOptions", "PUT", "/configuration-sets/{ConfigurationSetName}/vdm-options").never(noVDM),
		later("PutDedicatedIpInPool", "PUT", "/dedicated-ips/{Ip}/pool").never(noSources),
		later("PutDedicatedIpPoolScalingAttributes", "PUT", "/dedicated-ip-pools/{PoolName}/scaling").never(noSources),
		later("PutDedicatedIpWarmupAttributes", "PUT", "/dedicated-ips/{Ip}/warmup").never(noSources),
		later("PutDeliverabilityDashboardOption", "PUT", "/deliverability-dashboard").never(noDashboard),
		on("PutEmailIdentityConfigurationSetAttributes", "PUT", "/identities/{EmailIdentity}/configuration-set", s.putEmailIdentityConfigurationSetAttributes),
		on("PutEmailIdentityDkimAttributes", "PUT", "/identities/{EmailIdentity}/dkim", s.putEmailIdentityDkimAttributes),
		on("PutEmailIdentityDkimSigningAttributes", "PUT", "/identities/{EmailIdentity}/dkim/signing", s.putEmailIdentityDkimSigningAttributes).
			or("PUT", "/v1/email/identities/{EmailIdentity}/dkim/signing").but("keys of 1024 bits and of other regions are not available"),
		on("PutEmailIdentityFeedbackAttributes", "PUT", "/identities/{EmailIdentity}/feedback", s.putEmailIdentityFeedbackAttributes),
		on("PutEmailIdentityMailFromAttributes", "PUT", "/identities/{EmailIdentity}/mail-from", s.putEmailIdentityMailFromAttributes),
		on("PutSuppressedDestination", "PUT", "/suppression/addresses", s.putSuppressedDestination),
		later("PutTenantSuppressionAttributes", "POST", "/tenant/suppression").until(laterTenants),
		on("SendBulkEmail", "POST", "/outbound-bulk-emails", s.sendBulkEmail).sending().but("tenants and endpoints are not available"),
		later("SendCustomVerificationEmail", "POST", "/outbound-custom-verification-emails").until(laterMailed),
		on("SendEmail", "POST", "/outbound-emails", s.sendEmail).sending().but("list management, tenants and endpoints are not available"),
		on("TagResource", "POST", "/tags", s.tagResource),
		on("TestRenderEmailTemplate", "POST", "/templates/{TemplateName}/render", s.testRenderEmailTemplate),
		on("UntagResource", "DELETE", "/tags", s.untagResource),
		later("UpdateConfigurationSet", "POST", "/update-configuration-sets").until(laterSMIME),
		on("UpdateConfigurationSetEventDestination", "PUT", "/configuration-sets/{ConfigurationSetName}/event-destinations/{EventDestinationName}", s.updateConfigurationSetEventDestination).but(notTold),
		later("UpdateContact", "PUT", "/contact-lists/{ContactListName}/contacts/{EmailAddress}").until(laterContacts),
		later("UpdateContactList", "PUT", "/contact-lists/{ContactListName}").until(laterContacts),
		later("UpdateCustomVerificationEmailTemplate", "PUT", "/custom-verification-email-templates/{TemplateName}").until(laterMailed),
		later("UpdateEmailIdentityPolicy", "PUT", "/identities/{EmailIdentity}/policies/{PolicyName}").never(noDelegates),
		on("UpdateEmailTemplate", "PUT", "/templates/{TemplateName}", s.updateEmailTemplate),
		later("UpdateReputationEntityCustomerManagedStatus", "PUT", "/reputation/entities/{ReputationEntityType}/{ReputationEntityReference}/customer-managed-status").never(noEntities),
		later("UpdateReputationEntityPolicy", "PUT", "/reputation/entities/{ReputationEntityType}/{ReputationEntityReference}/policy").never(noEntities),
	}
}
