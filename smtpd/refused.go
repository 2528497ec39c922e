package smtpd

import (
	"net/netip"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd/internal/guard"
	"github.com/sesame-mta/sesame/trace"
)

// What a refusal outside of a message was about, as the trace has it.
const (
	ruleConnection = "connection"
	ruleAuth       = "auth"
	ruleCommand    = "command"
)

// noteKey is by what refusals are counted before they are written down. Clients
// that fall silent are many and tell little: they do not count with the others.
type noteKey struct {
	network netip.Prefix
	silent  bool
}

// refusedConnection notes a client that was not let in.
func (s *Server) refusedConnection(client netip.Addr, l *mail.Limit) {
	s.write(client, replyFull.WithCause(l), &trace.Record{Entry: &trace.Entry{Rule: ruleConnection, Early: true}})
}

// refusedCommand notes what the guard refused.
func (s *Server) refusedCommand(c *guard.Conn, r *mail.Reply) {
	s.write(c.Client(), r, record(c, ruleCommand))
}

// refusedAuth notes a failed authentication.
func (s *Server) refusedAuth(c *guard.Conn, username string, r *mail.Reply) {
	rec := record(c, ruleAuth)
	rec.Entry.User = username
	s.write(c.Client(), r, rec)
}

// record is what is known of a connection.
func record(c *guard.Conn, rule string) *trace.Record {
	rec := &trace.Record{Entry: &trace.Entry{Helo: c.Helo(), Protocol: c.Protocol(), Session: c.Session(), Rule: rule}}
	e := rec.Entry
	e.TLS, e.Cipher = c.TLS()
	rec.Account, e.Credential = c.Owner()
	from, ok := c.Sender()
	rec.From, e.Early = from.String(), !ok
	return rec
}

// write counts the limit behind a refusal, and puts it into log and trace unless
// its network has had its share: a flood must not fill either. The line of
// a failed authentication is written elsewhere, for each: others read it and shut
// the network out.
func (s *Server) write(client netip.Addr, r *mail.Reply, rec *trace.Record) {
	l := mail.LimitOf(r.Cause)
	s.metrics.limit(l)
	silent := l != nil && l.Name == mail.LimitIdle
	ok, missed := s.notes.Take(noteKey{network(client), silent}, time.Now())
	if !ok {
		s.metrics.unwritten.Inc()
		return
	}
	if client.IsValid() {
		rec.Entry.Client = client.String()
	}
	facts := []any{"source", rec.Entry.Client, "code", r.Code, "status", r.Status, "text", r.Text}
	rec.Kind, rec.Time = trace.Refused, time.Now()
	rec.Entry.Reply, rec.Entry.Also, rec.Entry.Limit = r.String(), missed, trace.LimitOf(l)
	if r.Cause != nil {
		rec.Entry.Cause = r.Cause.Error()
		facts = append(facts, "err", r.Cause)
	}
	if rec.Account != "" {
		facts = append(facts, "account", rec.Account)
	}
	switch rec.Entry.Rule {
	case ruleConnection:
		s.log.Info("connection refused", facts...)
	case ruleCommand:
		s.log.Info("command refused", facts...)
	}
	s.opts.Trace.Add(rec)
}
