package smtpd

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-sasl"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
)

// AuthMechanisms implements smtp.AuthSession.
func (n *session) AuthMechanisms() []string { return []string{sasl.Plain, auth.Login} }

// Auth implements smtp.AuthSession. The guard lets no other mechanism through.
func (n *session) Auth(mech string) (sasl.Server, error) {
	if mech == auth.Login {
		return exchange{n, auth.NewLoginServer(n.authenticate)}, nil
	}
	return exchange{n, sasl.NewPlainServer(func(_, username, password string) error {
		// The authorization identity is ignored, as SES does: the recipe for
		// Sendmail sends "root".
		return n.authenticate(username, password)
	})}, nil
}

// exchange makes replies of a mechanism's errors.
type exchange struct {
	session *session
	server  sasl.Server
}

// Next implements sasl.Server.
func (e exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = e.server.Next(response)
	if err == nil {
		return challenge, done, nil
	}
	var r *mail.Reply
	if !errors.As(err, &r) {
		r = replyResponse
		e.session.server.metrics.auth("malformed")
	}
	return nil, false, e.session.refuse(r)
}

// authenticate checks a user name and a password. A failure costs time that
// grows with the failures of the client's network; a correct login never waits.
func (n *session) authenticate(username, password string) error {
	s := n.server
	ctx, cancel := context.WithTimeout(n.ctx, s.limits.IdleTimeoutUnknown)
	defer cancel()
	p, err := s.opts.Auth.Authenticate(ctx, username, password, n.conn.Client())
	if err == nil {
		n.principal = p
		n.conn.SetStrict(p.Strict)
		s.door.known(n.conn, p.Credential)
		s.metrics.auth("success")
		n.log.Debug("authenticated", "account", p.Account)
		return nil
	}
	var r *mail.Reply
	if !errors.As(err, &r) {
		n.log.Error("authentication failed for a reason of ours", "err", err)
		r = auth.ErrTemporary
	}
	if r.Temporary() {
		s.metrics.auth("temporary")
		return r
	}
	s.metrics.auth("invalid")
	n.log.Info("authentication refused", "code", r.Code, "status", r.Status, "text", r.Text, "err", r.Cause)
	if n.failures++; n.failures >= s.limits.AuthFailures {
		n.conn.CloseWith(replyFailures)
	}
	n.conn.Flush()
	pause := time.NewTimer(s.throttle.Failed(network(n.conn.Client()), time.Now()))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-n.ctx.Done():
	}
	return r
}
