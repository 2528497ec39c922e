package e2e_test

// apiAccount are calls about the account, its statistics and its suppression list.
var apiAccount = []apiCall{
	{service: v1, op: "GetSendQuota", in: `{}`, want: `{"Max24HourSend": 50000, "MaxSendRate": 500, "SentLast24Hours": "*"}`},
	{service: v1, op: "GetSendStatistics", in: `{}`, want: `{"SendDataPoints": "*"}`},
	{service: v2, op: "GetAccount", in: `{}`, want: `{"ProductionAccessEnabled": true, "SendingEnabled": true, "EnforcementStatus": "HEALTHY",
		"SendQuota": {"Max24HourSend": 50000, "MaxSendRate": 500, "SentLast24Hours": "*"}, "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]}}`},

	{service: v1, op: "UpdateAccountSendingEnabled", in: `{"Enabled": false}`, want: `{}`},
	{service: v1, op: "GetAccountSendingEnabled", in: `{}`, want: `{"Enabled": false}`},
	{service: v1, op: "SendEmail", in: `{"Source": "sender@$domain", "Destination": {"ToAddresses": ["recipient@example.net"]},
		"Message": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x"}}}}`, want: "AccountSendingPausedException: "},
	{service: v2, op: "SendEmail", in: `{"FromEmailAddress": "sender@$domain", "Destination": {"ToAddresses": ["recipient@example.net"]},
		"Content": {"Simple": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x"}}}}}`, want: "SendingPausedException: "},
	{service: v2, op: "PutAccountSendingAttributes", in: `{"SendingEnabled": true}`, want: `{}`},
	{service: v2, op: "GetAccount", in: `{}`, want: `{"SendingEnabled": true}`},

	{service: v2, op: "PutAccountDetails", in: `{"MailType": "TRANSACTIONAL", "WebsiteURL": "https://www.example.com", "ContactLanguage": "EN", "UseCaseDescription": "receipts"}`,
		want: `{}`},
	{service: v2, op: "GetAccount", in: `{}`, want: `{"Details": {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://www.example.com", "ContactLanguage": "EN"}}`},
	{service: v2, op: "PutAccountSuppressionAttributes", in: `{"SuppressedReasons": ["COMPLAINT"]}`, want: `{}`},
	{service: v2, op: "GetAccount", in: `{}`, want: `{"SuppressionAttributes": {"SuppressedReasons": ["COMPLAINT"]}}`},
	{service: v2, op: "PutAccountSuppressionAttributes", in: `{"SuppressedReasons": ["BOUNCE", "NONSENSE"]}`, want: "BadRequestException: "},

	{service: v2, op: "GetSuppressedDestination", in: `{"EmailAddress": "gone+$c@example.net"}`, want: "NotFoundException: "},
	{service: v2, op: "PutSuppressedDestination", in: `{"EmailAddress": "gone+$c@example.net", "Reason": "BOUNCE"}`, want: `{}`},
	{service: v2, op: "PutSuppressedDestination", in: `{"EmailAddress": "angry@example.net", "Reason": "COMPLAINT"}`, want: `{}`},
	{service: v2, op: "GetSuppressedDestination", in: `{"EmailAddress": "gone+$c@example.net"}`,
		want: `{"SuppressedDestination": {"EmailAddress": "gone+$c@example.net", "Reason": "BOUNCE", "LastUpdateTime": "*"}}`},
	{service: v2, op: "ListSuppressedDestinations", in: `{"Reasons": ["BOUNCE"]}`,
		want: `{"SuppressedDestinationSummaries": [{"EmailAddress": "gone+$c@example.net", "Reason": "BOUNCE", "LastUpdateTime": "*"}], "NextToken": null}`},
	{service: v2, op: "ListSuppressedDestinations", in: `{"PageSize": 1}`, want: `{"SuppressedDestinationSummaries": [{"EmailAddress": "*"}], "NextToken": "*"}`, keep: "next=NextToken"},
	{service: v2, op: "ListSuppressedDestinations", in: `{"PageSize": 1, "NextToken": "$next"}`, want: `{"SuppressedDestinationSummaries": [{"EmailAddress": "*"}], "NextToken": null}`},
	{service: v2, op: "ListSuppressedDestinations", in: `{"NextToken": "nonsense"}`, want: "InvalidNextTokenException: "},
	{service: v2, op: "SendEmail", in: `{"FromEmailAddress": "sender@$domain", "Destination": {"ToAddresses": ["angry@example.net"]},
		"Content": {"Simple": {"Subject": {"Data": "$c: suppressed"}, "Body": {"Text": {"Data": "x"}}}}}`, want: `{"MessageId": "*"}`, told: []string{"MessageId=$c: suppressed"}},
	{service: v2, op: "DeleteSuppressedDestination", in: `{"EmailAddress": "gone+$c@example.net"}`, want: `{}`},
	{service: v2, op: "DeleteSuppressedDestination", in: `{"EmailAddress": "gone+$c@example.net"}`, want: "NotFoundException: "},
	{service: v2, op: "PutSuppressedDestination", in: `{"EmailAddress": "no address", "Reason": "BOUNCE"}`, want: "BadRequestException: "},

	// What became of a message.
	{service: v2, op: "SendEmail", in: `{"FromEmailAddress": "sender@$domain", "Destination": {"ToAddresses": ["success@simulator.amazonses.com"]},
		"Content": {"Simple": {"Subject": {"Data": "$c: simulated"}, "Body": {"Text": {"Data": "x"}}}}}`, want: `{"MessageId": "*"}`, keep: "id=MessageId", told: []string{"MessageId=$c: simulated"}},
	{service: v2, op: "GetMessageInsights", in: `{"MessageId": "$id"}`, until: true, want: `{"MessageId": "$id", "FromEmailAddress": "sender@$domain",
		"Insights": [{"Destination": "success@simulator.amazonses.com", "Events": [{"Type": "SEND"}, {"Type": "DELIVERY"}]}]}`},
	{service: v2, op: "GetMessageInsights", in: `{"MessageId": "absent"}`, want: "NotFoundException: "},

	// Sources.
	{service: v2, op: "GetDedicatedIps", in: `{}`, want: `{"DedicatedIps": [{"Ip": "127.0.0.1", "PoolName": "fast", "WarmupStatus": "DONE", "WarmupPercentage": 100}]}`},
	{service: v2, op: "GetDedicatedIp", in: `{"Ip": "127.0.0.1"}`, want: `{"DedicatedIp": {"Ip": "127.0.0.1", "PoolName": "fast"}}`},
	{service: v2, op: "GetDedicatedIp", in: `{"Ip": "192.0.2.1"}`, want: "NotFoundException: "},
	{service: v2, op: "ListDedicatedIpPools", in: `{}`, want: `{"DedicatedIpPools": ["fast"]}`},
	{service: v2, op: "GetDedicatedIpPool", in: `{"PoolName": "fast"}`, want: `{"DedicatedIpPool": {"PoolName": "fast"}}`},
	{service: v2, op: "GetDedicatedIpPool", in: `{"PoolName": "absent"}`, want: "NotFoundException: "},
	{service: v2, op: "CreateDedicatedIpPool", in: `{"PoolName": "more"}`, want: "UnknownOperationException: Unavailable Operation"},

	// A file of addresses.
	{service: v2, op: "CreateImportJob", in: `{"ImportDataSource": {"S3Url": "s3://bucket/list.csv", "DataFormat": "CSV"},
		"ImportDestination": {"SuppressionListDestination": {"SuppressionListImportAction": "PUT"}}}`, want: "BadRequestException: "},
	{service: v2, op: "CreateImportJob", in: `{"ImportDataSource": {"S3Url": "file:list.csv", "DataFormat": "CSV"},
		"ImportDestination": {"SuppressionListDestination": {"SuppressionListImportAction": "PUT"}}}`, want: `{"JobId": "*"}`, keep: "job=JobId"},
	{service: v2, op: "GetImportJob", in: `{"JobId": "$job"}`, until: true, want: `{"JobId": "$job", "JobStatus": "COMPLETED", "ProcessedRecordsCount": 2, "FailedRecordsCount": 0,
		"CreatedTimestamp": "*", "CompletedTimestamp": "*", "ImportDataSource": {"DataFormat": "CSV"}}`},
	{service: v2, op: "GetImportJob", in: `{"JobId": "absent"}`, want: "NotFoundException: "},
	{service: v2, op: "ListImportJobs", in: `{"ImportDestinationType": "SUPPRESSION_LIST"}`, want: `{"ImportJobs": [{"JobId": "$job", "JobStatus": "COMPLETED"}]}`},
	{service: v2, op: "GetSuppressedDestination", in: `{"EmailAddress": "listed@example.net"}`, want: `{"SuppressedDestination": {"Reason": "COMPLAINT"}}`},
}

