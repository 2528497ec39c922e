package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/submission"
	"github.com/sesame-mta/sesame/trace"
)

// Desk takes the messages. An error of either method that is a *mail.Reply is
// what the client reads; any other becomes a temporary failure and an Error line
// in the log.
type Desk interface {
	// Room is asked at MAIL whether a message of that size (0 when the client
	// does not say) may come at all.
	Room(ctx context.Context, from mail.ReversePath, size int64) error
	// Submit takes a message. It reads r.Content to its end before it returns an
	// id; the message is on stable storage then.
	Submit(ctx context.Context, r *submission.Request) (mail.ID, error)
}

// Options are what a Server needs to know.
type Options struct {
	// Hostname stands in the greeting and in the reply to EHLO.
	Hostname string
	// Strict is the profile that rules until AUTH (and for a trusted network
	// that of its principal): SES's own instead of ours.
	Strict bool
	// Starttls and ImplicitTLS are the listeners, bound already. The server
	// closes them.
	Starttls, ImplicitTLS []net.Listener
	// TLS holds the certificates and the least version. Without it there is no
	// STARTTLS, and only trusted networks may send.
	TLS *tls.Config
	// Feedback are listeners like Starttls that also take mail from anybody, for
	// the addresses of Inbound. TLS session tickets are off there: senders at
	// Microsoft break on them.
	Feedback []net.Listener
	Inbound  Inbound
	// Trusted networks may send without TLS and AUTH on the Starttls listeners,
	// as TrustedPrincipal.
	Trusted          []netip.Prefix
	TrustedPrincipal *auth.Principal
	Auth             auth.Authenticator
	Desk             Desk
	// Refused is told of messages that are turned away before the desk sees them;
	// nil tells nobody.
	Refused func(r *submission.Request, reply *mail.Reply)
	// Trace records what is refused outside of a message: connections, commands,
	// authentications; of a flood only some. Nil is nobody.
	Trace   *trace.Recorder
	Limits  Limits
	Log     *slog.Logger          // nil discards
	Metrics prometheus.Registerer // nil registers nowhere
}

// Limits bound what clients can take of us. A zero field means its default.
type Limits struct {
	MessageBytes int64 // content of a message; 40 MiB
	Recipients   int   // of a message; 50
	Connections  int   // at once; 2,000
	// StrangerMessages is how many messages a minute one IPv4 address or IPv6 /64
	// may begin without AUTH, on the Feedback listeners; 600.
	StrangerMessages      int
	ConnectionsPerIP      int // at once, from one IPv4 address or IPv6 /64; 200
	MessagesPerConnection int // 1,000
	Errors                int // refused commands of a connection; 20
	Junk                  int // commands without purpose between two messages; 100
	AuthFailures          int // of a connection; 5
	AuthUserFailures      int // of a user name, from anywhere, before each costs the connection; 20
	LineOctets            int // of a line of content in the default profile; 65,536

	IdleTimeout        time.Duration // between commands, client known; 5 min
	IdleTimeoutUnknown time.Duration // before AUTH; 30 s
	IdleTimeoutStrict  time.Duration // in the strict profile; 10 s
	DataTimeout        time.Duration // for the next octets of content; 3 min
	DataRate           int64         // octets a second content must keep up; 1,024
	WriteTimeout       time.Duration // for the client to take replies; 1 min
	HandshakeTimeout   time.Duration // 30 s
	AuthDelay          time.Duration // the first pause after a failed AUTH; 250 ms
	AuthDelayMax       time.Duration // the longest; 5 s
	Grace              time.Duration // for sessions to end after Serve's ctx; 20 s
}

func or[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	or(&l.MessageBytes, 40<<20)
	or(&l.Recipients, 50)
	or(&l.Connections, 2000)
	or(&l.StrangerMessages, 600)
	or(&l.ConnectionsPerIP, 200)
	or(&l.MessagesPerConnection, 1000)
	or(&l.Errors, 20)
	or(&l.Junk, 100)
	or(&l.AuthFailures, 5)
	or(&l.AuthUserFailures, 20)
	or(&l.LineOctets, 64<<10)
	or(&l.IdleTimeout, 5*time.Minute) // RFC 5321 section 4.5.3.2.7
	or(&l.IdleTimeoutUnknown, 30*time.Second)
	or(&l.IdleTimeoutStrict, 10*time.Second)
	or(&l.DataTimeout, 3*time.Minute) // RFC 5321 section 4.5.3.2.5
	or(&l.DataRate, 1024)
	or(&l.WriteTimeout, time.Minute)
	or(&l.HandshakeTimeout, 30*time.Second)
	or(&l.AuthDelay, 250*time.Millisecond)
	or(&l.AuthDelayMax, 5*time.Second)
	or(&l.Grace, 20*time.Second)
	return l
}

// check says what makes the options unusable.
func (o *Options) check() error {
	switch {
	case o.Hostname == "":
		return errors.New("smtpd: no host name")
	case o.Desk == nil:
		return errors.New("smtpd: no desk")
	case o.Auth == nil:
		return errors.New("smtpd: no authenticator")
	case len(o.ImplicitTLS) > 0 && o.TLS == nil:
		return errors.New("smtpd: implicit TLS without a TLS configuration")
	case len(o.Feedback) > 0 && o.Inbound == nil:
		return errors.New("smtpd: feedback listeners without an inbound room")
	case len(o.Trusted) > 0 && o.TrustedPrincipal == nil:
		return errors.New("smtpd: trusted networks without a principal")
	}
	return nil
}
