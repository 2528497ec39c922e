package e2e_test

import "strings"

// apiCall is one line of what every SDK calls, in this order. $c is the SDK's name
// and $domain its identity's; what a line keeps stands for what came.
type apiCall struct {
	// service is ses, sesv2, sns, nodemailer, sesame for a command of the operator, or
	// hook to wait for a message of SNS whose type is op and whose text has in in it.
	service, op string
	in          string // JSON; for a command its arguments
	// want is what the answer holds at least, as JSON in which "*" is anything that is
	// not empty, or an error as "Code: message", of which the message may be cut short.
	want string
	// keep names parts of the answer, as in "id=MessageId tag=Tags.0".
	keep string
	// mail is what ids in the answer stand for, as in "MessageId=Subject"; the
	// message arrives. Messages of told do not leave; what becomes of them is told.
	mail, told []string
	// until repeats the call until the answer is as wanted.
	until bool
	// as names the keys to call with; empty is the SDK's own.
	as string
}

// modelled are the errors that the SDKs have types for, which programs catch.
var modelled = map[string]string{
	v1: `AccountSendingPausedException AlreadyExists CannotDelete ConfigurationSetAlreadyExists ConfigurationSetDoesNotExist
		ConfigurationSetSendingPausedException CustomVerificationEmailInvalidContent CustomVerificationEmailTemplateAlreadyExists
		CustomVerificationEmailTemplateDoesNotExist EventDestinationAlreadyExists EventDestinationDoesNotExist FromEmailAddressNotVerified
		InvalidCloudWatchDestination InvalidConfigurationSet InvalidDeliveryOptions InvalidFirehoseDestination InvalidLambdaFunction InvalidPolicy
		InvalidRenderingParameter InvalidS3Configuration InvalidSNSDestination InvalidSnsTopic InvalidTemplate InvalidTrackingOptions LimitExceeded
		MailFromDomainNotVerifiedException MessageRejected MissingRenderingAttribute ProductionAccessNotGranted RuleDoesNotExist RuleSetDoesNotExist
		TemplateDoesNotExist TrackingOptionsAlreadyExistsException TrackingOptionsDoesNotExistException`,
	v2: `AccountSuspendedException AlreadyExistsException BadRequestException ConcurrentModificationException ConflictException
		InternalServiceErrorException InvalidNextTokenException LimitExceededException MailFromDomainNotVerifiedException MessageRejected
		NotFoundException SendingPausedException TooManyRequestsException`,
}

// plain are the types of errors that the SDKs have no type for.
const plain = "*smithy.GenericAPIError SESServiceException SESv2ServiceException ClientError"

const (
	v1   = "ses"
	v2   = "sesv2"
	hook = "hook"
	cmd  = "sesame"
)

// apiSends are made by each SDK, by TLS and without, in both profiles.
var apiSends = []apiCall{
	{service: v1, op: "SendEmail", in: `{"Source": "Sender <sender@$domain>", "Destination": {"ToAddresses": ["recipient@example.net"]},
		"Message": {"Subject": {"Data": "$c: v1 text & html"}, "Body": {"Text": {"Data": "text\n"}, "Html": {"Data": "<p>Grüße &c.</p>"}}}}`,
		want: `{"MessageId": "*"}`, mail: []string{"MessageId=$c: v1 text & html"}},
	{service: v1, op: "SendRawEmail", in: `{"RawMessage": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\nSubject: $c: v1 raw\n\nbody\n"}}}`,
		want: `{"MessageId": "*"}`, mail: []string{"MessageId=$c: v1 raw"}},
	{service: v1, op: "SendRawEmail", in: `{"Source": "sender@$domain", "Destinations": ["recipient@example.net"], "Tags": [{"Name": "kind", "Value": "raw"}],
		"RawMessage": {"Data": {"$blob": "From: sender@$domain\r\nTo: nobody-else@example.org\r\nSubject: $c: v1 raw to others\r\n\r\nbody\r\n"}}}`,
		want: `{"MessageId": "*"}`, mail: []string{"MessageId=$c: v1 raw to others"}},
	{service: v2, op: "SendEmail", in: `{"FromEmailAddress": "Ünder <sender@$domain>", "Destination": {"ToAddresses": ["recipient@example.net"]},
		"Content": {"Simple": {"Subject": {"Data": "$c: v2 simple"}, "Body": {"Text": {"Data": "text"}}}}, "EmailTags": [{"Name": "kind", "Value": "simple"}]}`,
		want: `{"MessageId": "*"}`, mail: []string{"MessageId=$c: v2 simple"}},
	{service: v2, op: "SendEmail", in: `{"FromEmailAddress": "sender@$domain", "Destination": {"ToAddresses": ["recipient@example.net"]},
		"Content": {"Simple": {"Subject": {"Data": "$c: v2 attached"}, "Body": {"Text": {"Data": "text"}}, "Headers": [{"Name": "X-Campaign", "Value": "7"}],
		"Attachments": [{"FileName": "a.txt", "RawContent": {"$blob": "attached"}, "ContentType": "text/plain"}]}}}`,
		want: `{"MessageId": "*"}`, mail: []string{"MessageId=$c: v2 attached"}},
	{service: v2, op: "SendEmail", in: `{"Content": {"Raw": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\nSubject: $c: v2 raw\n\nbody\n"}}}}`,
		want: `{"MessageId": "*"}`, mail: []string{"MessageId=$c: v2 raw"}},
	// Which brings a Message-ID of its own.
	{service: "nodemailer", op: "verify", in: `[]`, want: `{}`},
	{service: "nodemailer", op: "sendMail", in: `[{"from": "Sender <sender@$domain>", "to": "recipient@example.net", "subject": "$c: nodemailer", "text": "Grüße",
		"attachments": [{"filename": "a.txt", "content": "attached"}]}]`, want: `{"response": "*"}`, mail: []string{"response=$c: nodemailer"}},
}

