package guard

import (
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// tell has a refusal noted, with the limit behind it. That the server stops is
// none.
func (g *Conn) tell(r *mail.Reply) {
	if g.cfg.Refused == nil || r.Code < 400 || r == replyClosing {
		return
	}
	if r.Cause == nil {
		if l := g.limit(r); l != nil {
			r = r.WithCause(l)
		}
	}
	g.cfg.Refused(g, r)
}

// limit gives the limit that a reply of the guard is about, nil for none.
func (g *Conn) limit(r *mail.Reply) *mail.Limit {
	l := &g.cfg.Limits
	of := func(name mail.LimitName, used, limit int, unit string) *mail.Limit {
		return &mail.Limit{Name: name, Whose: "session " + g.session, Used: float64(used), Max: float64(limit), Unit: unit}
	}
	switch r {
	case replyMessages:
		return of(mail.LimitMessages, g.messages, l.Messages, "messages")
	case replyRecipients:
		return of(mail.LimitRecipients, len(g.rcpts), g.recipientLimit(), "recipients of one message")
	case replyErrors:
		if g.over > maxRefusedRcpt {
			return of(mail.LimitErrors, g.over, maxRefusedRcpt, "recipients over the limit")
		}
		return of(mail.LimitErrors, g.errors, l.Errors, "refused commands")
	case replyCommands:
		return of(mail.LimitCommands, g.junk, l.Junk, "commands without a message")
	case replyTimeout:
		if g.content != nil {
			waited := time.Since(g.content.started)
			return of(mail.LimitDataRate, int(float64(g.content.facts.Size)/max(waited.Seconds(), 1)), int(l.MinRate),
				"octets a second, at the least")
		}
		return of(mail.LimitIdle, int(g.patience().Seconds()), int(g.patience().Seconds()), "seconds of silence")
	}
	return nil
}
