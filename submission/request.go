package submission

import (
	"io"
	"net/netip"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// Request is one message as a door hands it over. The envelope's paths are
// checked for syntax already; nothing else is.
type Request struct {
	Principal *auth.Principal
	Origin    Origin
	From      mail.ReversePath
	To        []mail.ForwardPath // as given, in order, duplicates kept
	Content   Content
	// Operation is what brought it, for its events, in SES's words ("SendEmail");
	// empty is SMTP. By it Origin.Helo may be empty, too.
	Operation string
	// Source is the sender as it was given, for events; empty is From.
	Source string
	// ConfigurationSet, when not empty, and Tags, when not nil, take the place of
	// what the header section says (spec section 3.1).
	ConfigurationSet string
	Tags             []queue.Tag
	// Failure, when not nil, is why there is no mail: a template could not be filled.
	// The content is the header as far as it is known, and nothing is sent.
	Failure *event.Failure
	// Key, when not empty, makes a repeat within 24 hours give the id of the
	// first message of the account that had it. Empty, the header may have one.
	// Behind a NUL, which no client can give, are told apart the messages of a call.
	Key string
}

// by gives the request as one of another principal.
func (r *Request) by(p *auth.Principal) *Request {
	c := *r
	c.Principal = p
	return &c
}

// Origin is where a request came from, for Received, the log and the trace.
type Origin struct {
	Client netip.Addr // the client's network address
	Helo   string     // argument of EHLO or HELO, cleaned for use in a field
	// Protocol is the word after "with" in Received (RFC 3848): ESMTPSA, ESMTPA, …
	Protocol string
	// TLS is the version ("TLSv1.3") and Cipher the suite's name; empty in clear text.
	TLS, Cipher string
	Session     string // id of the session in our log
}

// Content is the octets of a message on their way in, dot-stuffing undone. Read
// gives io.EOF only when the true end was seen; a connection that ends early is
// another error, and nothing is kept then. An error that is a *mail.Reply is a
// refusal by the door, read to the true end: a bare CR or LF, which is how
// messages are smuggled (RFC 5321 section 2.3.8), NUL, a line too long.
type Content interface {
	io.Reader
	// Facts tells what was seen so far; complete after io.EOF.
	Facts() Facts
}

// Facts is what the reader of the content saw on the way.
type Facts struct {
	Size        int64 // octets
	LongestLine int   // octets of the longest line, without its CRLF
	EightBit    bool  // an octet above 127
	BareCR      bool  // a CR not followed by LF
	BareLF      bool  // an LF not preceded by CR
	NUL         bool
}
