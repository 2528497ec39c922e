package smtpd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd/internal/guard"
	"github.com/sesame-mta/sesame/submission"
)

// session is one client's state above the dialogue. It lives from the first EHLO
// to the end of the connection, across STARTTLS.
type session struct {
	server    *Server
	conn      *guard.Conn
	log       *slog.Logger
	ctx       context.Context // cancelled in Logout
	cancel    context.CancelFunc
	principal *auth.Principal
	failures  int // of AUTH
	from      mail.ReversePath
}

var _ smtp.AuthSession = (*session)(nil)

func (s *Server) newSession(c *smtp.Conn) (smtp.Session, error) {
	conn, ok := c.Conn().(*guard.Conn)
	if !ok {
		return nil, errors.New("connection without a guard")
	}
	n := &session{server: s, conn: conn, log: s.log.With("source", conn.Client().String())}
	n.ctx, n.cancel = context.WithCancel(s.base)
	if conn.Trusted() {
		n.principal = s.opts.TrustedPrincipal
		conn.SetOwner(n.principal.Account, n.principal.Credential)
	}
	return n, nil
}

// Reset implements smtp.Session.
func (n *session) Reset() { n.from = mail.ReversePath{} }

// Logout implements smtp.Session. go-smtp may call it from another goroutine
// while the session is at work.
func (n *session) Logout() error {
	n.cancel()
	return nil
}

// Mail implements smtp.Session. The placeholders that go-smtp parsed are of no
// use; the path is the guard's.
func (n *session) Mail(string, *smtp.MailOptions) error {
	from, size := n.conn.From()
	if n.conn.Stranger() && !n.server.rates.Take(network(n.conn.Client()), time.Now()) {
		n.server.metrics.inbound("deferred")
		most := float64(n.server.limits.StrangerMessages)
		return n.refuseStranger(replyRate.WithCause(&mail.Limit{Name: mail.LimitStrangers, Used: most, Max: most,
			Whose: "network " + network(n.conn.Client()).String(), Unit: "messages a minute", Frees: time.Now().Add(time.Minute)}))
	}
	if err := n.server.opts.Desk.Room(n.ctx, from, size); err != nil {
		r := n.reply(err)
		n.from = from
		account, _ := n.conn.Owner()
		n.log.Info("message refused", "account", account, "from", from, "code", r.Code, "status", r.Status, "text", r.Text, "err", r.Cause)
		n.turnedAway(r)
		n.Reset()
		return n.refuse(r)
	}
	n.from = from
	return nil
}

// Rcpt implements smtp.Session. Of those who may send it sees the first recipient
// only: nothing is decided about them before the content.
func (n *session) Rcpt(string, *smtp.RcptOptions) error {
	if n.conn.Stranger() {
		return n.strangerTo(n.conn.To())
	}
	return nil
}

// Data implements smtp.Session. It takes the content from the guard, not from
// go-smtp, which would change it.
func (n *session) Data(io.Reader) error {
	take := n.submit
	if n.conn.Stranger() {
		take = n.receive
	}
	r := take()
	n.conn.Answer(r)
	if r.Positive() {
		return nil
	}
	return wireError(r)
}

func (n *session) submit() *mail.Reply {
	content := n.conn.Content()
	if len(n.conn.Recipients()) > n.server.limits.Recipients {
		err := content.Finish()
		refusal := n.refusal(err)
		switch {
		case errors.Is(err, guard.ErrAborted):
			return refusal
		case refusal == nil:
			n.server.metrics.message("refused")
			refusal = tooMany(n.server.limits.Recipients)
		}
		// The desk has not seen this message, and logs nothing of it.
		n.log.Info("message refused", "account", n.principal.Account, "from", n.from,
			"code", refusal.Code, "status", refusal.Status, "text", refusal.Text)
		n.turnedAway(refusal)
		return refusal
	}
	start := time.Now()
	r := n.request()
	r.Content = content
	id, err := n.server.opts.Desk.Submit(n.ctx, r)
	n.server.metrics.submit.Observe(time.Since(start).Seconds())
	whole := content.Whole()
	if refusal := n.refusal(content.Finish()); refusal != nil {
		if err == nil {
			n.log.Error("refused message was accepted", "id", id, "text", refusal.Text)
		}
		return refusal
	}
	switch {
	case err != nil:
		r := n.reply(err)
		n.server.metrics.reply(r)
		return r
	case !whole:
		n.log.Error("message was accepted unread", "id", id)
		n.server.metrics.message("deferred")
		return replyTemporary
	}
	n.server.metrics.message("accepted")
	return accepted(id)
}

// request is what is known of the message under way but for its content.
func (n *session) request() *submission.Request {
	version, cipher := n.conn.TLS()
	to := n.conn.Recipients()
	if most := n.server.limits.Recipients; len(to) > most && !n.conn.Stranger() {
		to = to[:most] // the message is refused for their number
	}
	return &submission.Request{
		Principal: n.principal,
		Origin: submission.Origin{
			Client: n.conn.Client(), Helo: n.conn.Helo(), Protocol: n.conn.Protocol(),
			TLS: version, Cipher: cipher, Session: n.conn.Session(),
		},
		From: n.from, To: to,
	}
}

// turnedAway tells of a message that the desk does not see.
func (n *session) turnedAway(reply *mail.Reply) {
	if n.server.opts.Refused != nil && n.principal != nil {
		n.server.opts.Refused(n.request(), reply)
	}
}

// refusal gives the reply to content that can not be taken, nil for one that can.
// The desk, which read it, has logged a refusal. Nobody reads the reply to content
// that was aborted.
func (n *session) refusal(err error) *mail.Reply {
	var r *mail.Reply
	switch {
	case err == nil:
		return nil
	case errors.As(err, &r):
		n.server.metrics.message("refused")
		return r
	}
	n.server.metrics.message("aborted")
	n.log.Info("message aborted", "account", n.principal.Account, "from", n.from)
	return replyTemporary
}

// reply gives what the client may read of an error. One that is no reply is our
// trouble, and for the log.
func (n *session) reply(err error) *mail.Reply {
	var r *mail.Reply
	if errors.As(err, &r) && r.Code >= 400 {
		return r
	}
	n.log.Error("submission failed", "err", err)
	return replyTemporary
}

// refuse has r answered in the place of what go-smtp would say.
func (n *session) refuse(r *mail.Reply) error {
	n.conn.Answer(r)
	return wireError(r)
}

// wireError is what go-smtp understands: it keeps its state by the code. The
// words on the wire are Reply.Wire's.
func wireError(r *mail.Reply) error {
	return &smtp.SMTPError{Code: r.Code, EnhancedCode: smtp.NoEnhancedCode, Message: "refused"}
}
