package smtpd

import (
	"context"
	"errors"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd/internal/guard"
	"github.com/sesame-mta/sesame/submission"
)

// Inbound takes the mail of strangers: what comes back for mail that has left. An
// error of its methods that is a *mail.Reply is what the stranger reads; any other
// becomes a temporary failure and an Error line in the log.
type Inbound interface {
	// Recipient is asked at RCPT whether an address takes mail from anybody. An
	// address that is not ours is ErrNotOurs.
	Recipient(ctx context.Context, to mail.ForwardPath) error
	// Receive takes a message to such addresses; r.Principal is nil. It reads
	// r.Content to its end before it returns nil, and all that the message leads
	// to is on stable storage then.
	Receive(ctx context.Context, r *submission.Request) error
}

// ErrNotOurs says that an address is none of those that take mail from anybody.
var ErrNotOurs = errors.New("not an address of ours")

// strangerTo asks about a recipient of a stranger's. Nothing is relayed: whoever
// wants that must say who he is.
func (n *session) strangerTo(to mail.ForwardPath) error {
	err := n.server.opts.Inbound.Recipient(n.ctx, to)
	switch {
	case errors.Is(err, ErrNotOurs):
		return n.refuseStranger(replyMustAuth)
	case err != nil:
		return n.refuseStranger(n.reply(err))
	}
	return nil
}

// refuseStranger is refuse for what no desk is told of.
func (n *session) refuseStranger(r *mail.Reply) error {
	n.server.refusedCommand(n.conn, r)
	return n.refuse(r)
}

// receive takes a stranger's message.
func (n *session) receive() *mail.Reply {
	content := n.conn.Content()
	r := n.request()
	r.Content = content
	err := n.server.opts.Inbound.Receive(n.ctx, r)
	whole := content.Whole()
	refusal := content.Finish()
	var reply *mail.Reply
	switch {
	case errors.Is(refusal, guard.ErrAborted):
		n.server.metrics.inbound("aborted")
		return replyTemporary // nobody reads it
	case errors.As(refusal, &reply):
	case err != nil:
		reply = n.reply(err)
	case !whole:
		n.log.Error("message of a stranger was accepted unread")
		reply = replyTemporary
	default:
		n.server.metrics.inbound("accepted")
		return replyReceived
	}
	if reply.Temporary() {
		n.server.metrics.inbound("deferred")
	} else {
		n.server.metrics.inbound("refused")
	}
	n.server.refusedCommand(n.conn, reply)
	return reply
}
