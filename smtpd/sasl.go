package smtpd

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-sasl"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd/internal/throttle"
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
		n.conn.SetOwner(p.Account, p.Credential)
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
	return n.failed(username, r)
}

// maxUser bounds a user name that is remembered in octets.
const maxUser = 128

// failed makes a failed authentication cost time, and the connection when there
// were too many of it or, from wherever, of the user name. A right password is
// never refused for it, so nobody can lock its owner out.
func (n *session) failed(username string, r *mail.Reply) error {
	s, now := n.server, time.Now()
	username = username[:min(len(username), maxUser)]
	source := network(n.conn.Client())
	count, wait := s.networks.Failed(source, now)
	ofUser, _ := s.users.Failed(username, now)
	n.failures++
	delay := &mail.Limit{Name: mail.LimitAuthDelay, Whose: "network " + source.String(), Frees: now.Add(wait), Err: r.Cause}
	switch end := (&mail.Limit{Unit: "failed authentications"}); {
	case ofUser > s.limits.AuthUserFailures:
		wait = s.limits.AuthDelayMax
		delay.Frees = now.Add(wait)
		end.Name, end.Whose, end.Frees = mail.LimitAuthUser, "a user name", now.Add(throttle.Forget)
		end.Used, end.Max = float64(ofUser), float64(s.limits.AuthUserFailures)
		n.conn.CloseWith(replyFailures.WithCause(end))
	case n.failures >= s.limits.AuthFailures:
		end.Name, end.Whose = mail.LimitAuthFailures, "session "+n.conn.Session()
		end.Used, end.Max = float64(n.failures), float64(s.limits.AuthFailures)
		n.conn.CloseWith(replyFailures.WithCause(end))
	}
	delay.Used, delay.Max, delay.Unit = wait.Seconds(), s.limits.AuthDelayMax.Seconds(), "seconds"
	n.log.Info("authentication refused", "attempt", count, "code", r.Code, "status", r.Status, "text", r.Text, "err", delay)
	s.refusedAuth(n.conn, username, r.WithCause(delay))
	n.conn.Flush()
	pause := time.NewTimer(wait)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-n.ctx.Done():
	}
	return r
}
