package api

import "net/http"

// Shape is how one version of SES names an error.
type Shape struct {
	Status int // of HTTP
	Code   string
}

// Error is what a caller is told. The two versions name the same thing by
// different codes.
type Error struct {
	Query   Shape // version 1
	REST    Shape // version 2
	Message string
	// RESTMessage is what version 2 says, where it has other words.
	RESTMessage string
	// Data are elements that version 1 puts beside the message, such as the name
	// of a template.
	Data map[string]string
	// Cause is for the log only.
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// WithCause gives a copy that remembers err for the log.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.Cause = err
	return &c
}

// kind makes the constructor of an error.
func kind(query, rest Shape) func(message string) *Error {
	return func(message string) *Error { return &Error{Query: query, REST: rest, Message: message} }
}

// The errors that both versions have. The names are those of spec sections 10.1 to
// 10.3, and of the services that speak JSON for what comes before an operation.
var (
	BadParameter = kind(Shape{400, "InvalidParameterValue"}, Shape{400, "BadRequestException"})
	Invalid      = kind(Shape{400, "ValidationError"}, Shape{400, "BadRequestException"})
	Unreadable   = kind(Shape{400, "MalformedInput"}, Shape{400, "SerializationException"})
	TooLarge     = kind(Shape{413, "RequestEntityTooLarge"}, Shape{413, "RequestEntityTooLargeException"})
	Rejected     = kind(Shape{400, "MessageRejected"}, Shape{400, "MessageRejected"})
	Denied       = kind(Shape{403, "AccessDenied"}, Shape{403, "AccessDeniedException"})
	NoMailFrom   = kind(Shape{400, "MailFromDomainNotVerifiedException"}, Shape{400, "MailFromDomainNotVerifiedException"})
	NoConfigSet  = kind(Shape{400, "ConfigurationSetDoesNotExist"}, Shape{404, "NotFoundException"})
	SetPaused    = kind(Shape{400, "ConfigurationSetSendingPausedException"}, Shape{400, "SendingPausedException"})
	Paused       = kind(Shape{400, "AccountSendingPausedException"}, Shape{400, "SendingPausedException"})
	Throttled    = kind(Shape{400, "Throttling"}, Shape{429, "TooManyRequestsException"})
	OverQuota    = kind(Shape{400, "Throttling"}, Shape{400, "LimitExceededException"})
	Limit        = kind(Shape{400, "LimitExceeded"}, Shape{400, "LimitExceededException"})
	BadToken     = kind(Shape{400, "InvalidParameterValue"}, Shape{400, "InvalidNextTokenException"})
	Unavailable  = kind(Shape{http.StatusServiceUnavailable, "ServiceUnavailable"}, Shape{http.StatusServiceUnavailable, "ServiceUnavailableException"})
	Internal     = kind(Shape{500, "InternalFailure"}, Shape{500, "InternalServiceErrorException"})
	NoOperation  = kind(Shape{400, "InvalidAction"}, Shape{404, "UnknownOperationException"})

	noSignature  = kind(Shape{403, "MissingAuthenticationToken"}, Shape{403, "MissingAuthenticationTokenException"})
	halfSigned   = kind(Shape{400, "IncompleteSignature"}, Shape{400, "IncompleteSignatureException"})
	unknownKey   = kind(Shape{403, "InvalidClientTokenId"}, Shape{403, "UnrecognizedClientException"})
	badSignature = kind(Shape{403, "SignatureDoesNotMatch"}, Shape{403, "InvalidSignatureException"})
	expired      = kind(Shape{400, "RequestExpired"}, Shape{400, "RequestExpired"})
)

// NotThere is the answer to an operation that SES has and sesame has not. The text
// is what SES says in a Region without it (spec section 10.1).
func NotThere() *Error { return NoOperation("Unavailable Operation") }

// Query makes an error of version 1 that version 2 has no counterpart of. All of
// them have the status 400 (spec section 10.2).
func Query(code, message string) *Error {
	return &Error{Query: Shape{400, code}, Message: message}
}

// REST makes an error of version 2 that version 1 has no counterpart of.
func REST(status int, code, message string) *Error {
	return &Error{REST: Shape{status, code}, Message: message}
}

// The errors of version 2 about things that are kept (spec section 10.3).
var (
	NotFound = kind(Shape{}, Shape{404, "NotFoundException"})
	Exists   = kind(Shape{}, Shape{400, "AlreadyExistsException"})
	Conflict = kind(Shape{}, Shape{409, "ConflictException"})
	Changed  = kind(Shape{}, Shape{500, "ConcurrentModificationException"})
)
