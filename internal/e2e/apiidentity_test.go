package e2e_test

// apiIdentities are calls about identities and what is said of them.
var apiIdentities = []apiCall{
	// Version 1.
	{service: v1, op: "VerifyDomainIdentity", in: `{"Domain": "v1.$domain"}`, want: `{"VerificationToken": "*"}`},
	{service: v1, op: "VerifyDomainIdentity", in: `{"Domain": "not a domain"}`, want: "InvalidParameterValue: "},
	{service: v1, op: "VerifyDomainDkim", in: `{"Domain": "v1.$domain"}`, want: `{"DkimTokens": ["*", "*", "*"]}`},
	{service: v1, op: "ListIdentities", in: `{"IdentityType": "Domain"}`, want: `{"Identities": ["$domain", "v1.$domain"], "NextToken": null}`},
	{service: v1, op: "ListIdentities", in: `{"IdentityType": "Domain", "MaxItems": 1}`, want: `{"Identities": ["*"], "NextToken": "*"}`, keep: "next=NextToken"},
	{service: v1, op: "ListIdentities", in: `{"IdentityType": "Domain", "MaxItems": 1, "NextToken": "$next"}`, want: `{"Identities": ["*"], "NextToken": null}`},
	{service: v1, op: "ListIdentities", in: `{"NextToken": "nonsense"}`, want: "InvalidParameterValue: "},
	{service: v1, op: "GetIdentityVerificationAttributes", in: `{"Identities": ["v1.$domain", "$domain", "absent.example.org"]}`, want: `{"VerificationAttributes": {
		"v1.$domain": {"VerificationStatus": "Pending", "VerificationToken": "*"}, "$domain": {"VerificationStatus": "Success"}, "absent.example.org": null}}`},
	{service: v1, op: "GetIdentityDkimAttributes", in: `{"Identities": ["v1.$domain"]}`,
		want: `{"DkimAttributes": {"v1.$domain": {"DkimEnabled": true, "DkimVerificationStatus": "Pending", "DkimTokens": ["*", "*", "*"]}}}`},
	{service: v1, op: "SetIdentityDkimEnabled", in: `{"Identity": "v1.$domain", "DkimEnabled": false}`, want: `{}`},
	{service: v1, op: "GetIdentityDkimAttributes", in: `{"Identities": ["v1.$domain"]}`, want: `{"DkimAttributes": {"v1.$domain": {"DkimEnabled": false}}}`},
	{service: v1, op: "SetIdentityMailFromDomain", in: `{"Identity": "v1.$domain", "MailFromDomain": "bounce.v1.$domain", "BehaviorOnMXFailure": "RejectMessage"}`, want: `{}`},
	{service: v1, op: "SetIdentityMailFromDomain", in: `{"Identity": "v1.$domain", "MailFromDomain": "elsewhere.example.org"}`, want: "InvalidParameterValue: "},
	{service: v1, op: "GetIdentityMailFromDomainAttributes", in: `{"Identities": ["v1.$domain"]}`, want: `{"MailFromDomainAttributes": {"v1.$domain":
		{"MailFromDomain": "bounce.v1.$domain", "MailFromDomainStatus": "Pending", "BehaviorOnMXFailure": "RejectMessage"}}}`},
	{service: v1, op: "SetIdentityNotificationTopic", in: `{"Identity": "v1.$domain", "NotificationType": "Bounce", "SnsTopic": "$topic"}`, want: `{}`},
	{service: v1, op: "SetIdentityNotificationTopic", in: `{"Identity": "v1.$domain", "NotificationType": "Bounce", "SnsTopic": "arn:aws:sns:local-1:$account:absent"}`,
		want: "InvalidParameterValue: "},
	{service: v1, op: "SetIdentityHeadersInNotificationsEnabled", in: `{"Identity": "v1.$domain", "NotificationType": "Bounce", "Enabled": true}`, want: `{}`},
	{service: v1, op: "SetIdentityFeedbackForwardingEnabled", in: `{"Identity": "v1.$domain", "ForwardingEnabled": false}`, want: "InvalidParameterValue: "},
	{service: v1, op: "SetIdentityFeedbackForwardingEnabled", in: `{"Identity": "v1.$domain", "ForwardingEnabled": true}`, want: `{}`},
	{service: v1, op: "GetIdentityNotificationAttributes", in: `{"Identities": ["v1.$domain"]}`, want: `{"NotificationAttributes": {"v1.$domain":
		{"BounceTopic": "$topic", "ForwardingEnabled": true, "HeadersInBounceNotificationsEnabled": true, "HeadersInComplaintNotificationsEnabled": false}}}`},
	{service: v1, op: "DeleteIdentity", in: `{"Identity": "v1.$domain"}`, want: `{}`},
	{service: v1, op: "DeleteIdentity", in: `{"Identity": "v1.$domain"}`, want: `{}`},
	{service: v1, op: "VerifyEmailIdentity", in: `{"EmailAddress": "owner-$c@example.net"}`, want: `{}`},
	{service: v1, op: "VerifyEmailAddress", in: `{"EmailAddress": "old-$c@example.net"}`, want: `{}`},
	{service: v1, op: "ListVerifiedEmailAddresses", in: `{}`, want: `{"VerifiedEmailAddresses": []}`},
	{service: v1, op: "DeleteVerifiedEmailAddress", in: `{"EmailAddress": "old-$c@example.net"}`, want: `{}`},
	{service: v1, op: "ListIdentities", in: `{"IdentityType": "EmailAddress"}`, want: `{"Identities": ["owner-$c@example.net"]}`},
	{service: v1, op: "DeleteIdentity", in: `{"Identity": "owner-$c@example.net"}`, want: `{}`},

	// Version 2.
	{service: v2, op: "CreateEmailIdentity", in: `{"EmailIdentity": "v2.$domain", "ConfigurationSetName": "main", "Tags": [{"Key": "team", "Value": "a"}]}`,
		want: `{"IdentityType": "DOMAIN", "VerifiedForSendingStatus": false, "DkimAttributes": {"SigningEnabled": true, "Tokens": ["*", "*", "*"], "SigningAttributesOrigin": "AWS_SES"}}`},
	{service: v2, op: "CreateEmailIdentity", in: `{"EmailIdentity": "v2.$domain"}`, want: "AlreadyExistsException: Email identity v2.$domain already exist."},
	{service: v2, op: "GetEmailIdentity", in: `{"EmailIdentity": "v2.$domain"}`, want: `{"IdentityType": "DOMAIN", "VerifiedForSendingStatus": false, "VerificationStatus": "PENDING",
		"FeedbackForwardingStatus": true, "ConfigurationSetName": "main", "Tags": [{"Key": "team", "Value": "a"}], "DkimAttributes": {"Tokens": ["*", "*", "*"]}}`},
	{service: v2, op: "GetEmailIdentity", in: `{"EmailIdentity": "$domain"}`, want: `{"VerifiedForSendingStatus": true, "VerificationStatus": "SUCCESS"}`},
	{service: v2, op: "GetEmailIdentity", in: `{"EmailIdentity": "absent.$domain"}`, want: "NotFoundException: Email identity absent.$domain does not exist."},
	{service: v2, op: "ListEmailIdentities", in: `{}`, want: `{"EmailIdentities": [{"IdentityName": "$domain", "IdentityType": "DOMAIN", "SendingEnabled": true},
		{"IdentityName": "v2.$domain", "IdentityType": "DOMAIN", "SendingEnabled": false}], "NextToken": null}`},
	{service: v2, op: "ListEmailIdentities", in: `{"PageSize": 1}`, want: `{"EmailIdentities": [{"IdentityName": "*"}], "NextToken": "*"}`, keep: "next=NextToken"},
	{service: v2, op: "ListEmailIdentities", in: `{"PageSize": 1, "NextToken": "$next"}`, want: `{"EmailIdentities": [{"IdentityName": "*"}], "NextToken": null}`},
	{service: v2, op: "ListEmailIdentities", in: `{"NextToken": "nonsense"}`, want: "InvalidNextTokenException: "},
	{service: v2, op: "PutEmailIdentityDkimAttributes", in: `{"EmailIdentity": "v2.$domain", "SigningEnabled": false}`, want: `{}`},
	{service: v2, op: "PutEmailIdentityDkimSigningAttributes", in: `{"EmailIdentity": "v2.$domain", "SigningAttributesOrigin": "AWS_SES",
		"SigningAttributes": {"NextSigningKeyLength": "RSA_2048_BIT"}}`, want: `{"DkimTokens": ["*", "*", "*"]}`},
	{service: v2, op: "PutEmailIdentityMailFromAttributes", in: `{"EmailIdentity": "v2.$domain", "MailFromDomain": "bounce.v2.$domain", "BehaviorOnMxFailure": "REJECT_MESSAGE"}`, want: `{}`},
	{service: v2, op: "PutEmailIdentityFeedbackAttributes", in: `{"EmailIdentity": "v2.$domain", "EmailForwardingEnabled": true}`, want: `{}`},
	{service: v2, op: "PutEmailIdentityConfigurationSetAttributes", in: `{"EmailIdentity": "v2.$domain"}`, want: `{}`},
	{service: v2, op: "PutEmailIdentityConfigurationSetAttributes", in: `{"EmailIdentity": "v2.$domain", "ConfigurationSetName": "absent"}`,
		want: "NotFoundException: Configuration set <absent> does not exist."},
	{service: v2, op: "GetEmailIdentity", in: `{"EmailIdentity": "v2.$domain"}`, want: `{"ConfigurationSetName": null, "DkimAttributes": {"SigningEnabled": false},
		"MailFromAttributes": {"MailFromDomain": "bounce.v2.$domain", "MailFromDomainStatus": "PENDING", "BehaviorOnMxFailure": "REJECT_MESSAGE"}}`},
	{service: v2, op: "PutEmailIdentityDkimAttributes", in: `{"EmailIdentity": "absent.$domain", "SigningEnabled": false}`, want: "NotFoundException: Email identity absent.$domain does not exist."},

	// An address, which is part of a path. Its owner gets a mail.
	{service: v2, op: "CreateEmailIdentity", in: `{"EmailIdentity": "owner+$c@example.net"}`, want: `{"IdentityType": "EMAIL_ADDRESS", "VerifiedForSendingStatus": false}`},
	{service: v2, op: "GetEmailIdentity", in: `{"EmailIdentity": "owner+$c@example.net"}`, want: `{"IdentityType": "EMAIL_ADDRESS"}`},
	{service: v2, op: "PutEmailIdentityFeedbackAttributes", in: `{"EmailIdentity": "owner+$c@example.net", "EmailForwardingEnabled": true}`, want: `{}`},
	{service: v2, op: "DeleteEmailIdentity", in: `{"EmailIdentity": "owner+$c@example.net"}`, want: `{}`},

	// Sending as others is not there, so nobody may.
	{service: v1, op: "ListIdentityPolicies", in: `{"Identity": "$domain"}`, want: `{"PolicyNames": []}`},
	{service: v1, op: "GetIdentityPolicies", in: `{"Identity": "$domain", "PolicyNames": ["any"]}`, want: `{"Policies": {}}`},
	{service: v1, op: "PutIdentityPolicy", in: `{"Identity": "$domain", "PolicyName": "any", "Policy": "{}"}`, want: "InvalidAction: Unavailable Operation"},
	{service: v2, op: "GetEmailIdentityPolicies", in: `{"EmailIdentity": "$domain"}`, want: `{"Policies": {}}`},
	{service: v2, op: "CreateEmailIdentityPolicy", in: `{"EmailIdentity": "$domain", "PolicyName": "any", "Policy": "{}"}`, want: "UnknownOperationException: Unavailable Operation"},

	// Tags.
	{service: v2, op: "TagResource", in: `{"ResourceArn": "arn:aws:ses:local-1:$account:identity/v2.$domain", "Tags": [{"Key": "stage", "Value": "test"}]}`, want: `{}`},
	{service: v2, op: "ListTagsForResource", in: `{"ResourceArn": "arn:aws:ses:local-1:$account:identity/v2.$domain"}`,
		want: `{"Tags": [{"Key": "stage", "Value": "test"}, {"Key": "team", "Value": "a"}]}`},
	{service: v2, op: "UntagResource", in: `{"ResourceArn": "arn:aws:ses:local-1:$account:identity/v2.$domain", "TagKeys": ["team", "none"]}`, want: `{}`},
	{service: v2, op: "ListTagsForResource", in: `{"ResourceArn": "arn:aws:ses:local-1:$account:identity/v2.$domain"}`, want: `{"Tags": [{"Key": "stage", "Value": "test"}]}`},
	{service: v2, op: "ListTagsForResource", in: `{"ResourceArn": "arn:aws:ses:local-1:$account:identity/absent.$domain"}`, want: "NotFoundException: "},
	{service: v2, op: "DeleteEmailIdentity", in: `{"EmailIdentity": "v2.$domain"}`, want: `{}`},
	{service: v2, op: "DeleteEmailIdentity", in: `{"EmailIdentity": "v2.$domain"}`, want: "NotFoundException: Email identity v2.$domain does not exist."},
}
