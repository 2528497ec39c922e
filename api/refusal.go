package api

import (
	"errors"
	"strings"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/auth/sigv4"
	"github.com/sesame-mta/sesame/mail"
)

// labels are what SES puts before its sentence in the reply of SMTP, and which
// error of the API has the same sentence (spec section 1.5).
var labels = []struct {
	label string
	of    func(string) *Error
}{
	{"Message rejected: Email sending for the account is paused", Paused},
	{"Message rejected: Sending paused for configuration set", SetPaused},
	{"Message rejected: ", Rejected},
	{"Transaction failed: ", BadParameter},
	{"Access denied: ", Denied},
	{"Configuration Set does not exist: ", NoConfigSet},
	{"MAIL FROM domain not verified: ", NoMailFrom},
	{"Throttling failure: Daily message quota exceeded", OverQuota},
	{"Throttling failure: ", Throttled},
}

// Explain gives the error that stands for err: an *Error as it is, a refusal of
// the desk in the words of the API, any other as trouble of ours.
func Explain(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var s *sigv4.Error
	if errors.As(err, &s) {
		return unsigned(s)
	}
	var r *mail.Reply
	if errors.As(err, &r) {
		return ofReply(r)
	}
	return Internal("An internal failure occurred.").WithCause(err)
}

// unsigned names what is wrong with a signature.
func unsigned(s *sigv4.Error) *Error {
	switch s.Kind {
	case sigv4.Missing:
		return noSignature(s.Text)
	case sigv4.Incomplete:
		return halfSigned(s.Text)
	case sigv4.UnknownKey:
		return unknownKey(s.Text)
	case sigv4.Expired:
		return expired(s.Text)
	default:
		return badSignature(s.Text)
	}
}

// ofReply turns the reply that SMTP would give into the error of the API that has
// the same sentence.
func ofReply(r *mail.Reply) *Error {
	if r.Code == auth.ErrInvalid.Code {
		return unsigned(sigv4.ErrUnknownKey()).WithCause(r.Cause)
	}
	for _, l := range labels {
		if strings.HasPrefix(r.Text, l.label) {
			_, sentence, _ := strings.Cut(r.Text, ": ")
			return l.of(sentence).WithCause(r.Cause)
		}
	}
	switch {
	case r.Code == 552:
		return BadParameter(r.Text).WithCause(r.Cause)
	case r.Temporary():
		return Unavailable("Temporary service failure").WithCause(r)
	}
	return Rejected(r.Text).WithCause(r.Cause)
}

// IfThere is for what succeeds although there was nothing: in version 1 the end of a
// thing that is not there (spec section 10.2).
func IfThere(err error) error {
	var e *Error
	if errors.As(err, &e) && e.REST.Code == "NotFoundException" {
		return nil
	}
	return err
}