// apiErrors are what each kind of refusal is to an SDK.
var apiErrors = []apiCall{
	{service: v1, op: "GetSendQuota", in: `{}`, as: "unknown", want: "InvalidClientTokenId: The security token included in the request is invalid."},
	{service: v2, op: "GetAccount", in: `{}`, as: "unknown", want: "UnrecognizedClientException: The security token included in the request is invalid."},
	{service: v1, op: "GetSendQuota", in: `{}`, as: "wrong", want: "SignatureDoesNotMatch: The request signature we calculated does not match"},
	{service: v2, op: "GetAccount", in: `{}`, as: "wrong", want: "InvalidSignatureException: The request signature we calculated does not match"},
	{service: v1, op: "GetSendQuota", in: `{}`, as: "elsewhere", want: "SignatureDoesNotMatch: Credential should be scoped to a valid region."},
	{service: v2, op: "GetAccount", in: `{}`, as: "elsewhere", want: "InvalidSignatureException: Credential should be scoped to a valid region."},
	{service: v1, op: "SendEmail", in: `{"Source": "sender@example.org", "Destination": {"ToAddresses": ["recipient@example.net"]},
		"Message": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x"}}}}`,
		want: "MessageRejected: Email address is not verified. The following identities failed the check in region LOCAL-1: sender@example.org"},
	{service: v2, op: "SendEmail", in: `{"FromEmailAddress": "sender@example.org", "Destination": {"ToAddresses": ["recipient@example.net"]},
		"Content": {"Simple": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x"}}}}}`,
		want: "MessageRejected: Email address is not verified. The following identities failed the check in region LOCAL-1: sender@example.org"},
	{service: v1, op: "SendRawEmail", in: `{"ConfigurationSetName": "absent", "RawMessage": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}`,
		want: "ConfigurationSetDoesNotExist: Configuration set <absent> does not exist."},
	{service: v2, op: "SendEmail", in: `{"ConfigurationSetName": "absent", "Content": {"Raw": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}}`,
		want: "NotFoundException: Configuration set <absent> does not exist."},

	// Limits. The operator's word holds at once.
	{service: cmd, op: "account set $c --rate 1"},
	{service: v2, op: "SendEmail", in: `{"FromEmailAddress": "sender@$domain", "Destination": {"ToAddresses": [` + strings.Repeat(`"success@simulator.amazonses.com", `, 19) + `"success@simulator.amazonses.com"]},
		"Content": {"Simple": {"Subject": {"Data": "$c: many at once"}, "Body": {"Text": {"Data": "x"}}}}}`, want: `{"MessageId": "*"}`, told: []string{"MessageId=$c: many at once"}},
	{service: v1, op: "SendRawEmail", in: `{"RawMessage": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}`,
		want: "Throttling: Maximum sending rate exceeded."},
	{service: v2, op: "SendEmail", in: `{"Content": {"Raw": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}}`,
		want: "TooManyRequestsException: Maximum sending rate exceeded."},
	{service: cmd, op: "account set $c --rate 0 --quota 1"},
	{service: v1, op: "SendRawEmail", in: `{"RawMessage": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}`,
		want: "Throttling: Daily message quota exceeded."},
	{service: v2, op: "SendEmail", in: `{"Content": {"Raw": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}}`,
		want: "LimitExceededException: Daily message quota exceeded."},
	{service: cmd, op: "account set $c --quota 50000"},
	{service: cmd, op: "configset set main --account $c --pause"},
	{service: v1, op: "SendRawEmail", in: `{"RawMessage": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}`,
		want: "ConfigurationSetSendingPausedException: "},
	{service: v2, op: "SendEmail", in: `{"Content": {"Raw": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}}`,
		want: "SendingPausedException: "},
	{service: cmd, op: "configset set main --account $c --resume"},
	{service: cmd, op: "identity mail-from $domain --account $c --domain bounce.$domain --on-failure reject"},
	{service: v1, op: "SendRawEmail", in: `{"RawMessage": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}`,
		want: "MailFromDomainNotVerifiedException: "},
	{service: v2, op: "SendEmail", in: `{"Content": {"Raw": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}}`,
		want: "MailFromDomainNotVerifiedException: "},
	{service: cmd, op: "identity mail-from $domain --account $c --off"},
	{service: v1, op: "SendRawEmail", as: "narrow", in: `{"RawMessage": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}`,
		want: "AccessDenied: "},
	{service: v2, op: "SendEmail", as: "narrow", in: `{"Content": {"Raw": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}}`,
		want: "AccessDeniedException: "},
	{service: v2, op: "SendEmail", in: `{"Content": {"Raw": {"Data": {"$blob": "From: sender@$domain\nSubject: to nobody\n\nx\n"}}}}`,
		want: "BadRequestException: "},
	{service: v1, op: "SendRawEmail", in: `{"RawMessage": {"Data": {"$blob": "From: sender@$domain\nSubject: to nobody\n\nx\n"}}}`,
		want: "InvalidParameterValue: "},
	{service: cmd, op: "account pause $c"},
	{service: v1, op: "SendRawEmail", in: `{"RawMessage": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}`,
		want: "MessageRejected: Sending paused for this account."},
	{service: v2, op: "SendEmail", in: `{"Content": {"Raw": {"Data": {"$blob": "From: sender@$domain\nTo: recipient@example.net\n\nx\n"}}}}`,
		want: "MessageRejected: Sending paused for this account."},
	{service: cmd, op: "account resume $c"},
}