// apiSandbox are calls of an account in the sandbox.
var apiSandbox = []apiCall{
	{service: v2, as: "sandbox", op: "GetAccount", in: `{}`, want: `{"ProductionAccessEnabled": false, "SendQuota": {"Max24HourSend": 200, "MaxSendRate": 1}}`},
	{service: v2, as: "sandbox", op: "PutAccountDetails", in: `{"MailType": "MARKETING", "WebsiteURL": "https://www.example.com", "UseCaseDescription": "news", "ProductionAccessEnabled": true}`, want: `{}`},
	{service: v2, as: "sandbox", op: "GetAccount", in: `{}`, want: `{"Details": {"MailType": "MARKETING", "ReviewDetails": {"Status": "PENDING"}}}`},
	{service: v2, as: "sandbox", op: "PutAccountDetails", in: `{"MailType": "MARKETING", "WebsiteURL": "https://www.example.com", "UseCaseDescription": "news", "ProductionAccessEnabled": true}`,
		want: "ConflictException: "},
	{service: v1, as: "sandbox", op: "SendEmail", in: `{"Source": "sender@$c-box.example.com", "Destination": {"ToAddresses": ["recipient@example.net"]},
		"Message": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x"}}}}`,
		want: "MessageRejected: Email address is not verified. The following identities failed the check in region LOCAL-1: recipient@example.net"},
	{service: v2, as: "sandbox", op: "CreateEmailTemplate", in: `{"TemplateName": "one", "TemplateContent": {"Subject": "x", "Text": "x"}}`, want: `{}`},
	{service: v2, as: "sandbox", op: "SendBulkEmail", in: `{"FromEmailAddress": "sender@$c-box.example.com", "DefaultContent": {"Template": {"TemplateName": "one", "TemplateData": "{}"}},
		"BulkEmailEntries": [{"Destination": {"ToAddresses": ["success@simulator.amazonses.com"]}}, {"Destination": {"ToAddresses": ["recipient@example.net"]}}]}`,
		want: `{"BulkEmailEntryResults": [{"Status": "SUCCESS", "MessageId": "*"}, {"Status": "MESSAGE_REJECTED", "MessageId": null,
		"Error": "Email address is not verified. The following identities failed the check in region LOCAL-1: recipient@example.net"}]}`},
	// What is one account's is none of another's.
	{service: v2, as: "sandbox", op: "GetEmailIdentity", in: `{"EmailIdentity": "$domain"}`, want: "NotFoundException: Email identity $domain does not exist."},
	{service: v2, as: "sandbox", op: "SendEmail", in: `{"Content": {"Raw": {"Data": {"$blob": "From: sender@$domain\nTo: success@simulator.amazonses.com\n\nx\n"}}}}`,
		want: "MessageRejected: Email address is not verified. The following identities failed the check in region LOCAL-1: sender@$domain"},
	{service: v2, as: "sandbox", op: "ListSuppressedDestinations", in: `{}`, want: `{"SuppressedDestinationSummaries": []}`},
	{service: v2, as: "sandbox", op: "ListTagsForResource", in: `{"ResourceArn": "arn:aws:ses:local-1:$account:configuration-set/main"}`, want: "BadRequestException: "},
}
